"""Copy of runs with all their data to another store, with a check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hyperspace_core.errors import NotFound
from hyperspace_core.records import ORDER_OLDEST, Artifact, OutputChunk, Point, RunFilter, RunRecord, State
from hyperspace_core.storage import Maintenance, QueueSettings, Store
from hyperspace_migrate.digest import batches, run_digest, same_try
from hyperspace_migrate.transfer import (
    ArtifactTransfer,
    CopiedSearch,
    DamagedContent,
    MigrationTransfer,
    SearchTransfer,
    SnapshotTransfer,
    as_executed,
    searches_behind,
)

RUNS_AT_ONCE = 50              # records per batch
WAS_QUEUED = "queued when copied"      # reason of a run that is paused there because it is queued here


# -- The order of runs, and the ids of their parents -------------------------------------------------------

def parents_first(store: Store, where: RunFilter) -> Iterator[RunRecord]:
    """The matching runs, oldest first, each after its parent if that matches, too."""
    given: set[int] = set()
    for record in store.find(where, order=ORDER_OLDEST):
        line = {record.id: record}         # ancestors that were not yielded yet
        last: RunRecord | None = record
        while last is not None and last.parent is not None and last.parent > record.id:
            known = last.parent in given or last.parent in line
            last = None if known else _matching(store, where, last.parent)
            if last is not None:
                line[last.id] = last
        for one in reversed(line.values()):
            if one.id not in given:
                given.add(one.id)
                yield one


def _matching(store: Store, where: RunFilter, run: int) -> RunRecord | None:
    found = get(store, run)
    return found if found is not None and where.matches(found) else None


class Parents:
    """The ids of parents at the destination."""

    def __init__(self, source: Store, target: Store) -> None:
        self._source, self._target = source, target
        self._there: dict[int, int | None] = {}

    def __setitem__(self, run: int, there: int) -> None:
        self._there[run] = there

    def of(self, record: RunRecord) -> int | None:
        """The parent's id at the destination; None where there is no such parent."""
        if record.parent is None:
            return None
        if record.parent not in self._there:
            self._there[record.parent] = self._found(record.parent)
        return self._there[record.parent]

    def _found(self, run: int) -> int | None:
        """The id of a parent outside this copy, which an earlier copy may have brought."""
        parent = get(self._source, run)
        return None if parent is None else known(self._target, [parent]).get(parent.uid)


def known(store: Store, records: list[RunRecord]) -> dict[str, int]:
    """The ids of the given runs that a store has, by uid."""
    return {uid: record.id for uid, record in known_records(store, records).items()}


def known_records(store: Store, records: list[RunRecord]) -> dict[str, RunRecord]:
    """The store's records of the given runs, by uid."""
    uids = tuple(record.uid for record in records)
    return {found.uid: found for found in store.find(RunFilter(uids=uids))} if uids else {}


def get(store: Store, run: int) -> RunRecord | None:
    """The record; None where it has been deleted."""
    try:
        return store.get(run)
    except NotFound:
        return None


# -- The copy ----------------------------------------------------------------------------------------------

class Fate(StrEnum):
    """The result of copying a run."""

    COPIED = "copied"
    THERE = "there"            # the run was already there and is identical
    AHEAD = "ahead"            # it is queued here, and has continued there
    RUNNING = "running"        # left out, because its owner writes to this store only
    DIFFERS = "differs"        # it was changed there; nothing was overwritten
    DAMAGED = "damaged"        # a part of it is not whole here or there; everything else was copied


@dataclass(frozen=True, kw_only=True)
class Copied:
    """One run and the result of its copy."""

    run: int                   # its id here
    uid: str
    project: str
    fate: Fate
    there: int | None = None   # its id at the destination
    waits: bool = False        # it was queued here, and is paused there
    digest: str | None = None  # of all its data here, and of the copy where nothing differs
    problems: tuple[str, ...] = ()     # parts that differ, are damaged or are missing
    search: CopiedSearch | None = None     # the search that proposed it
    lost_parent: int | None = None     # a parent that is not at the destination, and so is not named there


def copy_runs(source: Store, target: Store, where: RunFilter | None = None) -> Generator[Copied]:
    """Copy the matching runs; yield each after its copy was read back.

    Runs keep their uid and get new ids. A queued run arrives PAUSED, so that no run is executed in both
    stores. Their searches are copied, too, and an open one is paused there. Existing runs are completed where
    data is missing, and never overwritten. The settings of a project's queue are copied where the destination
    has no runs of the project and no settings for it. After a kill, call it again to continue.
    Raises `StoreError` where one of the stores fails.
    """
    with ArtifactTransfer(source, target) as contents:
        yield from _Copy(source, target, contents).all(where or RunFilter())


