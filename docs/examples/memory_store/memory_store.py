"""A whole store in one file: memory://NAME keeps the runs in this process, until it ends.

It has the verbs that every store must have, and none of the capabilities. A lock makes each verb one atomic
step. What a caller gives or gets is a copy, so that nothing changes without a verb.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import wraps
from itertools import islice
from math import isnan
from pathlib import Path
from typing import IO, Any, Concatenate, ParamSpec, TypeVar

from hyperspace_core import hookimpl
from hyperspace_core.errors import NotFound, Refused, StoreError, UsageError
from hyperspace_core.plugin import codec, states
from hyperspace_core.records import (
    ORDER_BEST,
    ORDER_NEWEST,
    ORDER_OLDEST,
    ORDER_QUEUE,
    Artifact,
    Attempt,
    BeatAnswer,
    Claim,
    Command,
    Finish,
    Held,
    Late,
    Lease,
    Metric,
    NewRun,
    Outcome,
    OutputChunk,
    Owner,
    Point,
    Progress,
    RunFilter,
    RunRecord,
    State,
    Update,
    Verb,
    WorkerInfo,
)
from hyperspace_core.storage import QueueSettings, Store, StoreInfo

P = ParamSpec("P")
R = TypeVar("R")


@hookimpl
def hyperspace_storage(register: Any) -> None:
    register.scheme("memory", "memory_store:open_store", "runs in this process")


def open_store(url: str, project: str | None = None) -> MemoryStore:
    """The store memory://NAME of this process, new and empty at the first call."""
    return MemoryStore(url, _CONTENTS.setdefault(url, _Contents()))


# -- What is kept ----

@dataclass(eq=False)
class _Run:
    """A run, and what its record does not show."""

    record: RunRecord
    beat: int = 0                                              # grows with each claim and heartbeat
    not_before: datetime | None = None                         # the back-off of a retry
    tokens: list[str] = field(default_factory=list)            # of each attempt
    points: dict[tuple[int, int], Point] = field(default_factory=dict)         # by attempt and seq
    output: dict[tuple[int, int], OutputChunk] = field(default_factory=dict)
    artifacts: dict[tuple[int, str], Artifact] = field(default_factory=dict)   # by attempt and name

    def knows(self, lease: Lease) -> bool:
        return 0 < lease.attempt <= len(self.tokens) and self.tokens[lease.attempt - 1] == lease.token

    def held_by(self, lease: Lease) -> bool:
        """Whether this lease is the current one: the fence of every write of an owner."""
        return (self.record.state is State.RUNNING and lease.attempt == len(self.tokens)
                and self.knows(lease))

    def change(self, **fields: Any) -> None:
        self.record = replace(self.record, **fields)

    def change_attempt(self, number: int, **fields: Any) -> None:
        tried = list(self.record.attempts)
        tried[number - 1] = replace(tried[number - 1], **fields)
        self.change(attempts=tuple(tried))

    def start(self, owner: Owner, token: str) -> Lease:
        now = datetime.now(UTC)
        number = len(self.tokens) + 1
        self.tokens.append(token)
        self.beat += 1
        self.not_before = None
        self.change(state=State.RUNNING, command=None, reason=None, progress=None, started_at=now, attempts=(
            *self.record.attempts, Attempt(number=number, worker=owner, started_at=now)))
        return Lease(run=self.record.id, attempt=number, token=token)

    def end(self, state: State, outcome: Outcome, reason: str | None, *, shown: str | None = None,
            traceback: str | None = None, **fields: Any) -> None:
        """End the current attempt. `shown`: the reason of the run, where it differs."""
        now = datetime.now(UTC)
        self.change_attempt(len(self.tokens), outcome=outcome, reason=reason, traceback=traceback,
                            ended_at=now)
        self.change(**{"result": None, "state": state, "reason": shown, "command": None,
                       "finished_at": now if state.terminal else None} | fields)


