"""Restore the code of a past run from its snapshot, or its commit and patch."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hyperspace_core.errors import HyperspaceError, NotFound
from hyperspace_core.execution.failure import one_line
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.source import CHANGES, SNAPSHOT
from hyperspace_core.worker.runners import unpacked

if TYPE_CHECKING:
    from hyperspace_core.storage import Store

PATCH, UNTRACKED = "uncommitted.patch", "untracked/"


@dataclass(frozen=True, kw_only=True)
class PastCode:
    """Folder with the code of a past run, to be put first on the import path."""

    folder: Path
    description: str                   # "snapshot 0123456789ab", "commit 0123456789ab and its patch"


@contextmanager
def code_of(store: Store, record: RunRecord, package: str) -> Iterator[PastCode]:
    """Restore the code of the run's last attempt.

    `package`: the project's top-level package. The checkout is only read. Raises `HyperspaceError`.
    """
    source, git = section_of(record, "source"), section_of(record, "git")
    reasons = []
    digest = source.get(SNAPSHOT) or record.code.get(SNAPSHOT)
    if isinstance(digest, str):
        try:
            folder = unpacked(store, digest)
        except (HyperspaceError, OSError) as error:
            reasons.append(_reason(error))
        else:
            yield PastCode(folder=folder, description=f"snapshot {digest[:12]}")
            return
    else:
        reasons.append("no snapshot was recorded")
    with TemporaryDirectory(prefix="hyperspace-code-") as place:
        try:
            past = _from_git(store, git, source, package, Path(place))
        except (HyperspaceError, OSError) as error:
            reasons.append(_reason(error))
            why = "; ".join(dict.fromkeys(reasons))
            raise HyperspaceError(f"run {record.id}: the code it was executed on is not available: {why}; "
                                  "--code current uses the current code") from None
        yield past


def _reason(error: HyperspaceError | OSError) -> str:
    """The message of an error; the type is added to those of Python."""
    return str(error) if isinstance(error, HyperspaceError) else one_line(error)


def section_of(record: RunRecord, name: str) -> dict[str, Any]:
    """A section of the last attempt's provenance; empty if there is none."""
    section = record.attempt.provenance.get(name) if record.attempt is not None else None
    return section if isinstance(section, dict) else {}


def _from_git(store: Store, git: dict[str, Any], source: dict[str, Any], package: str,
              place: Path) -> PastCode:
    from hyperspace_core.capture.git import checked_out, patched
    from hyperspace_core.capture.worktree import GitUnavailable

    root, commit, changes = git.get("root"), git.get("commit"), source.get(CHANGES)
    if not isinstance(root, str) or not isinstance(commit, str):
        raise NotFound("no commit was recorded")
    if git.get("dirty") and not isinstance(changes, str):
        raise NotFound(f"commit {commit[:12]} had uncommitted changes, which were not stored")
    tree = place / "tree"
    tree.mkdir()
    try:
        checked_out(root, commit, tree)
        if isinstance(changes, str):
            kept = unpacked(store, changes)
            if (kept / PATCH).exists():
                patched(tree, kept / PATCH)
            if (kept / UNTRACKED).is_dir():
                shutil.copytree(kept / UNTRACKED, tree, dirs_exist_ok=True)
    except GitUnavailable as error:
        raise HyperspaceError(f"{error} ({root})") from None
    and_patch = " and its uncommitted changes" if isinstance(changes, str) else ""
    return PastCode(folder=_import_root(tree, package), description=f"commit {commit[:12]}{and_patch}")


def _import_root(tree: Path, package: str) -> Path:
    """The folder that contains the package or module: the one nearest to the top."""
    found = [path.parent.parent for path in tree.rglob(f"{package}/__init__.py")]
    found += [path.parent for path in tree.rglob(f"{package}.py")]
    if not found:
        raise NotFound(f"the commit has no package '{package}'")
    return min(found, key=lambda path: (len(path.parts), str(path)))