def missing(target: Store, uids: Sequence[str]) -> int:
    """The number of these runs that a store does not have."""
    return sum(len(set(some)) - sum(target.count(RunFilter(uids=tuple(some))).values())
               for some in batches(uids, 1000))


def arriving(record: RunRecord, parent: int | None = None) -> RunRecord:
    """The record as it is stored at the destination, except for its id."""
    if record.state is State.QUEUED:
        record = replace(record, state=State.PAUSED, reason=WAS_QUEUED)
    if not record.state.terminal:      # only ended runs are migrated; this one keeps its config
        record = replace(record, migrated=())
    return replace(record, parent=parent)


class _Copy:
    def __init__(self, source: Store, target: Store, contents: ArtifactTransfer) -> None:
        self._source, self._target, self._contents = source, target, contents
        self._parents = Parents(source, target)
        self._searches = SearchTransfer(source, target)
        self._sources, self._histories = SnapshotTransfer(source, target), MigrationTransfer(source, target)
        self._settled = set(target.info().runs)        # projects whose settings there stay unchanged

    def all(self, where: RunFilter) -> Iterator[Copied]:
        batch: list[RunRecord] = []
        for record in parents_first(self._source, where):
            if record.state is State.RUNNING:
                yield Copied(run=record.id, uid=record.uid, project=record.project, fate=Fate.RUNNING)
                continue
            # a parent needs its id there before its child is restored
            if len(batch) >= RUNS_AT_ONCE or any(record.parent == one.id for one in batch):
                yield from self._brought(batch)
                batch = []
            batch.append(record)
        yield from self._brought(batch)

    def _brought(self, records: list[RunRecord]) -> Iterator[Copied]:
        self._searches.check(records)
        for project in {record.project for record in records} - self._settled:
            self._settle(project)
        before = known_records(self._target, records)
        given = [arriving(record, self._parents.of(record)) for record in records]
        lacking = {record.uid: self._sources.bring(record) for record in records}
        restored = Maintenance.of(self._target).restore(
            [as_executed(self._source, record) for record in given])
        for record, run in zip(records, restored, strict=True):
            self._parents[record.id] = run
        searches = self._searches.bring(records)
        there = known_records(self._target, records)
        for record, wanted in zip(records, given, strict=True):
            copied = Copied(run=record.id, uid=record.uid, project=record.project, fate=Fate.COPIED,
                            search=searches.get(record.search or ""),
                            lost_parent=record.parent if wanted.parent is None else None)
            try:
                found = there.get(record.uid)
                if found is None:
                    raise NotFound("it was deleted there during the copy")
                copied = replace(copied, there=found.id, waits=wanted.reason == WAS_QUEUED == found.reason)
                new = not _stood(before.get(record.uid), found)
                yield self._carried(copied, wanted, found, lacking[record.uid], new=new)
            except NotFound as error:          # a run was deleted here or there meanwhile
                yield replace(copied, fate=Fate.DAMAGED, problems=(str(error),))

    def _settle(self, project: str) -> None:
        self._settled.add(project)
        here = self._source.settings(project)
        if here != QueueSettings() == self._target.settings(project):
            self._target.change_settings(project, paused=here.paused, heartbeat_s=here.heartbeat_s,
                                         ttl_s=here.ttl_s)

    def _carried(self, copied: Copied, wanted: RunRecord, found: RunRecord, lacking: list[str], *,
                 new: bool) -> Copied:
        """Copy a run's logged data unless it is already there, then compare both stores."""
        ahead = _ahead(wanted, found)
        refused = self._histories.follow(wanted, found)
        if found.migrated != wanted.migrated:
            found, new = self._target.get(found.id), True
        if not new and not ahead:
            here, there = run_digest(self._source, wanted), run_digest(self._target, found)
            if not here.differences(there):
                return self._checked(replace(copied, fate=Fate.THERE, digest=here.digest), found, lacking)
        landing = Landing(self._target, self._contents, wanted, found)
        here = run_digest(self._source, wanted, landing)
        if ahead:
            return replace(copied, fate=Fate.AHEAD)
        differing = here.differences(run_digest(self._target, found))
        if differing:
            copied = replace(copied, fate=Fate.DIFFERS, problems=(*differing, *refused))
        return self._checked(replace(copied, digest=here.digest), found, [*lacking, *landing.damaged])

    def _checked(self, copied: Copied, found: RunRecord, damaged: list[str]) -> Copied:
        """Read the contents back; return DAMAGED where one is not whole."""
        damaged = [*damaged]
        for attempt in found.attempts:
            for artifact in self._target.artifacts(found.id, attempt=attempt.number):
                try:
                    self._contents.check(artifact)
                except DamagedContent as error:
                    damaged.append(str(error))
        if damaged:
            return replace(copied, fate=Fate.DAMAGED, problems=tuple(damaged))
        return copied


