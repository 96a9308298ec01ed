"""The store interface: its verbs, and the guarantees of every backend.

**Consistency.** Every verb is one atomic step: other callers see all of it or nothing, in one order that is
the same for all. Every verb may be repeated after an unknown outcome (lost answer, killed caller) and leaves
the state as if it had happened once: `submit` is keyed by `uid`, `claim` and every write of an owner by the
token, `append` by `(run, attempt, seq)`, `propose` by the number of the proposal.

**Fencing.** A claim returns a `Lease`. Every write of an owner names its lease and is refused if `(attempt,
token)` is no longer current. A refusal is an ordinary return value, never an exception.

**Transitions.** Only those of `records.states.TRANSITIONS`. A user's verb (`cancel`, `pause`, `resume`,
`requeue`) that the state does not allow raises `Refused` and names the state.

**Time.** The only decision that reads a wall clock is the back-off before a retry. Times in records are for
display.

**Values.** A value that `records.codec.storable` accepts is read back equal: type, NaN, infinities, -0.0,
64-bit integers, keys and any text. `submit`, `update` and `finish` check it and raise `ValueNotStorable`.
Metric values may be NaN or infinite.

**Errors.** `StoreUnavailable` if the store does not answer now (the caller may retry, all verbs are
idempotent); `StoreError` if a retry does not help (no rights, newer schema, disk full); `NotFound` for an
unknown id; `Refused`, `ValueNotStorable` and `UsageError` where documented; no others.

**Threads and processes.** A store object may be used from several threads. It may not cross a fork.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

from hyperspace_core import records
from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import StoreError, UsageError
from hyperspace_core.records.filter import ORDER_NEWEST, ORDER_OLDEST, RunFilter
from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.records.search import Budget, NewSearch, SearchRecord, SearchState
from hyperspace_core.records.states import State


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """Settings that all workers of a project share; created on first use."""

    paused: bool = False           # the whole queue: no run is claimed, running runs continue
    heartbeat_s: float = 5.0
    ttl_s: float = 30.0            # a lease without a heartbeat for that long may be reaped; >= 4 heartbeats

    def check(self, project: str) -> None:
        """Raises `UsageError` for invalid times or a TTL under four heartbeats."""
        if not (0 < self.heartbeat_s < math.inf and 0 < self.ttl_s < math.inf):
            raise UsageError(f"project '{project}': heartbeat_s {self.heartbeat_s:g} and ttl_s "
                             f"{self.ttl_s:g} must be seconds above 0")
        if self.ttl_s < 4 * self.heartbeat_s:
            raise UsageError(f"project '{project}': ttl_s {self.ttl_s:g} is under four heartbeats of "
                             f"{self.heartbeat_s:g} s; living workers would lose their runs")


@dataclass(frozen=True, kw_only=True)
class GarbageReport:
    """What `collect_garbage` has removed or would remove."""

    blobs: int
    bytes: int
    dry_run: bool


@dataclass(frozen=True, kw_only=True)
class StoreInfo:
    """Description of a store, for `hyperspace store info` and `doctor`."""

    url: str                       # without password
    backend: str                   # "sqlite 3.45.1"
    schema: int
    runs: dict[str, int]           # number of runs by project
    bytes: int | None = None       # on disk; None if unknown
    notes: tuple[str, ...] = ()    # warnings: "problem" or "problem -> cure"


class Closing(ABC):
    """What is closed at the end of a `with`."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


