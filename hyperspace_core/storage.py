"""The store as a port of domain verbs: what every backend promises, in prose and in signatures.

**Consistency.** Every verb is one atomic step: two callers see it happen entirely or not at all, in some
order that is the same for both. Every verb may be repeated after an unknown outcome (a lost answer, a killed
caller) and leaves the state as if it had happened once: `submit` is keyed by `uid`, `claim` and everything an
owner does by the token, `append` by `(run, attempt, seq)`, `propose` by the number of the proposal.

**Fencing.** Whoever claims a run gets a `Lease`. Every write of an owner names it and is refused when
`(attempt, token)` is no longer current. A refusal is an ordinary return value, never an exception.

**Transitions.** Only those of `records.states.TRANSITIONS`. A person's verb (`cancel`, `pause`, `resume`,
`requeue`) that the state does not allow raises `Refused` and names the state.

**Time.** No decision reads a wall clock, but for the back-off before a retry. Records show times, no more.

**Values.** What `records.codec.storable` gives back, every store gives back equal: type class, NaN,
infinities, -0.0, 64-bit integers, keys and text of any kind. It is asked at the edge, in `submit`, `update`
and `finish`, and raises `ValueNotStorable`. Metric values may be NaN or infinite.

**Errors.** `StoreUnavailable` when the store does not answer now (the caller may try again, all verbs are
idempotent); `StoreError` when trying again does not help (no rights, newer schema, disk full); `NotFound` for
an id that names nothing; `Refused`, `ValueNotStorable` and `UsageError` as said where they are; nothing else.

**Threads and processes.** A store object may be used from several threads. It may not cross a fork.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import UsageError
from hyperspace_core.records.code import Snapshot
from hyperspace_core.records.filter import ORDER_NEWEST, RunFilter
from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.records.migration import Migration, Rewrite, Rewritten
from hyperspace_core.records.run import (
    Artifact,
    BeatAnswer,
    Claim,
    Finish,
    Held,
    Lease,
    NewRun,
    OutputChunk,
    Owner,
    RunRecord,
    Update,
    WorkerInfo,
)
from hyperspace_core.records.states import State
from hyperspace_core.searchport import SearchPort


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """What all workers of a project must agree on; kept in the store, made on first use."""

    paused: bool = False           # the whole queue: nothing is claimed, running runs go on
    heartbeat_s: float = 5.0
    ttl_s: float = 30.0            # a lease whose beat stands still that long may be reaped; >= 4 heartbeats

    def check(self, project: str) -> None:
        """Raises `UsageError` where workers could not live by them."""
        if not (0 < self.heartbeat_s < math.inf and 0 < self.ttl_s < math.inf):
            raise UsageError(f"project '{project}': heartbeat_s {self.heartbeat_s:g} and ttl_s "
                             f"{self.ttl_s:g} must be seconds above 0")
        if self.ttl_s < 4 * self.heartbeat_s:
            raise UsageError(f"project '{project}': ttl_s {self.ttl_s:g} is under four heartbeats of "
                             f"{self.heartbeat_s:g} s; living workers would lose their runs")


@dataclass(frozen=True, kw_only=True)
class GarbageReport:
    """What `collect_garbage` removed, or would remove."""

    blobs: int
    bytes: int
    dry_run: bool


@dataclass(frozen=True, kw_only=True)
class StoreInfo:
    """What a store says of itself, for `hyperspace store info` and `doctor`."""

    url: str                       # without password
    backend: str                   # "sqlite 3.45.1"
    schema: int
    runs: dict[str, int]           # project -> number of runs
    bytes: int | None = None       # on disk, where that is known
    notes: tuple[str, ...] = ()    # anything a person should look at: "what" or "what -> its cure"


class Store(SearchPort, ABC):
    """Where runs live. One object per process and address; `close` it or use it in a `with`."""

    url: str                       # as shown to people: never with a password

    # -- life ------------------------------------------------------------------------------------------------

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def info(self) -> StoreInfo: ...

    @abstractmethod
    def check(self) -> tuple[str, ...]:
        """Look for damage: integrity of the database, missing artifact contents. One line per problem."""

    @abstractmethod
    def upgrade(self, *, dry_run: bool = False) -> tuple[int, int]:
        """Bring the schema up to this code's version; `(from, to)`. A newer schema raises `StoreError`."""

    # -- settings of a project's queue -----------------------------------------------------------------------

    @abstractmethod
    def settings(self, project: str) -> QueueSettings:
        """The project's settings; defaults are stored on first use."""

    @abstractmethod
    def change_settings(self, project: str, *, paused: bool | None = None, heartbeat_s: float | None = None,
                        ttl_s: float | None = None) -> QueueSettings:
        """Change what is not None. Refuses a TTL under four heartbeats with `UsageError`."""

    # -- the queue -------------------------------------------------------------------------------------------

    @abstractmethod
    def submit(self, runs: Sequence[NewRun], *, owner: Owner | None = None,
               tokens: Sequence[str] = ()) -> list[int]:
        """T1: store all of them or none, and give back their ids in order.

        A run whose `uid` is known keeps its id and its state. With `owner` and one token a run, the new runs
        are claimed in the same step (attempt 1), for a caller that executes them here and now; no other
        worker ever sees them queued.
        """

    @abstractmethod
    def claim(self, project: str, owner: Owner, token: str, *, tasks: Collection[str] | None = None,
              exclude: Collection[int] = (), only: Collection[int] | None = None) -> Claim | None:
        """T2: take the queued run with the highest priority, the oldest first; None where there is none.

        `token` is made by the caller, new for every claim (`new_token`); a repeat with the same token gives
        the same claim. `tasks` limits to those that the worker knows, `exclude` leaves out runs by id, `only`
        limits to some. A paused project gives None.
        """

    @abstractmethod
    def wait_for_change(self, project: str, timeout_s: float) -> bool:
        """Block until the queue may have changed since this thread last looked, or the time is over.

        True where something may have changed. Called again and again; must notice a submission by another
        process within 0.1 s where the backend is local, 0.5 s over a network.
        """

    @abstractmethod
    def beat(self, lease: Lease, progress: Progress | None = None) -> BeatAnswer:
        """T3: renew, store the progress where given, and bring back what the owner is asked to do."""

    @abstractmethod
    def update(self, lease: Lease, change: Update) -> bool:
        """Fenced: keep what an owner learned of its run. `info` replaces, provenance sections are added."""

    @abstractmethod
    def finish(self, lease: Lease, finish: Finish) -> bool:
        """T4, T5, T6, T10 by `finish.outcome`. False: fenced (then call `late`). Repeats give True.

        COMPLETED ends as COMPLETED, CANCELLED as CANCELLED; the other outcomes count a failure and end where
        `states.after_finish` says (`retry=False`: always FAILED). Raises `UsageError` for RELEASED and LOST,
        as which no owner ends its attempt here.
        """

    @abstractmethod
    def release(self, lease: Lease, reason: str | None = None) -> bool:
        """T7: give the run back; the attempt, RELEASED, costs nothing. False: fenced. Repeats give True."""

    @abstractmethod
    def held(self, project: str) -> list[Held]:
        """All running runs of the project, as an observer needs them."""

    @abstractmethod
    def reap(self, seen: Held, reason: str = "") -> State | None:
        """T8: compare-and-set on `(attempt, token, beat)`. The new state, or None where it was not that.

        Only for the observer of leases or after a local proof of death.
        """

    @abstractmethod
    def readopt(self, lease: Lease, owner: Owner) -> bool:
        """T13: take a reaped run up again that nobody has claimed since; the loss is not counted."""

    @abstractmethod
    def late(self, lease: Lease, finish: Finish) -> bool:
        """T12: keep a fenced owner's outcome as a note on its attempt. False: no such attempt and token."""

    @abstractmethod
    def cancel(self, run: int) -> State:
        """T9: CANCELLED at once, or RUNNING with the command passed to its owner."""

    @abstractmethod
    def pause(self, run: int) -> State:
        """T11: PAUSED at once, or RUNNING with the command passed to its owner. Never downgrades a cancel."""

    @abstractmethod
    def resume(self, run: int) -> State:
        """T11: back to QUEUED. On a running run that was asked to pause: the request is withdrawn."""

    @abstractmethod
    def requeue(self, run: int) -> State:
        """T14: a finished run back to QUEUED; losses and failures from 0, attempts and their numbers kept."""

    # -- moving house ----------------------------------------------------------------------------------------

    @abstractmethod
    def restore(self, records: Sequence[RunRecord]) -> list[int]:
        """Keep records of another store as they are: all of them or none; their ids here, in order.

        Everything of a record is kept but its `id`, which is new: attempts with their notes, times, counts,
        reasons. `parent` is kept as given: the caller has translated it. Attempts get new tokens, which
        nobody knows. `migrated` is not taken over: restore a record as it was executed, and migrate it here.
        A QUEUED one may be claimed at once.

        A run whose `uid` is known keeps its id and is left alone, with one exception: where nobody has ever
        claimed it here (QUEUED or PAUSED, no attempts) and the given record is further on (ended, or with
        attempts), the given one takes its place, under the same id. Of the same `uid` twice in one call, the
        second one finds the first. Raises `Refused` for a RUNNING record: its owner knows only the other
        store.
        """

    # -- reading ---------------------------------------------------------------------------------------------

    @abstractmethod
    def get(self, run: int) -> RunRecord:
        """The record, attempts and provenance included. Raises `NotFound`."""

    @abstractmethod
    def find(self, where: RunFilter, *, order: str = ORDER_NEWEST,
             limit: int | None = None) -> Iterator[RunRecord]:
        """Records that match. `order` is one of `records.filter.ORDERS`."""

    @abstractmethod
    def count(self, where: RunFilter) -> dict[State, int]:
        """How many match, by state; states without any are left out."""

    @abstractmethod
    def ids(self, project: str) -> tuple[int, int] | None:
        """The lowest and the highest id of a project's runs, for messages; None without any."""

    # -- notes of people -------------------------------------------------------------------------------------

    @abstractmethod
    def annotate(self, run: int, *, add_tags: Collection[str] = (), remove_tags: Collection[str] = (),
                 note: str | None = None, priority: int | None = None) -> RunRecord:
        """Change what people say about a run; never its outcome."""

    @abstractmethod
    def amend(self, run: int, name: str, entry: Tree | None) -> RunRecord:
        """Keep a metric that was computed after the run had ended, as `info["rescored"][name]`; None takes it
        away. What the run returned, and all else that is in `info`, stays. Repeats change nothing.

        Raises `NotFound`, and `Refused` for a run that has not ended.
        """

    @abstractmethod
    def delete(self, runs: Collection[int], *, dry_run: bool = False) -> list[int]:
        """Remove runs with their metrics, output and artifact names; the ids removed.

        Raises `Refused` for a running one; then none is removed.
        """

    # -- series, output, artifacts ---------------------------------------------------------------------------

    @abstractmethod
    def append(self, run: int, attempt: int, *, points: Sequence[Point] = (),
               output: Sequence[OutputChunk] = ()) -> None:
        """Add to an attempt's series and output; what is there already by `seq` is left alone. No fence."""

    @abstractmethod
    def points(self, run: int, *, attempt: int | None = None, names: Collection[str] | None = None,
               after: int = -1, limit: int | None = None) -> Iterator[Point]:
        """Metric points with `seq > after`, in order; of the current attempt unless told otherwise."""

    @abstractmethod
    def output(self, run: int, *, attempt: int | None = None, after: int = -1) -> Iterator[OutputChunk]:
        """Output chunks with `seq > after`, in order; of the current attempt unless told otherwise."""

    @abstractmethod
    def put_artifact(self, run: int, attempt: int, name: str, content: Path) -> Artifact:
        """Copy a file in under a label. Same label and attempt again: the new content replaces the old."""

    @abstractmethod
    def artifacts(self, run: int, *, attempt: int | None = None) -> list[Artifact]:
        """Labels and contents; of the current attempt unless told otherwise, sorted by name."""

    @abstractmethod
    def open_artifact(self, artifact: Artifact) -> IO[bytes]:
        """The content, for reading. Raises `NotFound` where it is gone."""

    # -- source code -----------------------------------------------------------------------------------------

    @abstractmethod
    def put_snapshot(self, snapshot: Snapshot, read: Callable[[str], bytes]) -> None:
        """Keep a snapshot; `read(path)` is asked only for contents that are not here yet.

        Idempotent; each content is kept once, however many snapshots name it. It stays while a run's `code`
        or the provenance section `source` of an attempt names the snapshot, and for an hour without that:
        it is put before the run that names it. Raises `UsageError` where what
        is read is not what the snapshot says.
        """

    @abstractmethod
    def snapshot(self, digest: str) -> Snapshot:
        """Raises `NotFound`."""

    @abstractmethod
    def open_content(self, digest: str) -> IO[bytes]:
        """A content that a snapshot names, for reading. Raises `NotFound` where it is gone."""

    # -- migrations of stored configs ------------------------------------------------------------------------

    @abstractmethod
    def migrations(self, project: str) -> list[Migration]:
        """All that were ever applied, oldest first; `runs`: how many stored runs each has rewritten."""

    @abstractmethod
    def migrate(self, migration: Migration, rewrites: Sequence[Rewrite]) -> list[int]:
        """Rewrite scenario and config of finished runs in one step; the ids of those that were.

        Left alone are runs that have not ended, are not as `old_scenario` and `old_config` say, or have this
        migration already: so a repeat changes nothing, and two callers never overwrite each other. What each
        run had is kept. `submitted` never changes. Raises `Refused` where the migration has rewritten runs
        with other steps.
        """

    @abstractmethod
    def unmigrate(self, project: str, name: str) -> list[int]:
        """Give its runs back what they had before, exactly; their ids. A repeat changes nothing.

        Raises `NotFound` for a migration that was never applied, `Refused` where a later one has rewritten
        one of its runs since.
        """

    @abstractmethod
    def rewritten(self, run: int) -> list[Rewritten]:
        """What a run had before each of its migrations, oldest first: the first is as it was executed."""

    # -- garbage ---------------------------------------------------------------------------------------------

    @abstractmethod
    def collect_garbage(self, *, dry_run: bool = True) -> GarbageReport:
        """Remove contents that no artifact and no snapshot of a run names any more, and nothing else."""

    # -- workers ---------------------------------------------------------------------------------------------

    @abstractmethod
    def present(self, worker: WorkerInfo) -> None:
        """A worker says that it is there and what it does; called at its start and with each of its beats."""

    @abstractmethod
    def absent(self, worker: str) -> None:
        """A worker says good-bye."""

    @abstractmethod
    def workers(self, project: str) -> list[WorkerInfo]:
        """Those that have not said good-bye, dead ones included; the reader judges by beat and process."""


def new_token() -> str:
    """128 random bits, as 32 hexadecimal digits."""
    import secrets

    return secrets.token_hex(16)


def this_version() -> str:
    """The version of hyperspace-core that is installed here."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("hyperspace-core")
    except PackageNotFoundError:       # run from a folder on the path
        return "unknown"
