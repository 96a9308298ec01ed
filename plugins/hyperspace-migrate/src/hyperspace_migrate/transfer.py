"""Copy the parts of runs: artifacts, code snapshots, searches and migrations."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from hyperspace_core.errors import HyperspaceError, NotFound, Refused, StoreError, UsageError
from hyperspace_core.plugin import named_snapshots
from hyperspace_core.records import (
    Artifact,
    Migration,
    Rewrite,
    RunRecord,
    SearchRecord,
    SearchState,
    Snapshot,
)
from hyperspace_core.storage import (
    Migrations,
    Searches,
    Sources,
    Store,
    migrations_of,
    rewritten_of,
    searches_of,
)

CHUNK = 1 << 20
SECTION = "source"             # section of the provenance that names snapshots


# -- Artifacts, through a temporary file, with checks of their digests -------------------------------------

class DamagedContent(HyperspaceError):
    """A content is missing or does not match its digest."""


class ArtifactTransfer:
    """Copies contents from one store to another; use it in a `with` statement."""

    def __init__(self, source: Store, target: Store) -> None:
        self._source, self._target = source, target
        self._folder = tempfile.TemporaryDirectory(prefix="hyperspace-copy-")
        self._here: str | None = None          # the digest of the content in the temporary file
        self._sound: set[str] = set()          # digests that were verified at the destination

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._folder.cleanup()

    def bring(self, artifact: Artifact, run: int) -> None:
        """Copy an artifact to the destination. Raises `DamagedContent` if it is not whole."""
        self._target.put_artifact(run, artifact.attempt, artifact.name, self._fetched(artifact))

    def check(self, artifact: Artifact) -> None:
        """Verify the content at the destination. Raises `DamagedContent`."""
        if artifact.digest not in self._sound:
            for _ in _read(self._target, artifact):
                pass
            self._sound.add(artifact.digest)

    def _fetched(self, artifact: Artifact) -> Path:
        path = Path(self._folder.name, "content")
        if self._here == artifact.digest:      # consecutive runs often share a content
            return path
        self._here = None
        with _writing(path) as file:
            for chunk in _read(self._source, artifact):
                file.write(chunk)
        self._here = artifact.digest
        return path


def _read(store: Store, artifact: Artifact) -> Iterator[bytes]:
    """The content, piece by piece. Raises `DamagedContent`, possibly after the last piece."""
    hasher = hashlib.sha256()
    what = f"artifact '{artifact.name}' of attempt {artifact.attempt} in {store.url}"
    try:
        with store.open_artifact(artifact) as content:
            while chunk := content.read(CHUNK):
                hasher.update(chunk)
                yield chunk
    except NotFound as error:
        raise DamagedContent(f"{what}: {error}") from None
    if hasher.hexdigest() != artifact.digest:
        raise DamagedContent(f"{what}: its content does not match its digest ({artifact.digest[:12]}…)")


@contextmanager
def _writing(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise StoreError(f"{path.parent}: {error.strerror or error}; set TMPDIR to another folder for "
                         "temporary files") from error


# -- Code snapshots, each once -----------------------------------------------------------------------------

class SnapshotTransfer:
    """Copies snapshots from one store to another, and reads them back there."""

    def __init__(self, source: Store, target: Store) -> None:
        self._source, self._target = source, target
        self._troubles: dict[str, str] = {}    # digest -> problem, "" for none

    def bring(self, record: RunRecord) -> list[str]:
        """Copy the snapshots of a run; return problems."""
        sections = [record.code, *(attempt.provenance.get(SECTION) for attempt in record.attempts)]
        named = dict.fromkeys(digest for section in sections if isinstance(section, Mapping)
                              for digest in named_snapshots(section))
        for digest in named:
            if digest not in self._troubles:
                self._troubles[digest] = self._trouble(digest)
        return [self._troubles[digest] for digest in named if self._troubles[digest]]

    def _trouble(self, digest: str) -> str:
        try:
            source, target = _keepers(self._source, self._target)
            _check(target, _brought(source, target, digest))
        except (NotFound, UsageError) as error:
            return f"snapshot {digest[:12]}… of source code: {error}"
        return ""


def _keepers(*stores: Store) -> list[Sources]:
    """The stores, if all of them keep source code. Raises `NotFound`."""
    for store in stores:
        if not isinstance(store, Sources):
            raise NotFound(f"{store.url} cannot {Sources.ability}")
    return [Sources.of(store) for store in stores]


def _brought(source: Sources, target: Sources, digest: str) -> Snapshot:
    try:
        return target.snapshot(digest)
    except NotFound:
        snapshot = source.snapshot(digest)
    contents = {file.path: file.digest for file in snapshot.files}
    target.put_snapshot(snapshot, lambda path: _content(source, contents[path]))
    return snapshot


def _check(target: Sources, snapshot: Snapshot) -> None:
    for file in snapshot.files:
        if hashlib.sha256(_content(target, file.digest)).hexdigest() != file.digest:
            raise NotFound(f"{file.path} in the other store does not match its digest")


def _content(store: Sources, digest: str) -> bytes:
    with store.open_content(digest) as content:
        return content.read()


# -- Searches; open ones are paused in the copy ------------------------------------------------------------

@dataclass(frozen=True, kw_only=True)
class CopiedSearch:
    """A search in both stores, as of the copy of one of its runs."""

    search: int                # its id here
    there: int
    state: SearchState         # here
    state_there: SearchState


class SearchTransfer:
    """Copies searches from one store to another."""

    def __init__(self, source: Store, target: Store) -> None:
        self._source, self._target = source, target

    def check(self, records: Sequence[RunRecord]) -> None:
        """Raises `StoreError` where runs have searches and the target keeps none."""
        if searches_behind(self._source, records):
            Searches.of(self._target)

    def bring(self, records: Sequence[RunRecord]) -> dict[str, CopiedSearch]:
        """Copy the searches of runs, by uid; to be called after the runs' copy."""
        brought = {}
        for search in searches_behind(self._source, records):
            target = Searches.of(self._target)
            there = target.restore_search(search)
            brought[search.uid] = CopiedSearch(search=search.id, there=there, state=search.state,
                                               state_there=target.get_search(there).state)
        return brought