class _Contents:
    """All runs of one address; the lock is held by every verb."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.changes: Counter[str] = Counter()             # by project: what may make a run claimable
        self.runs: dict[int, _Run] = {}
        self.ids: dict[str, int] = {}                      # by uid
        self.last_id = 0                                   # no id is given twice
        self.settings: dict[str, QueueSettings] = {}
        self.workers: dict[str, WorkerInfo] = {}
        self.files: dict[str, bytes] = {}                  # by digest


_CONTENTS: dict[str, _Contents] = {}


def _atomic(verb: Callable[Concatenate[MemoryStore, P], R]) -> Callable[Concatenate[MemoryStore, P], R]:
    @wraps(verb)
    def locked(self: MemoryStore, /, *given: P.args, **named: P.kwargs) -> R:
        with self._kept.lock:
            return deepcopy(verb(self, *given, **named))

    return locked


def _stored(given: Any, path: str) -> Any:
    """A copy as it is read back. Raises `ValueNotStorable` with the path of what cannot be stored."""
    value = codec.storable(given, path)
    return tuple(value) if isinstance(given, tuple) else value


def _checked(given: object, *leave_out: str) -> dict[str, Any]:
    """The fields of a record as they are stored, without those that are None or left out."""
    return {name: _stored(value, name) for name, value in vars(given).items()
            if value is not None and name not in leave_out}


def _metric(metric: Metric) -> Metric:
    return replace(metric, name=_stored(metric.name, "metric.name"))


# -- The store ----

class MemoryStore(Store):
    """One object per call of `open_store`; those of one address share what they keep."""

    def __init__(self, url: str, kept: _Contents) -> None:
        self.url = url
        self._kept = kept
        self._seen = threading.local()

    @_atomic
    def info(self) -> StoreInfo:
        runs = Counter(run.record.project for run in self._kept.runs.values())
        return StoreInfo(url=self.url, backend="memory", schema=1, runs=dict(runs),
                         bytes=sum(map(len, self._kept.files.values())),
                         notes=("its runs are lost when this process ends",))

    # -- settings of a project's queue --

    @_atomic
    def settings(self, project: str) -> QueueSettings:
        return self._kept.settings.setdefault(project, QueueSettings())

    @_atomic
    def change_settings(self, project: str, *, paused: bool | None = None, heartbeat_s: float | None = None,
                        ttl_s: float | None = None) -> QueueSettings:
        given = {"paused": paused, "heartbeat_s": heartbeat_s, "ttl_s": ttl_s}
        changed = QueueSettings(**vars(self.settings(project)) | {
            name: value for name, value in given.items() if value is not None})
        changed.check(project)
        self._kept.settings[project] = changed
        self._ring(project)
        return changed

    # -- the queue --

    @_atomic
    def submit(self, runs: Sequence[NewRun], *, owner: Owner | None = None,
               tokens: Sequence[str] = ()) -> list[int]:
        if tokens and (owner is None or len(tokens) != len(runs)):
            raise UsageError(f"submit: {len(tokens)} tokens for {len(runs)} runs; give the owner, and one "
                             "token a run")
        # all are checked before the first is stored
        records = [RunRecord(id=0, state=State.QUEUED, submitted_at=datetime.now(UTC),
                             metric=_metric(run.metric), **_checked(run, "metric")) for run in runs]
        for place, record in enumerate(records):
            if record.uid in self._kept.ids:
                continue
            self._kept.last_id += 1
            number = self._kept.ids[record.uid] = self._kept.last_id
            run = self._kept.runs[number] = _Run(replace(record, id=number))
            if owner is not None and tokens:
                run.start(owner, tokens[place])
            else:
                self._ring(record.project)
        return [self._kept.ids[record.uid] for record in records]

    @_atomic
    def claim(self, project: str, owner: Owner, token: str, *, tasks: Collection[str] | None = None,
              exclude: Collection[int] = (), only: Collection[int] | None = None) -> Claim | None:
        for run in self._kept.runs.values():
            if token in run.tokens:                        # claimed before; the answer was lost
                lease = Lease(run=run.record.id, attempt=run.tokens.index(token) + 1, token=token)
                return Claim(lease=lease, record=run.record) if run.held_by(lease) else None
        if self.settings(project).paused:
            return None
        now, left_out, limits = datetime.now(UTC), set(exclude), None if only is None else set(only)
        queued = [run for number, run in self._kept.runs.items()
                  if run.record.project == project and run.record.state is State.QUEUED
                  and (tasks is None or run.record.task in tasks)
                  and number not in left_out and (limits is None or number in limits)
                  and (run.not_before is None or run.not_before <= now)]
        if not queued:
            return None
        first = min(queued, key=lambda run: _ORDERS[ORDER_QUEUE](run.record))
        return Claim(lease=first.start(owner, token), record=first.record)

    def wait_for_change(self, project: str, timeout_s: float) -> bool:
        seen: dict[str, int] = self._seen.__dict__
        with self._kept.changed:
            changed = self._kept.changed.wait_for(
                lambda: self._kept.changes[project] != seen.get(project, 0), timeout_s)
            seen[project] = self._kept.changes[project]
        return changed

    @_atomic
    def beat(self, lease: Lease, progress: Progress | None = None) -> BeatAnswer:
        reached = None if progress is None else Progress(**_checked(progress))
        run = self._run(lease.run)
        if not run.held_by(lease):
            return BeatAnswer(held=False)
        run.beat += 1
        if reached is not None:
            run.change(progress=reached)
        return BeatAnswer(held=True, command=run.record.command)

    @_atomic
    def update(self, lease: Lease, change: Update) -> bool:
        fields = _checked(change, "provenance", "metric")
        sections = {} if change.provenance is None else _stored(change.provenance, "provenance")
        if change.metric is not None:
            fields["metric"] = _metric(change.metric)
        run = self._run(lease.run)
        if not run.held_by(lease):
            return False
        run.change(**fields)
        run.change_attempt(lease.attempt,
                           provenance=run.record.attempts[lease.attempt - 1].provenance | sections)
        return True

    @_atomic
    def finish(self, lease: Lease, finish: Finish) -> bool:
        finish.check()
        given = _checked(finish, "outcome", "result")
        run = self._run(lease.run)
        if not run.held_by(lease):
            return self._ended_as(run, lease, finish.outcome)
        before = run.record
        state, failures = states.after_finish(finish.outcome, before.command, before.failures,
                                              before.max_failures, retry=finish.retry)
        run.not_before = finish.not_before(datetime.now(UTC)) if state is State.QUEUED else None
        run.end(state, finish.outcome, given.get("reason"), shown=given.get("reason"),
                traceback=given.get("traceback"), failures=failures, metrics=given["metrics"],
                result=None if finish.result is None else float(finish.result),
                info=given.get("info", before.info))
        self._ring_if_queued(run)
        return True

    @_atomic
    def release(self, lease: Lease, reason: str | None = None) -> bool:
        reason, run = _stored(reason, "reason"), self._run(lease.run)
        if not run.held_by(lease):
            return self._ended_as(run, lease, Outcome.RELEASED)
        run.end(states.after_release(run.record.command), Outcome.RELEASED, reason, shown=reason)
        self._ring_if_queued(run)
        return True

    @_atomic
    def held(self, project: str) -> list[Held]:
        return [Held(run=number, attempt=len(run.tokens), token=run.tokens[-1], beat=run.beat,
                     owner=run.record.attempts[-1].worker or Owner(worker="", host=""))
                for number, run in self._kept.runs.items()
                if run.record.project == project and run.record.state is State.RUNNING]

    @_atomic
    def reap(self, seen: Held, reason: str = "") -> State | None:
        reason, run = _stored(reason, "reason"), self._kept.runs.get(seen.run)
        lease = Lease(run=seen.run, attempt=seen.attempt, token=seen.token)
        if run is None or not run.held_by(lease) or run.beat != seen.beat:
            return None
        losses = run.record.losses + 1
        state = states.after_reap(run.record.command, losses, run.record.max_losses)
        run.end(state, Outcome.LOST, reason or None, shown=states.reason_of_reap(state, losses),
                losses=losses)
        self._ring_if_queued(run)
        return state

    @_atomic
    def readopt(self, lease: Lease, owner: Owner) -> bool:
        run = self._run(lease.run)
        if run.held_by(lease):                             # a repeated call
            return True
        last = run.record.attempt
        if (run.record.state is not State.QUEUED or not run.knows(lease) or last is None
                or lease.attempt != last.number or last.outcome is not Outcome.LOST):
            return False
        run.beat += 1
        run.not_before = None
        run.change_attempt(lease.attempt, outcome=None, reason=None, ended_at=None, worker=owner)
        run.change(state=State.RUNNING, reason=None, losses=max(0, run.record.losses - 1))
        return True

    @_atomic
    def late(self, lease: Lease, finish: Finish) -> bool:
        note = Late(outcome=finish.outcome, result=finish.result, metrics=_stored(finish.metrics, "metrics"),
                    reason=_stored(finish.reason, "reason"), at=datetime.now(UTC))
        run = self._run(lease.run)
        if not run.knows(lease):
            return False
        run.change_attempt(lease.attempt, late=note)
        return True

    @_atomic
    def cancel(self, run: int) -> State:
        return self._asked(run, Verb.CANCEL, Command.CANCEL)

    @_atomic
    def pause(self, run: int) -> State:
        return self._asked(run, Verb.PAUSE, Command.PAUSE)

    @_atomic
    def resume(self, run: int) -> State:
        found = self._run(run)
        if found.record.state is State.RUNNING and found.record.command is Command.PAUSE:
            found.change(command=None)
            return State.RUNNING
        return self._moved(found, Verb.RESUME)

    @_atomic
    def requeue(self, run: int) -> State:
        found = self._run(run)
        state = self._moved(found, Verb.REQUEUE)
        found.change(losses=0, failures=0, result=None, metrics={}, progress=None)
        return state

    # -- reading --

    @_atomic
    def get(self, run: int) -> RunRecord:
        return self._run(run).record

    def find(self, where: RunFilter, *, order: str = ORDER_NEWEST,
             limit: int | None = None) -> Iterator[RunRecord]:
        if order not in _ORDERS:
            raise UsageError(f"order {order!r}: expected one of {', '.join(_ORDERS)}")
        found = sorted(self._matching(where), key=_ORDERS[order])
        return map(deepcopy, islice(found, limit))

    @_atomic
    def count(self, where: RunFilter) -> dict[State, int]:
        return dict(Counter(record.state for record in self._matching(where)))

    # -- tags, notes, deletion --

    @_atomic
    def annotate(self, run: int, *, add_tags: Collection[str] = (), remove_tags: Collection[str] = (),
                 note: str | None = None, priority: int | None = None) -> RunRecord:
        found = self._run(run)
        tags = [tag for tag in dict.fromkeys([*found.record.tags, *add_tags]) if tag not in remove_tags]
        given = {"tags": tuple(tags), "note": note, "priority": priority}
        found.change(**{name: _stored(value, name) for name, value in given.items() if value is not None})
        return found.record

    @_atomic
    def delete(self, runs: Collection[int], *, dry_run: bool = False) -> list[int]:
        found = sorted(self._kept.runs.keys() & set(runs))
        for number in found:
            if self._kept.runs[number].record.state is State.RUNNING:
                raise Refused(f"run {number} is RUNNING: cancel first, then delete; nothing was deleted")
        for number in () if dry_run else found:
            del self._kept.ids[self._kept.runs.pop(number).record.uid]
        return found

    # -- series, output, artifacts --

    @_atomic
    def append(self, run: int, attempt: int, *, points: Sequence[Point] = (),
               output: Sequence[OutputChunk] = ()) -> None:
        found = self._run(run)
        for point in points:
            _stored(point.name, f"name of metric point {point.seq}")
            _stored(point.step, f"step of '{point.name}', metric point {point.seq}")
        for chunk in output:
            _stored(chunk.text, f"piece {chunk.seq} of the output")
        for point in points:
            found.points.setdefault((attempt, point.seq), replace(point, value=float(point.value)))
        for chunk in output:
            found.output.setdefault((attempt, chunk.seq), chunk)

    def points(self, run: int, *, attempt: int | None = None, names: Collection[str] | None = None,
               after: int = -1, limit: int | None = None) -> Iterator[Point]:
        found = self._series(self._run(run), "points", attempt, after)
        return islice((point for point in found if names is None or point.name in names), limit)

    def output(self, run: int, *, attempt: int | None = None, after: int = -1) -> Iterator[OutputChunk]:
        return iter(self._series(self._run(run), "output", attempt, after))

    @_atomic
    def put_artifact(self, run: int, attempt: int, name: str, content: Path) -> Artifact:
        found, label = self._run(run), _stored(name, "artifact name")
        try:
            data = content.read_bytes()
        except OSError as error:
            raise StoreError(f"{content}: artifact '{label}' cannot be read: {error.strerror}") from error
        digest = hashlib.sha256(data).hexdigest()
        self._kept.files[digest] = data
        found.artifacts[attempt, label] = Artifact(run=run, attempt=attempt, name=label, digest=digest,
                                                   size=len(data))
        return found.artifacts[attempt, label]

    @_atomic
    def artifacts(self, run: int, *, attempt: int | None = None) -> list[Artifact]:
        found = self._run(run)
        number = len(found.tokens) if attempt is None else attempt
        return [found.artifacts[key] for key in sorted(found.artifacts) if key[0] == number]

    def open_artifact(self, artifact: Artifact) -> IO[bytes]:
        if artifact.digest not in self._kept.files:
            raise NotFound(f"artifact '{artifact.name}' of run {artifact.run} is not in {self.url}")
        return io.BytesIO(self._kept.files[artifact.digest])

    # -- workers --

    @_atomic
    def present(self, worker: WorkerInfo) -> None:
        self._kept.workers[worker.owner.worker] = replace(worker, seen_at=datetime.now(UTC))

    @_atomic
    def absent(self, worker: str) -> None:
        self._kept.workers.pop(worker, None)

    @_atomic
    def workers(self, project: str) -> list[WorkerInfo]:
        return [found for found in self._kept.workers.values() if found.project == project]

    # -- helpers; the caller holds the lock --

    def _run(self, run: int) -> _Run:
        found = self._kept.runs.get(run)
        if found is None:
            raise NotFound(f"no run {run} in {self.url}")
        return found

    def _matching(self, where: RunFilter) -> list[RunRecord]:
        with self._kept.lock:
            return [run.record for run in self._kept.runs.values() if where.matches(run.record)]

    def _series(self, run: _Run, kind: str, attempt: int | None, after: int) -> list[Any]:
        """Points or output of an attempt, in order; they are never changed, so they are not copied."""
        number = len(run.tokens) if attempt is None else attempt
        with self._kept.lock:
            return [value for key, value in sorted(getattr(run, kind).items(), key=lambda item: item[0])
                    if key[0] == number and key[1] > after]

    def _ended_as(self, run: _Run, lease: Lease, outcome: Outcome) -> bool:
        """Whether an owner repeats what it has done: such a call is answered like the first one."""
        return run.knows(lease) and run.record.attempts[lease.attempt - 1].outcome is outcome

    def _asked(self, run: int, verb: Verb, command: Command) -> State:
        """Move a run that waits; send the owner of a running run a command."""
        found = self._run(run)
        if found.record.state is not State.RUNNING:
            return self._moved(found, verb)
        if found.record.command is not Command.CANCEL:     # a cancel stays
            found.change(command=command)
        return State.RUNNING

    def _moved(self, run: _Run, verb: Verb) -> State:
        """The next state by the one table of transitions. Raises `Refused`."""
        state = states.next_state(run.record.id, run.record.state, verb)
        run.not_before = None
        run.change(state=state, reason=None, finished_at=datetime.now(UTC) if state.terminal else None)
        self._ring_if_queued(run)
        return state

    def _ring(self, project: str) -> None:
        """Wake those that wait for a run to claim."""
        self._kept.changes[project] += 1
        self._kept.changed.notify_all()

    def _ring_if_queued(self, run: _Run) -> None:
        if run.record.state is State.QUEUED:
            self._ring(run.record.project)


def _rank(record: RunRecord) -> tuple[bool, float, int]:
    """The best result first, by the metric's goal; without a number last."""
    if record.result is None or isnan(record.result):
        return True, 0.0, record.id
    return False, -record.result if record.metric.goal == "maximize" else record.result, record.id


_ORDERS: dict[str, Callable[[RunRecord], Any]] = {
    ORDER_NEWEST: lambda record: -record.id,
    ORDER_OLDEST: lambda record: record.id,
    ORDER_QUEUE: lambda record: (-record.priority, record.id),
    ORDER_BEST: _rank,
}