class Landing:
    """Writes a run's data to the destination, for attempts equal in both stores."""

    def __init__(self, target: Store, contents: ArtifactTransfer, wanted: RunRecord,
                 found: RunRecord) -> None:
        self._target, self._contents, self._run = target, contents, found.id
        tries = {attempt.number: attempt for attempt in found.attempts}
        self._same = {attempt.number for attempt in wanted.attempts
                      if same_try(tries.get(attempt.number), attempt)}
        self._there = {(number, artifact.name): artifact.digest for number in self._same
                       for artifact in target.artifacts(found.id, attempt=number)}
        self.damaged: list[str] = []

    def points(self, attempt: int, points: Sequence[Point]) -> None:
        if attempt in self._same:
            self._target.append(self._run, attempt, points=points)

    def output(self, attempt: int, output: Sequence[OutputChunk]) -> None:
        if attempt in self._same:
            self._target.append(self._run, attempt, output=output)

    def artifact(self, artifact: Artifact) -> None:
        if artifact.attempt not in self._same or (artifact.attempt, artifact.name) in self._there:
            return
        try:
            self._contents.bring(artifact, self._run)
        except DamagedContent as error:
            self.damaged.append(str(error))


def _stood(before: RunRecord | None, found: RunRecord) -> bool:
    """Whether a run was there before this copy and was not replaced by it."""
    return before is not None and (before.state, before.attempts) == (found.state, found.attempts)


def _ahead(wanted: RunRecord, found: RunRecord) -> bool:
    """Whether a run is still queued here, but has continued there."""
    shared = found.attempts[:len(wanted.attempts)]
    moved = found.state is not wanted.state or len(found.attempts) > len(wanted.attempts)
    return wanted.state is State.PAUSED and moved and same_try(shared, wanted.attempts)


# -- Preview of a copy, without writing --------------------------------------------------------------------

@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a copy would do now."""

    runs: dict[str, int]               # project -> runs that would be copied
    waiting: int                       # of these: queued here, so they arrive PAUSED
    artifacts: int                     # artifacts of these runs
    bytes: int                         # size of their contents, each content once
    there: int                         # runs that are already there, identical or not
    running: tuple[int, ...]           # ids of runs that would be left out
    searches: int                      # searches of these runs, which would be copied, too


def preview(source: Store, target: Store | None, where: RunFilter | None = None) -> Preview:
    """Count what a copy would bring; `target` is None where it does not exist."""
    runs: Counter[str] = Counter()
    contents: dict[str, int] = {}
    waiting = artifacts = there = 0
    running, searches = [], set()
    for batch in batches(parents_first(source, where or RunFilter()), RUNS_AT_ONCE):
        searches |= {search.uid for search in searches_behind(source, batch)}
        known = {} if target is None else known_records(target, batch)
        for record in batch:
            if record.state is State.RUNNING:
                running.append(record.id)
            elif record.uid in known and not _gives_way(known[record.uid], record):
                there += 1
            else:
                runs[record.project] += 1
                waiting += record.state is State.QUEUED
                for attempt in record.attempts:
                    found = source.artifacts(record.id, attempt=attempt.number)
                    artifacts += len(found)
                    contents |= {artifact.digest: artifact.size for artifact in found}
    return Preview(runs=dict(runs), waiting=waiting, artifacts=artifacts, bytes=sum(contents.values()),
                   there=there, running=tuple(running), searches=len(searches))


def _gives_way(found: RunRecord, record: RunRecord) -> bool:
    """Whether `Store.restore` would replace the run."""
    untried = found.state in (State.QUEUED, State.PAUSED) and not found.attempts
    return untried and (record.state.terminal or bool(record.attempts))