def searches_behind(source: Store, records: Sequence[RunRecord]) -> list[SearchRecord]:
    """The searches that proposed these runs."""
    uids: dict[str, set[str]] = {}
    for record in records:
        if record.search is not None:
            uids.setdefault(record.project, set()).add(record.search)
    return [search for project, some in uids.items() for search in searches_of(source, project, uids=some)]


# -- Migrated configs: restored as executed, then migrated again -------------------------------------------

def as_executed(source: Store, record: RunRecord) -> RunRecord:
    """The record before its first migration."""
    before = rewritten_of(source, record)
    if not before:
        return record
    return replace(record, scenario=before[0].scenario, config=before[0].config, migrated=())


class MigrationTransfer:
    """Applies the migrations of one store's runs to their copies in another store."""

    def __init__(self, source: Store, target: Store) -> None:
        self._source, self._target = source, target
        self._migrations: dict[tuple[str, str], Migration] = {}

    def follow(self, record: RunRecord, found: RunRecord) -> list[str]:
        """Apply the migrations that `found` lacks; return those that are refused."""
        done = len(found.migrated)
        if found.migrated != record.migrated[:done] or done == len(record.migrated):
            return []
        steps = rewritten_of(self._source, record)
        after = [*((step.scenario, step.config) for step in steps[1:]), (record.scenario, record.config)]
        try:
            for step, (scenario, config) in list(zip(steps, after, strict=True))[done:]:
                Migrations.of(self._target).migrate(self._migration(record.project, step.migration), [Rewrite(
                    run=found.id, old_scenario=step.scenario, old_config=step.config,
                    scenario=scenario, config=config)])
        except Refused as error:
            return [str(error)]
        return []

    def _migration(self, project: str, name: str) -> Migration:
        if (project, name) not in self._migrations:
            self._migrations |= {(project, one): found
                                 for one, found in migrations_of(self._source, project).items()}
        return self._migrations[project, name]
