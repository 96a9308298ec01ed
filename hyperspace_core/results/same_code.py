"""Where "the same code" is said: what the fingerprints of the classes do not cover.

A fingerprint covers the code that a class refers to. It does not see a registry that a decorator fills, a
module that is imported by its name, or a data file of the package. A snapshot covers every file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from hyperspace_core.capture.code_fingerprint import covered_names
from hyperspace_core.capture.snapshot import ProjectCode, project_code
from hyperspace_core.capture.syntax import named_statements
from hyperspace_core.errors import HyperspaceError, first_names
from hyperspace_core.records.run import SNAPSHOT, RunRecord, Snapshot
from hyperspace_core.records.traits import Fingerprint, fingerprints_of
from hyperspace_core.results.comparable import CurrentCode, differing_code
from hyperspace_core.storage import Sources, Store

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project

MOST_SNAPSHOTS = 20            # of one comparison; the newest ones
MOST_NAMED = 5                 # files that a line names


def snapshot_of(record: RunRecord) -> str | None:
    """The digest of the snapshot that a run executed, or that was pinned for it; None without one."""
    section = record.attempt.provenance.get("source") if record.attempt is not None else None
    digests = [place.get(SNAPSHOT) for place in (section, record.code) if isinstance(place, Mapping)]
    return next((digest for digest in digests if isinstance(digest, str)), None)


def differing_files(store: Store, records: Iterable[RunRecord], project: Callable[[], Project | None], *,
                    today: bool = False) -> list[str]:
    """The files in which the code of runs differs where no fingerprint of a class covers it.

    They are compared with each other, and with the project's code of `today`. Comments, formatting and
    defaults do not count. Runs without a snapshot, and snapshots that the store lacks, are not looked at.
    `project` is called where files differ; without one, no code counts as covered.
    """
    if not isinstance(store, Sources):
        return []
    newest = sorted(records, key=lambda record: -record.id)
    digests = list(dict.fromkeys(filter(None, map(snapshot_of, newest))))[:MOST_SNAPSHOTS]
    opened = project() if today else None
    code = None if opened is None else project_code(opened)
    versions: dict[str, dict[str, bytes | None]] = {}
    if isinstance(code, ProjectCode):
        digests = [digest for digest in digests if digest != code.snapshot.digest]
    snapshots = [snapshot for digest in digests if (snapshot := _kept(store, digest)) is not None]
    every = [*snapshots, *([code.snapshot] if isinstance(code, ProjectCode) else [])]
    if len(every) < 2:
        return []
    contents = [{file.path: file.digest for file in one.files} for one in every]
    paths = sorted({path for one in contents for path in one
                    if len({other.get(path) for other in contents}) > 1})
    opened = opened or project()
    covered = frozenset() if opened is None or not paths else covered_names(opened)
    for path in paths:
        read = {digest: _content(store, code, path, digest) for one in contents
                for digest in [one.get(path)] if digest is not None}
        versions[path] = read | ({"": None} if any(path not in one for one in contents) else {})
    return [path for path, each in versions.items() if _differ(path, list(each.values()), covered)]


def _kept(store: Sources, digest: str) -> Snapshot | None:
    try:
        return store.snapshot(digest)
    except HyperspaceError:
        return None


def _content(store: Sources, code: object, path: str, digest: str) -> bytes | None:
    """The content of a file; None where it cannot be read, which counts as another content."""
    try:
        with store.open_content(digest) as content:
            return content.read()
    except HyperspaceError:
        try:
            return code.read(path) if isinstance(code, ProjectCode) else None
        except HyperspaceError:
            return None


def _differ(path: str, versions: Sequence[bytes | None], covered: Collection[tuple[str, str]]) -> bool:
    """Whether versions of a file differ in code that is not covered; None: no such file."""
    if not path.endswith(".py"):
        return True
    try:
        statements = [named_statements(b"" if one is None else one) for one in versions]
    except (SyntaxError, ValueError, RecursionError):
        return True
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    changed = {one for each in statements for one in each if not all(one in other for other in statements)}
    return any(not names or any((module, name) not in covered for name in names) for _, names in changed)


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

    def look(self, record: RunRecord) -> list[tuple[Fingerprint, Fingerprint]]:
        """The classes and hooks of a run that have other code now, each then and now."""
        own = fingerprints_of(record)
        changed = [] if own is None else list(differing_code(
            own, self._current.fingerprints(record, own), self._current.sameness))
        if not changed:
            self._same[snapshot_of(record)] = record
        return changed

    def unseen(self) -> list[str]:
        """The files that differ, of the looked at runs whose classes have the code that they had."""
        return differing_files(self._store, self._same.values(), lambda: self._project, today=True)
