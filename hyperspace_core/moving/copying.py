"""Copying runs from one store into another, each with all that it has, and looking at what arrived."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hyperspace_core.errors import NotFound
from hyperspace_core.moving.contents import Contents, Damaged
from hyperspace_core.moving.history import Histories, as_executed
from hyperspace_core.moving.order import Parents, known_records, parents_first
from hyperspace_core.moving.portrait import batches, portrait, same_try
from hyperspace_core.moving.searches import Along, Searches
from hyperspace_core.moving.sources import Sources
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import Artifact, OutputChunk, RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.storage import QueueSettings, Store

RUNS_AT_ONCE = 50              # records restored in one step
WAS_QUEUED = "queued when copied"      # the reason of a run that rests there because it waits here


class Fate(StrEnum):
    """What became of a run."""

    COPIED = "copied"
    THERE = "there"            # the same run was there already, and is the same in everything
    AHEAD = "ahead"            # it waits here, and has gone on there
    RUNNING = "running"        # left out; its owner knows only this store
    DIFFERS = "differs"        # it was changed there; nothing was overwritten
    DAMAGED = "damaged"        # something of it is not whole here or there; all else of it is there


@dataclass(frozen=True, kw_only=True)
class Copied:
    """One run, and what became of it."""

    run: int                   # its id here
    uid: str
    project: str
    fate: Fate
    there: int | None = None   # its id at the destination
    waits: bool = False        # it was queued here, and rests there
    digest: str | None = None  # of all that this store says of it, and the other one where nothing differs
    problems: tuple[str, ...] = ()     # what differs, what is damaged or gone
    search: Along | None = None        # that proposed it
    lost_parent: int | None = None     # the parent that is not there, so that it is not named there


def copy_runs(source: Store, target: Store, where: RunFilter | None = None,
              ) -> Generator[Copied]:
    """Copy the runs that match, one after the other; each is given back once it has been read back there.

    Runs keep their uid and get new ids; what waits in the queue arrives PAUSED, so that no run is done in
    both stores. The searches that they name go along, and an open one rests there likewise. What is there
    already is completed where something is missing, and never overwritten. The settings of a project's queue
    go along where the destination has no runs of it and none of its own. After a kill, a repeat goes on.
    Raises `StoreError` where one of the stores fails.
    """
    with Contents(source, target) as contents:
        yield from _Copy(source, target, contents).all(where or RunFilter())


def missing(target: Store, uids: Sequence[str]) -> int:
    """How many of these runs a store has not got."""
    return sum(len(set(some)) - sum(target.count(RunFilter(uids=tuple(some))).values())
               for some in batches(uids, 1000))


def arriving(record: RunRecord, parent: int | None = None) -> RunRecord:
    """The record as it should stand at the destination, but for its id."""
    if record.state is State.QUEUED:
        record = replace(record, state=State.PAUSED, reason=WAS_QUEUED)
    if not record.state.terminal:      # only what has ended is migrated; this one goes on with what it has
        record = replace(record, migrated=())
    return replace(record, parent=parent)


class _Copy:
    def __init__(self, source: Store, target: Store, contents: Contents) -> None:
        self._source, self._target, self._contents = source, target, contents
        self._parents = Parents(source, target)
        self._searches = Searches(source, target)
        self._sources, self._histories = Sources(source, target), Histories(source, target)
        self._settled = set(target.info().runs)        # projects whose settings stay as they are there

    def all(self, where: RunFilter) -> Iterator[Copied]:
        batch: list[RunRecord] = []
        for record in parents_first(self._source, where):
            if record.state is State.RUNNING:
                yield Copied(run=record.id, uid=record.uid, project=record.project, fate=Fate.RUNNING)
                continue
            # a parent must have its id there before its child is restored
            if len(batch) >= RUNS_AT_ONCE or any(record.parent == one.id for one in batch):
                yield from self._brought(batch)
                batch = []
            batch.append(record)
        yield from self._brought(batch)

    def _brought(self, records: list[RunRecord]) -> Iterator[Copied]:
        for project in {record.project for record in records} - self._settled:
            self._settle(project)
        before = known_records(self._target, records)
        given = [arriving(record, self._parents.of(record)) for record in records]
        lacking = {record.uid: self._sources.bring(record) for record in records}
        restored = self._target.restore([as_executed(self._source, record) for record in given])
        for record, run in zip(records, restored, strict=True):
            self._parents[record.id] = run
        searches = self._searches.bring(records)
        there = known_records(self._target, records)
        for record, wanted in zip(records, given, strict=True):
            told = Copied(run=record.id, uid=record.uid, project=record.project, fate=Fate.COPIED,
                          search=searches.get(record.search or ""),
                          lost_parent=record.parent if wanted.parent is None else None)
            try:
                found = there.get(record.uid)
                if found is None:
                    raise NotFound("it was deleted there in this very moment")
                told = replace(told, there=found.id, waits=wanted.reason == WAS_QUEUED == found.reason)
                new = not _stood(before.get(record.uid), found)
                yield self._carried(told, wanted, found, lacking[record.uid], new=new)
            except NotFound as error:          # somebody deletes runs, here or there
                yield replace(told, fate=Fate.DAMAGED, problems=(str(error),))

    def _settle(self, project: str) -> None:
        self._settled.add(project)
        here = self._source.settings(project)
        if here != QueueSettings() == self._target.settings(project):
            self._target.change_settings(project, paused=here.paused, heartbeat_s=here.heartbeat_s,
                                         ttl_s=here.ttl_s)

    def _carried(self, told: Copied, wanted: RunRecord, found: RunRecord, lacking: list[str], *,
                 new: bool) -> Copied:
        """Bring what a run has logged, unless all of it is there, and look at what is there then."""
        ahead = _ahead(wanted, found)
        refused = self._histories.follow(wanted, found)
        if found.migrated != wanted.migrated:
            found, new = self._target.get(found.id), True
        if not new and not ahead:
            here, there = portrait(self._source, wanted), portrait(self._target, found)
            if not here.differences(there):
                return self._checked(replace(told, fate=Fate.THERE, digest=here.digest), found, lacking)
        landing = Landing(self._target, self._contents, wanted, found)
        here = portrait(self._source, wanted, landing)
        if ahead:
            return replace(told, fate=Fate.AHEAD)
        differing = here.differences(portrait(self._target, found))
        if differing:
            told = replace(told, fate=Fate.DIFFERS, problems=(*differing, *refused))
        return self._checked(replace(told, digest=here.digest), found, [*lacking, *landing.damaged])

    def _checked(self, told: Copied, found: RunRecord, damaged: list[str]) -> Copied:
        """Whether the contents there are whole, read back; what has been said of the run stays said."""
        damaged = [*damaged]
        for attempt in found.attempts:
            for artifact in self._target.artifacts(found.id, attempt=attempt.number):
                try:
                    self._contents.check(artifact)
                except Damaged as error:
                    damaged.append(str(error))
        if damaged:
            return replace(told, fate=Fate.DAMAGED, problems=tuple(damaged))
        return told


class Landing:
    """Takes in what is read of a run here, attempt by attempt; only where the attempt there is the same."""

    def __init__(self, target: Store, contents: Contents, wanted: RunRecord, found: RunRecord) -> None:
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
        except Damaged as error:
            self.damaged.append(str(error))


def _stood(before: RunRecord | None, found: RunRecord) -> bool:
    """Whether it was there before this copy, and has not given way to what was restored."""
    return before is not None and (before.state, before.attempts) == (found.state, found.attempts)


def _ahead(wanted: RunRecord, found: RunRecord) -> bool:
    """Whether it waits here as it stood when it was copied, and something has been done with it there."""
    shared = found.attempts[:len(wanted.attempts)]
    moved = found.state is not wanted.state or len(found.attempts) > len(wanted.attempts)
    return wanted.state is State.PAUSED and moved and same_try(shared, wanted.attempts)