class Store(Closing):
    """The store of runs. One object per process; `close` it or use a `with`."""

    url: str                       # for display: without password

    def close(self) -> None:       # a store in memory has nothing to close
        """Close files and connections. Idempotent."""

    @abstractmethod
    def info(self) -> StoreInfo:
        """Describe the store, for `hyperspace store info` and `doctor`."""

    # -- settings of a project's queue -----------------------------------------------------------------------

    @abstractmethod
    def settings(self, project: str) -> QueueSettings:
        """The project's settings; the defaults are stored on first use."""

    @abstractmethod
    def change_settings(self, project: str, *, paused: bool | None = None, heartbeat_s: float | None = None,
                        ttl_s: float | None = None) -> QueueSettings:
        """Change the settings that are not None. Raises `UsageError` as `check`."""

    # -- the queue -------------------------------------------------------------------------------------------

    @abstractmethod
    def submit(self, runs: Sequence[records.NewRun], *, owner: records.Owner | None = None,
               tokens: Sequence[str] = ()) -> list[int]:
        """T1: store all of the runs or none; their ids in order.

        A run with a known `uid` keeps its id and its state. With `owner` and one token for each run, the new
        runs are claimed in the same step (attempt 1), for a caller that executes them at once; no other
        worker ever sees them queued.
        """

    @abstractmethod
    def claim(self, project: str, owner: records.Owner, token: str, *, tasks: Collection[str] | None = None,
              exclude: Collection[int] = (), only: Collection[int] | None = None) -> records.Claim | None:
        """T2: claim the oldest queued run of the highest priority; None without one.

        The caller makes a new `token` for every claim (`new_token`); a repeat with the same token returns the
        same claim. `tasks` limits to those that the worker knows, `exclude` leaves out runs by id, `only`
        limits to some runs. A paused project gives None.
        """

    @abstractmethod
    def wait_for_change(self, project: str, timeout_s: float) -> bool:
        """Block until the queue may have changed since this thread's last call.

        True if it may have changed, False after `timeout_s`. Called repeatedly; must detect a submission by
        another process within 0.1 s where the backend is local, 0.5 s over a network.
        """

    @abstractmethod
    def beat(self, lease: records.Lease, progress: Progress | None = None) -> records.BeatAnswer:
        """T3: renew the lease, store the progress, return the owner's command."""

    @abstractmethod
    def update(self, lease: records.Lease, change: records.Update) -> bool:
        """Fenced: update the run. `info` is replaced, provenance is added."""

    @abstractmethod
    def finish(self, lease: records.Lease, finish: records.Finish) -> bool:
        """T4, T5, T6, T10: end the run. False: fenced (call `late`). Repeats: True.

        COMPLETED ends as COMPLETED, CANCELLED as CANCELLED; the other outcomes count a failure and end as
        `states.after_finish` defines (`retry=False`: always FAILED). Raises `UsageError` for RELEASED and
        LOST, which are not outcomes of `finish`.
        """

    @abstractmethod
    def release(self, lease: records.Lease, reason: str | None = None) -> bool:
        """T7: release the run without a failure. False: fenced. Repeats: True."""

    @abstractmethod
    def held(self, project: str) -> list[records.Held]:
        """The leases of all running runs of the project, for an observer."""

    @abstractmethod
    def reap(self, seen: records.Held, reason: str = "") -> State | None:
        """T8: compare-and-set on `(attempt, token, beat)`. The new state, or None.

        Only for the observer of leases, or after a local proof that the owner is dead.
        """

    @abstractmethod
    def readopt(self, lease: records.Lease, owner: records.Owner) -> bool:
        """T13: take up a reaped run if not claimed since; the loss is not counted."""

    @abstractmethod
    def late(self, lease: records.Lease, finish: records.Finish) -> bool:
        """T12: keep a fenced owner's outcome as a note. False: no such attempt."""

    @abstractmethod
    def cancel(self, run: int) -> State:
        """T9: CANCELLED at once, or RUNNING with the command sent to its owner."""

    @abstractmethod
    def pause(self, run: int) -> State:
        """T11: PAUSED, or RUNNING with a command to its owner; a cancel stays."""

    @abstractmethod
    def resume(self, run: int) -> State:
        """T11: back to QUEUED; for a running run, withdraw the request to pause."""

    @abstractmethod
    def requeue(self, run: int) -> State:
        """T14: a finished run back to QUEUED; counts reset, attempts are kept."""

    # -- reading ---------------------------------------------------------------------------------------------

    @abstractmethod
    def get(self, run: int) -> records.RunRecord:
        """The record with attempts and provenance. Raises `NotFound`."""

    @abstractmethod
    def find(self, where: RunFilter, *, order: str = ORDER_NEWEST,
             limit: int | None = None) -> Iterator[records.RunRecord]:
        """The records that match. `order` is one of `records.filter.ORDERS`."""

    @abstractmethod
    def count(self, where: RunFilter) -> dict[State, int]:
        """The number of matching runs by state; states without runs are left out."""

    def ids(self, project: str) -> tuple[int, int] | None:
        """The lowest and the highest id of a project's runs; None if it has none."""
        ends = [record.id for order in (ORDER_OLDEST, ORDER_NEWEST)
                for record in self.find(RunFilter(project=project), order=order, limit=1)]
        return (ends[0], ends[-1]) if ends else None

    # -- tags, notes, metrics --------------------------------------------------------------------------------

    @abstractmethod
    def annotate(self, run: int, *, add_tags: Collection[str] = (), remove_tags: Collection[str] = (),
                 note: str | None = None, priority: int | None = None) -> records.RunRecord:
        """Change tags, note or priority of a run; never its outcome."""

    @abstractmethod
    def delete(self, runs: Collection[int], *, dry_run: bool = False) -> list[int]:
        """Delete runs with their metrics, output and artifact names; the deleted ids.

        Raises `Refused` if one of them is running; then none is deleted.
        """

    # -- series, output, artifacts ---------------------------------------------------------------------------

    @abstractmethod
    def append(self, run: int, attempt: int, *, points: Sequence[Point] = (),
               output: Sequence[records.OutputChunk] = ()) -> None:
        """Add points and output to an attempt; a known `seq` is ignored. No fence."""

    @abstractmethod
    def points(self, run: int, *, attempt: int | None = None, names: Collection[str] | None = None,
               after: int = -1, limit: int | None = None) -> Iterator[Point]:
        """Metric points with `seq > after`, in order; by default of the current attempt."""

    @abstractmethod
    def output(self, run: int, *, attempt: int | None = None,
               after: int = -1) -> Iterator[records.OutputChunk]:
        """Output chunks with `seq > after`, in order; by default of the current attempt."""

    @abstractmethod
    def put_artifact(self, run: int, attempt: int, name: str, content: Path) -> records.Artifact:
        """Copy a file in under a label; the same label and attempt again replaces."""

    @abstractmethod
    def artifacts(self, run: int, *, attempt: int | None = None) -> list[records.Artifact]:
        """Labels and contents, sorted by name; by default of the current attempt."""

    @abstractmethod
    def open_artifact(self, artifact: records.Artifact) -> IO[bytes]:
        """Open the content for reading. Raises `NotFound` if it is gone."""

    # -- workers ---------------------------------------------------------------------------------------------

    @abstractmethod
    def present(self, worker: records.WorkerInfo) -> None:
        """Register a worker and its activity, at its start and each heartbeat."""

    @abstractmethod
    def absent(self, worker: str) -> None:
        """Unregister a worker."""

    @abstractmethod
    def workers(self, project: str) -> list[records.WorkerInfo]:
        """Registered workers, dead ones included: judge by beat and process."""


