"""Read the curves of the other runs of a search, for the pruner of a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from hyperspace_core.plugin import Clock, Tree, info, states
from hyperspace_core.records import ORDER_NEWEST, RunFilter, RunRecord, State
from hyperspace_core.storage import searches_of
from hyperspace_tuning.pruner import CurveBuilder, Pair, PeerState

if TYPE_CHECKING:
    from hyperspace_core.storage import Store

PRUNER = "tuning.pruner"       # topics of a run's questions: the pruner of its search
CURVES = "tuning.curves"       # the curves of the other runs; with the name of a series
SHARE = 10                     # a read, also a failed one, is reused for this multiple of its duration
_STATES: dict[State, PeerState] = {State.COMPLETED: "completed", State.FAILED: "failed",
                                   State.CANCELLED: "cancelled", State.RUNNING: "running"}


class PeerNews(msgspec.Struct, frozen=True, array_like=True):
    """Another run of the search and the points of its curve."""

    run: int
    state: PeerState
    points: list[Pair]


class Peers(msgspec.Struct, frozen=True, array_like=True):
    """News of the other runs. `ended`: those that the process does not know yet."""

    known: bool = True             # False: the worker has no answer now
    ended: list[PeerNews] = []
    running: list[PeerNews] | None = None      # all running runs; None: as before


Ended = dict[int, PeerNews]


class Curves:
    """Cache of a worker: the pruners of searches, and the curves of their ended runs.

    Its methods raise `StoreError`.
    """

    def __init__(self, store: Store, project: str) -> None:
        self._store, self._project = store, project
        self._lock = threading.Lock()
        self._pruners: dict[str, Tree | None] = {}     # by search
        self._ended: dict[tuple[str, str], Ended] = {}     # by search and series

    def pruner_of(self, record: RunRecord) -> Tree | None:
        """The pruner of a run's search; None without one."""
        if record.search is None:
            return None
        if record.search not in self._pruners:
            found = searches_of(self._store, self._project, uids=(record.search,))
            self._pruners[record.search] = found[0].pruner if found else None
        return self._pruners[record.search]

    def ended(self, search: str, series: str) -> Ended:
        """The curves of all runs that have ended, by run."""
        where = RunFilter(project=self._project, search=search, states=tuple(states.TERMINAL))
        with self._lock:
            known = self._ended.setdefault((search, series), {})
            missing = sum(self._store.count(where).values()) - len(known)
            if missing < 0:                # runs were deleted or queued again
                missing += len(known)
                known.clear()
            for record in list(self._newest(where, missing, known)):
                points = CurveBuilder((point.step, point.value) for point in
                                 self._store.points(record.id, names=(series,))).curve().points
                state = "pruned" if info.is_pruned(record) else _STATES[record.state]
                known[record.id] = PeerNews(record.id, state, list(points))
            return dict(known)

    def running(self, search: str) -> list[RunRecord]:
        where = RunFilter(project=self._project, search=search, states=(State.RUNNING,))
        return list(self._store.find(where, order=ORDER_NEWEST))

    def _newest(self, where: RunFilter, missing: int, known: Ended) -> Iterator[RunRecord]:
        """The unknown runs; usually the newest, so that few are read."""
        for record in self._store.find(where, order=ORDER_NEWEST) if missing else ():
            if record.id not in known:
                yield record
                missing -= 1
            if not missing:
                return


class SearchCurves:
    """Answers one attempt about the other runs of its search. Not thread-safe."""

    def __init__(self, curves: Curves, store: Store, record: RunRecord, clock: Clock) -> None:
        self._curves, self._store, self._record, self._clock = curves, store, record, clock
        self._sent: set[int] = set()       # ended runs that the attempt knows
        self._builders: dict[tuple[int, int], tuple[CurveBuilder, int]] = {}  # by attempt; with last point
        self._known = True                 # the last read succeeded
        self._good_until = clock.monotonic()

    def answer(self, series: str) -> Peers:
        """The news since the last answer; `known=False` where the store fails."""
        began = self._clock.monotonic()
        if began < self._good_until:
            return Peers(known=self._known)
        try:
            peers = self._read(series)
        except Exception:                  # noqa: BLE001 - the run goes on; the heartbeat reports the store
            peers = Peers(known=False)
        self._known = peers.known
        self._sent |= {one.run for one in peers.ended}
        took = self._clock.monotonic() - began
        self._good_until = began + SHARE * took
        return peers

    def _read(self, series: str) -> Peers:
        search = self._record.search
        if search is None:
            return Peers(running=[])
        running = [self._so_far(record, series) for record in self._curves.running(search)
                   if record.id != self._record.id]
        ended = self._curves.ended(search, series)
        new = [news for run, news in ended.items() if run not in self._sent and run != self._record.id]
        return Peers(ended=[one for one in new if one.points],
                     running=[one for one in running if one.points])

    def _so_far(self, record: RunRecord, series: str) -> PeerNews:
        """The curve of a running run; reads only points since the last read."""
        attempt = 0 if record.attempt is None else record.attempt.number
        builder, after = self._builders.get((record.id, attempt), (CurveBuilder(), -1))
        for point in self._store.points(record.id, attempt=attempt, names=(series,), after=after):
            builder.add(point.step, point.value)
            self._builders[record.id, attempt] = builder, point.seq
        return PeerNews(record.id, "running", list(builder.curve().points))
