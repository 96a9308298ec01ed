"""Ask the pruner of a live run, and apply its decision."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from hyperspace_core.config.build import build_component
from hyperspace_core.config.tree import Tree, unwrapped
from hyperspace_core.execution.answers import AskPeers, PeerNews, Peers
from hyperspace_core.execution.failure import one_line
from hyperspace_core.execution.process_io import echo
from hyperspace_core.execution.result import BadResult, numbers_in
from hyperspace_core.pruner import Curve, Peer, Pruner, Tracing, curve_of
from hyperspace_core.records.info import Pruned
from hyperspace_core.records.run import Metric
from hyperspace_core.records.states import PRUNED
from hyperspace_core.run import Run

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project


class Pruning:
    """A run's pruner in the run's process."""

    def __init__(self, run: Run, pruner: Pruner, own: Metric, ask: AskPeers) -> None:
        self.pruned: Pruned | None = None  # the decision to stop
        self._run, self._pruner, self._own = run, pruner, own.name
        self._watched = pruner.watched(own)
        self._peers = _Known(ask, self._watched.name, lambda: run.asked_to_stop)
        self._tracing = Tracing()
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
                self._tracing.add(step, value)

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
                curve = self._tracing.curve(asked=self._asked)
            if curve.count == self._judged:
                return False
            self._judged, self._asked = curve.count, curve.step
            return self._says_stop(curve)
        finally:
            self._judging.release()

    def completed(self, returned: Any) -> Any:
        """The returned value, with the last logged value of a missing task metric."""
        value = {} if returned is None else unwrapped(returned)
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
            echo(f"the pruner failed, so this run is not stopped early: {one_line(error)}")
            self._failed = True
            return False
        if stop:
            self.pruned = Pruned(series=self._watched.name, values=curve.count, step=curve.step)
            self._run.info[PRUNED] = self.pruned.plain()
            echo(f"pruned at step {curve.step}, {self._watched.name} {curve.value:g}: should_stop() is true")
        return stop


def pruning_of(tree: Tree | None, run: Run, project: Project, own: Metric,
               ask: AskPeers | None) -> Pruning | None:
    """Build the pruning of a run; an error is printed to its output, and it goes on."""
    if tree is None or ask is None:
        return None
    try:
        return Pruning(run, build_component(Pruner, tree, project.registry, path="pruner"), own, ask)
    except Exception as error:             # noqa: BLE001 - a failed pruner must not fail the run
        echo(f"the pruner cannot be built, so this run is not stopped early: {one_line(error)}")
        return None


def after_pruning(pruning: Pruning | None, returned: Any) -> tuple[Any, str | None]:
    """The result that counts, and the reason of the outcome. Raises `BadResult`.

    A run that its pruner stopped counts as pruned, also if it went on."""
    if pruning is None or pruning.pruned is None:
        return returned, None
    return pruning.completed(returned), PRUNED


class _Known:
    """The known curves of the other runs."""

    def __init__(self, ask: AskPeers, series: str, enough: Callable[[], bool]) -> None:
        self._ask, self._series, self._enough = ask, series, enough
        self._ended: dict[int, Peer] = {}
        self._running: tuple[Peer, ...] = ()

    def now(self) -> tuple[Peer, ...]:
        """All known peers; empty where the worker has no answer."""
        news: Peers | None = self._ask(self._series, self._enough)
        if news is None:
            return ()
        self._ended |= {one.run: _peer(one) for one in news.ended}
        if news.running is not None:
            self._running = tuple(map(_peer, news.running))
        again = {peer.run for peer in self._running}       # an ended run may have been queued again
        ended = [peer for peer in self._ended.values() if peer.run not in again]
        return (*ended, *self._running) if news.known else ()


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