# -- Capabilities: what a store may do beyond `Store`; the guarantees of `Store` apply ----

class Capability(ABC):
    """A group of verbs that a store may have: `Migrations.of(store).migrate(…)`."""

    ability: ClassVar[str]         # in the message: "this store cannot …"

    @classmethod
    def of(cls, store: Store) -> Self:
        """The store with these verbs. Raises `StoreError` for a store that does not have them."""
        if not isinstance(store, cls):
            raise StoreError(f"{store.url}: this store cannot {cls.ability}; use one that can, such as "
                             "sqlite:///FILE")
        return store


class Sources(Capability):
    """Source code: the snapshots that runs are pinned to, and those of the code that ran."""

    ability = "keep source code"

    @abstractmethod
    def put_snapshot(self, snapshot: records.Snapshot, read: Callable[[str], bytes]) -> None:
        """Store a snapshot; `read(path)` is called only for new contents.

        Idempotent; each content is stored once. The snapshot is kept while a run's `code` or the provenance
        section `source` of an attempt names it, and at least for an hour: it is stored before its run. Raises
        `UsageError` if the content read differs from the snapshot.
        """

    @abstractmethod
    def snapshot(self, digest: str) -> records.Snapshot:
        """The snapshot with this digest. Raises `NotFound`."""

    @abstractmethod
    def open_content(self, digest: str) -> IO[bytes]:
        """Open a content of a snapshot for reading. Raises `NotFound` if it is gone."""


class Searches(Capability):
    """Searches: any worker may propose; each decision is one atomic step."""

    ability = "keep searches"

    @abstractmethod
    def add_search(self, search: NewSearch) -> int:
        """Store a search, OPEN; its id. A known `uid` keeps its id and its state."""

    @abstractmethod
    def restore_search(self, record: SearchRecord) -> int:
        """Store a search of another store unchanged except for its id; the new id.

        A search that is OPEN there is PAUSED here, so that no search proposes in two stores. If its `uid` is
        known, only its counts are raised to those of the record: proposals made in the other store are copied
        here, and no number is proposed twice.
        """

    @abstractmethod
    def get_search(self, search: int) -> SearchRecord:
        """The search with this id. Raises `NotFound`."""

    @abstractmethod
    def searches(self, project: str, *, states: Collection[SearchState] = (),
                 uids: Collection[str] = ()) -> list[SearchRecord]:
        """The project's searches, oldest first; optionally only of these states or uids."""

    @abstractmethod
    def propose(self, search: int, number: int, run: records.NewRun, *, redrawn: int = 0,
                repeat: bool = False) -> int | None:
        """Queue a run as proposal `number`: compare-and-set on the number so far.

        The run's `uid` must be `SearchRecord.run_uid(number)` and its `search` the search's `uid`; else
        `UsageError`. The answer is the run's id, and the search's count grows by one. It is None if the
        search is not OPEN or has not proposed exactly `number` runs: another worker was faster, or the search
        has ended. `redrawn` is added to its count; `repeat` adds one to its `repeats`. Once a proposal is
        counted, its run is queued now or by the next call of any of these verbs, even if the process dies in
        between. A repeated call after a lost answer returns the same id. Raises `NotFound`.
        """

    @abstractmethod
    def end_search(self, search: int, reason: str, *, proposed: int | None = None) -> bool:
        """End the search (ENDED) for this reason. With `proposed`: only if it is OPEN and has proposed this
        many, the state that the worker judged. False if not, or if it had ended before. Raises `NotFound`."""

    @abstractmethod
    def change_search(self, search: int, *, state: SearchState | None = None, budget: Budget | None = None,
                      priority: int | None = None) -> SearchRecord:
        """Change the state, budget or priority: OPEN (also after it has ended) or PAUSED.

        `priority` applies to runs proposed from now on. Raises `NotFound`; `Refused` if an ended search is to
        be paused; `UsageError` for ENDED, which needs a reason (`end_search`).
        """


