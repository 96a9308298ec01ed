"""Where "the same code" is said: what the fingerprints of the classes do not cover.

A fingerprint covers the code that a class refers to. It does not see a registry that a decorator fills, a
module that is imported by its name, or a data file of the package. A snapshot covers every file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING

from hyperspace_core.capture.code_fingerprint import covered_names
from hyperspace_core.capture.snapshot import ProjectCode, project_code
from hyperspace_core.capture.syntax import named_statements
from hyperspace_core.errors import HyperspaceError, first_names
from hyperspace_core.records import traits
from hyperspace_core.records.run import SNAPSHOT, RunRecord
from hyperspace_core.results.comparable import CurrentCode, differing_code
from hyperspace_core.run import Absent
from hyperspace_core.storage import Sources, Store

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project

MOST_SNAPSHOTS = 20            # of one comparison; the newest ones
MOST_NAMED = 5                 # files that a line names

CoveredName = tuple[str, str]     # module and name


def snapshot_of(record: RunRecord) -> str | None:
    """The digest of the snapshot that a run executed, or that was pinned for it; None without one."""
    section = record.attempt.provenance.get("source") if record.attempt is not None else None
    digests = [place.get(SNAPSHOT) for place in (section, record.code) if isinstance(place, Mapping)]
    return next((digest for digest in digests if isinstance(digest, str)), None)


def differing_files(store: Store, records: Iterable[RunRecord], project: Callable[[], Project | None],
                    current: ProjectCode | None = None) -> list[str]:
    """The files in which the code of runs differs where no fingerprint of a class covers it.

    They are compared with each other, and with the `current` code. Comments, formatting and defaults do not
    count. Runs without a snapshot, and snapshots that the store lacks, are not looked at. `project` is called
    only where more than the runs' own classes differs; without one, that counts as not covered.
    """
    if not isinstance(store, Sources):
        return []
    newest = sorted(records, key=lambda record: -record.id)
    digests = list(dict.fromkeys(filter(None, map(snapshot_of, newest))))[:MOST_SNAPSHOTS]
    snapshots = {} if current is None else {current.snapshot.digest: current.snapshot}
    for digest in digests if len({*digests, *snapshots}) > 1 else ():
        with contextlib.suppress(HyperspaceError):
            snapshots.setdefault(digest, store.snapshot(digest))
    versions = [{file.path: file.digest for file in one.files} for one in snapshots.values()]
    paths = sorted({path for one in versions for path in one
                    if len({other.get(path) for other in versions}) > 1})
    changed = {path: _changed_names(path, [_content(store, current, path, digest) for digest in
                                           {one.get(path) for one in versions}]) for path in paths}
    used = [traits.fingerprints_of(record) or {} for record in newest]
    covered: Set[CoveredName] = {(one.module, one.name) for each in used for one in each.values()}
    if any(names is not None and not names <= covered for names in changed.values()):
        opened = project()
        covered = covered if opened is None else covered_names(opened)
    return [path for path, names in changed.items() if names is None or not names <= covered]


def _content(store: Sources, current: ProjectCode | None, path: str, digest: str | None) -> bytes:
    """The content of a file; empty without the file, and where it cannot be read."""
    with contextlib.suppress(HyperspaceError):
        if digest is not None:
            with store.open_content(digest) as content:
                return content.read()
    with contextlib.suppress(HyperspaceError, KeyError):
        if digest is not None and current is not None:         # not stored yet
            return current.read(path)
    return b""


def _changed_names(path: str, contents: Sequence[bytes]) -> set[CoveredName] | None:
    """The names whose statements differ; None where the difference is not one of named Python code."""
    if not path.endswith(".py"):
        return None
    try:
        statements = [named_statements(content) for content in contents]
    except (SyntaxError, ValueError, RecursionError):
        return None
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    changed = [names for each in statements for text, names in each
               if not all((text, names) in other for other in statements)]
    return None if not all(changed) else {(module, name) for names in changed for name in names}


def differing_text(files: Iterable[str]) -> str:
    """A clause on the files; "" without any."""
    names = first_names(files, MOST_NAMED)
    return (f"the snapshots of their code differ in {names}, which no fingerprint of a class covers"
            if names else "")


class CodeCheck:
    """Compares the code of runs with the code of a project in this process."""

    def __init__(self, store: Store, project: Project) -> None:
        self._store, self._project = store, project
        self._current = CurrentCode(project)
        self._same: dict[str | None, RunRecord] = {}       # by snapshot: runs with the present fingerprints

    def look(self, record: RunRecord) -> list[tuple[traits.Fingerprint, traits.Fingerprint]]:
        """The classes and hooks of a run that have other code now, each then and now."""
        own = traits.fingerprints_of(record)
        changed = [] if own is None else list(differing_code(
            own, self._current.fingerprints(record, own), self._current.sameness))
        if not changed:
            self._same[snapshot_of(record)] = record
        return changed

    def unseen(self) -> list[str]:
        """The files that differ, of the looked at runs whose classes have the code that they had."""
        code = project_code(self._project)
        return [] if isinstance(code, Absent) else differing_files(
            self._store, self._same.values(), lambda: self._project, code)
