"""Ask the pruner of a live run, and apply its decision."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import msgspec

from hyperspace_core.errors import error_line
from hyperspace_core.plugin import (
    Answer,
    AskWorker,
    BadResult,
    Pruned,
    RunWatcher,
    Tree,
    build_component,
    echo_in_run,
    numbers_in,
    states,
    trees,
)
from hyperspace_core.records import Metric
from hyperspace_core.run import Run
from hyperspace_tuning.pruner import Curve, CurveBuilder, Peer, Pruner, curve_of
from hyperspace_tuning.search_curves import CURVES, PRUNER, PeerNews, Peers

if TYPE_CHECKING:
    from hyperspace_core.plugin import Project

class PrunedRun(RunWatcher):
    """Watches a run of a search; the worker is asked for the pruner meanwhile."""

    def __init__(self, run: Run, project: Project, ask: AskWorker) -> None:
        self._run, self._project, self._ask = run, project, ask
        self._answer = ask(PRUNER)
        self._pruning: Pruning | None = None
        self._known = False
        self._process = os.getpid()
        self._lock = threading.RLock()     # a signal handler of user code may log

    def on_scalar(self, name: str, step: int | None, value: float) -> None:
        pruning = self._ready()
        if pruning is not None:
            pruning.logged(name, step, value)

    def on_should_stop(self) -> None:
        pruning = self._ready()
        if pruning is not None and pruning.should_stop():
            self._run.request_stop(states.PRUNED)

    def completed(self, returned: Any) -> Any:
        """A run that its pruner stopped counts as pruned, also if it went on."""
        pruning = self._pruning
        return returned if pruning is None or pruning.pruned is None else pruning.completed(returned)

    def _ready(self) -> Pruning | None:
        """The pruning of the run, once the worker has answered; None without a pruner."""
        if self._known or os.getpid() != self._process:
            return self._pruning
        with self._lock:
            if not self._known:
                self._pruning = self._built()
                self._known = True
        return self._pruning

    def _built(self) -> Pruning | None:
        if not self._answer.wait(enough=lambda: self._run.stop_requested):
            echo_in_run("the worker does not name the pruner, so this run is not stopped early")
            return None
        try:
            return pruning_of(self._answer.value, self._run, self._project, self._ask)
        except Exception as error:         # noqa: BLE001 - a failed pruner must not fail the run
            echo_in_run(f"the pruner cannot be built, so this run is not stopped early: {error_line(error)}")
            return None


def pruning_of(tree: Tree | None, run: Run, project: Project, ask: AskWorker) -> Pruning | None:
    """Build the pruning of a run; None without a pruner. Raises what building raises."""
    if tree is None:
        return None
    pruner = build_component(Pruner, tree, project.registry, path="pruner")
    return Pruning(run, pruner, Metric(name=run.metric, goal=run.goal), ask)


class Pruning:
    """A run's pruner in the run's process."""

    def __init__(self, run: Run, pruner: Pruner, own: Metric, ask: AskWorker) -> None:
        self.pruned: Pruned | None = None  # the decision to stop
        self._run, self._pruner, self._own = run, pruner, own.name
        self._watched = pruner.watched(own)
        self._peers = _Known(ask, self._watched.name, lambda: run.stop_requested)
        self._curve = CurveBuilder()
        self._last_own: float | None = None
        self._judged = 0                   # number of values when the pruner was last asked
        self._asked = -1                   # the step at that time
        self._failed = False
        self._process = os.getpid()
        self._logging = threading.RLock()  # a signal handler of user code may log
        self._judging = threading.Lock()

    def logged(self, name: str, step: int | None, value: float) -> None:
        if name == self._own:
            self._last_own = value
        if name == self._watched.name:
            with self._logging:
                self._curve.add(step, value)

    def should_stop(self) -> bool:
        """Ask the pruner; a True is final. False in a process that user code forked."""
        if self.pruned is not None:
            return True
        if self._failed or os.getpid() != self._process:
            return False
        if not self._judging.acquire(blocking=False):
            return False                   # another thread asks, or a signal interrupted this one
        try:
            with self._logging:
                curve = self._curve.curve(asked=self._asked)
            if curve.count == self._judged:
                return False
            self._judged, self._asked = curve.count, curve.step
            return self._says_stop(curve)
        finally:
            self._judging.release()

    def completed(self, returned: Any) -> Any:
        """The returned value, with the last logged value of a missing task metric."""
        value = {} if returned is None else trees.unwrapped(returned)
        if not isinstance(value, Mapping) or self._own in value:
            return returned
        if self._last_own is None:
            raise BadResult(f"the run was pruned, and neither returned '{self._own}' nor logged it; return "
                            "its value so far when should_stop() is true", numbers_in(value))
        return {**value, self._own: self._last_own}

    def _says_stop(self, curve: Curve) -> bool:
        try:
            stop = bool(self._pruner.should_stop(curve, _Lazily(self._peers.now), self._watched.goal))
        except Exception as error:         # noqa: BLE001 - a failed pruner must not fail the run
            echo_in_run(f"the pruner failed, so this run is not stopped early: {error_line(error)}")
            self._failed = True
            return False
        if stop:
            self.pruned = Pruned(series=self._watched.name, values=curve.count, step=curve.step)
            self._run.info[states.PRUNED] = self.pruned.to_json()
            echo_in_run(f"pruned at step {curve.step}, {self._watched.name} {curve.value:g}: "
                        "should_stop() is true")
        return stop


class _Known:
    """The known curves of the other runs."""

    def __init__(self, ask: AskWorker, series: str, enough: Callable[[], bool]) -> None:
        self._ask, self._series, self._enough = ask, series, enough
        self._asked: Answer | None = None          # the question without an answer
        self._ended: dict[int, Peer] = {}
        self._running: tuple[Peer, ...] = ()

    def now(self) -> tuple[Peer, ...]:
        """All known peers; empty where the worker has no answer."""
        if self._asked is not None:        # a slow worker is not asked again before it has answered
            if not self._asked.arrived:
                return ()
            self._take(self._asked)
        self._asked = self._ask(CURVES, self._series)
        if not self._asked.wait(enough=self._enough):
            return ()
        known = self._take(self._asked)
        self._asked = None
        again = {peer.run for peer in self._running}       # an ended run may have been queued again
        ended = [peer for peer in self._ended.values() if peer.run not in again]
        return (*ended, *self._running) if known else ()

    def _take(self, answer: Answer) -> bool:
        """Add the news of an answer; whether the worker had one."""
        if answer.value is None:
            return False
        news = msgspec.convert(answer.value, Peers)
        self._ended |= {one.run: _peer(one) for one in news.ended}
        if news.running is not None:
            self._running = tuple(map(_peer, news.running))
        return news.known


class _Lazily(Sequence[Peer]):
    """The peers, read from the worker on first use."""

    def __init__(self, ask: Callable[[], tuple[Peer, ...]]) -> None:
        self._ask = ask

    @cached_property
    def _peers(self) -> tuple[Peer, ...]:
        return self._ask()

    @overload
    def __getitem__(self, index: int) -> Peer: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Peer, ...]: ...
    def __getitem__(self, index: int | slice) -> Peer | tuple[Peer, ...]:
        return self._peers[index]

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers)


def _peer(news: PeerNews) -> Peer:
    return Peer(run=news.run, state=news.state, curve=curve_of(news.points))