class Migrations(Capability):
    """Changes of runs that have ended: migrated configs, and metrics computed afterwards."""

    ability = "change runs that have ended"

    @abstractmethod
    def migrations(self, project: str) -> list[records.Migration]:
        """All applied migrations, oldest first; `runs`: the number rewritten."""

    @abstractmethod
    def migrate(self, migration: records.Migration, rewrites: Sequence[records.Rewrite]) -> list[int]:
        """Rewrite scenario and config of finished runs in one step; their ids.

        Skipped are runs that have not ended, that differ from `old_scenario` and `old_config`, or that have
        this migration already: a repeat changes nothing, and two callers never overwrite each other. The
        previous values are kept. `submitted` never changes. Raises `Refused` if the migration has rewritten
        runs with other steps.
        """

    @abstractmethod
    def unmigrate(self, project: str, name: str) -> list[int]:
        """Restore its runs exactly; their ids. A repeat changes nothing.

        Raises `NotFound` for a migration that was never applied, `Refused` if a later one has rewritten one
        of its runs since.
        """

    @abstractmethod
    def rewritten(self, run: int) -> list[records.Rewritten]:
        """Scenario and config of a run before each of its migrations, oldest first."""

    @abstractmethod
    def amend(self, run: int, name: str, entry: Tree | None) -> records.RunRecord:
        """Store a metric computed after the run has ended, as `info["rescored"][name]`; None removes it. The
        result and the other entries of `info` do not change. Repeats change nothing.

        Raises `NotFound`, and `Refused` for a run that has not ended.
        """


class Maintenance(Capability):
    """The store as a whole: damage, schema, garbage, and runs that come from another store."""

    ability = "be checked, upgraded, cleaned up or copied into"

    @abstractmethod
    def check(self) -> tuple[str, ...]:
        """Check the database and artifact contents. One line for each problem."""

    @abstractmethod
    def upgrade(self, *, dry_run: bool = False) -> tuple[int, int]:
        """Upgrade the schema; `(from, to)`. A newer schema raises `StoreError`."""

    @abstractmethod
    def collect_garbage(self, *, dry_run: bool = True) -> GarbageReport:
        """Remove only contents that no artifact and no run's snapshot names."""

    @abstractmethod
    def restore(self, records: Sequence[records.RunRecord]) -> list[int]:
        """Store records of another store unchanged, all or none; their new ids.

        Only the `id` is new: attempts with their notes, times, counts and reasons are kept. `parent` is kept
        as given: the caller has translated it. Attempts get new, unknown tokens. `migrated` is not copied:
        restore a record as it was executed, then migrate it here. A QUEUED run may be claimed at once.

        A run with a known `uid` keeps its id and is not changed, with one exception: if it was never claimed
        here (QUEUED or PAUSED, no attempts) and the given record is further on (ended, or with attempts), the
        record replaces it under the same id. If one call has the same `uid` twice, the second one finds the
        first. Raises `Refused` for a RUNNING record: its owner knows only the other store.
        """


def searches_of(store: Store, project: str, *, states: Collection[SearchState] = (),
                uids: Collection[str] = ()) -> list[SearchRecord]:
    """The project's searches, as `Searches.searches`; [] in a store that keeps none."""
    return store.searches(project, states=states, uids=uids) if isinstance(store, Searches) else []


def rewritten_of(store: Store, record: records.RunRecord) -> list[records.Rewritten]:
    """Scenario and config of a run before each of its migrations, oldest first; [] if it has none."""
    return Migrations.of(store).rewritten(record.id) if record.migrated else []


def migrations_of(store: Store, project: str) -> dict[str, records.Migration]:
    """The migrations that were applied to a project's runs, by name, oldest first."""
    return {one.name: one for one in store.migrations(project)} if isinstance(store, Migrations) else {}


def new_token() -> str:
    """128 random bits as 32 hexadecimal digits."""
    import secrets

    return secrets.token_hex(16)


@cache
def this_version() -> str:
    """The installed version of hyperspace-core."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("hyperspace-core")
    except PackageNotFoundError:       # run from a source folder that is not installed
        return "unknown"
