"""Call the hooks of a worker on threads of their own, so that no plugin holds up a slot."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hyperspace_core.clock import Clock
from hyperspace_core.config.tree import CLASS_NAME
from hyperspace_core.errors import StoreError, error_line
from hyperspace_core.extension.features import missing_component
from hyperspace_core.extension.manager import LOAD_ERRORS
from hyperspace_core.records.run import Claim, Owner, RunRecord
from hyperspace_core.records.search import SearchState
from hyperspace_core.storage import Store, searches_of

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project
    from hyperspace_core.worker.state import WorkerOptions, WorkerState

OFFER_S = 5.0                  # time limit of an implementation of `hyperspace_offer_run`
STOP_LOOK_S = 0.2              # how often a waiting slot checks whether the worker stops
LOOK_S = 1.0                   # how often plugins are asked while the queue has runs

OFFER, ANSWER = "hyperspace_offer_run", "hyperspace_answer"


@dataclass(frozen=True, kw_only=True, eq=False)
class WorkerContext:
    """A worker, as its plugins see it."""

    store: Store
    project: str                           # its name
    opened: Project | None                 # the project, where this process has it open (`inline`)
    owner: Owner                           # whose claims this worker executes
    options: WorkerOptions
    clock: Clock
    stopping: Callable[[], bool]           # nothing more is claimed
    tell: Callable[[str, int], None]       # report one line, with a level of `logging`
    wake: Callable[[], None]               # have idle slots look at the queue now
    preparing: Callable[[], AbstractContextManager[None]]
    """Entered while a plugin makes a run: a draining worker waits for it."""


def context_of(state: WorkerState, opened: Project | None) -> WorkerContext:
    return WorkerContext(store=state.store, project=state.project, opened=opened, owner=state.owner,
                         options=state.options, clock=state.clock, stopping=lambda: state.over,
                         tell=state.tell, wake=state.bell.ring, preparing=state.preparing)


class WorkerHooks:
    """The hooks of one worker. A plugin whose offer fails is not asked for runs again."""

    def __init__(self, context: WorkerContext, extensions: Extensions) -> None:
        self._context = replace(context, wake=self._wake)
        self._extensions, self._wake_slots = extensions, context.wake
        self._lock = threading.Lock()
        self._off: set[str] = set()                    # plugins whose offers have failed
        self._reported: set[str] = set()               # plugins whose answers have failed
        self._searches_reported = False
        self._looked_at: float | None = None

    # -- runs besides the queue ------------------------------------------------------------------------------

    def offer(self, tasks: frozenset[str], *, queued: bool) -> Claim | None:
        """A run of a plugin; `queued`: before the queue, of whose runs nothing is known.

        Then plugins are asked once a second, and again after each run that they offered or queued."""
        now = self._context.clock.monotonic()
        with self._lock:
            if queued and self._looked_at is not None and now - self._looked_at < LOOK_S:
                return None
            self._looked_at = now if queued else self._looked_at
        calls = list(self._extensions.implementations(OFFER))
        if not calls:
            self._name_missing_plugin()
        for plugin, call in calls:
            claim = self._offered(plugin, call, tasks, queued)
            if claim is not None:
                self._looked_at = None
                return claim
        return None

    def _name_missing_plugin(self) -> None:
        """Report once which plugin proposes the runs of the open searches."""
        if self._searches_reported:
            return
        self._searches_reported = True
        for search in searches_of(self._context.store, self._context.project, states=(SearchState.OPEN,)):
            tuner = str(search.tuner.get(CLASS_NAME))
            why = missing_component(tuner) or f"no installed plugin has the tuner {tuner}"
            self._context.tell(f"search {search.id} of task '{search.task}': its runs cannot be proposed "
                               f"here: {why}", logging.WARNING)

    def _wake(self) -> None:
        self._looked_at = None
        self._wake_slots()

    def _offered(self, plugin: str, call: Callable[..., Any], tasks: frozenset[str],
                 queued: bool) -> Claim | None:
        if plugin in self._off:
            return None
        try:
            claim = _in_time(lambda: call(worker=self._context, tasks=tasks, queued=queued),
                             self._context.stopping, self._release)
        except TimeoutError:
            self._turn_off(plugin, f"it gave no answer in {OFFER_S:g} s")
        except LOAD_ERRORS as error:
            if isinstance(error, StoreError):          # not the plugin's fault
                raise
            self._turn_off(plugin, error_line(error))
        else:
            if claim is None or isinstance(claim, Claim):
                return claim
            self._turn_off(plugin, f"expected a Claim or None, got {type(claim).__name__}")
        return None

    def _turn_off(self, plugin: str, why: str) -> None:
        self._report(self._off, plugin, f"offers no more runs to this worker: {OFFER}: {why}")

    def _release(self, claim: object) -> None:
        """Release a run that was claimed too late."""
        if isinstance(claim, Claim):
            with contextlib.suppress(StoreError):      # then its lease expires
                self._context.store.release(claim.lease, "it was offered too late")
            self._context.wake()

    # -- questions of runs -----------------------------------------------------------------------------------

    def answer(self, record: RunRecord, topic: str, payload: Any) -> Any:
        """The first answer of a plugin that is not None."""
        for plugin, call in self._extensions.implementations(ANSWER):
            try:
                answer = call(worker=self._context, record=record, topic=topic, payload=payload)
            except LOAD_ERRORS as error:
                self.report(plugin, f"cannot answer '{topic}' of run {record.id}", error_line(error))
            else:
                if answer is not None:
                    return answer
        return None

    def report(self, plugin: str, what: str, why: str) -> None:
        """Report the first failure of a plugin's answers."""
        self._report(self._reported, plugin, f"{what}: {why}")

    def _report(self, failed: set[str], plugin: str, text: str) -> None:
        with self._lock:
            known = plugin in failed                   # another slot or run has reported it
            failed.add(plugin)
        if not known:
            self._context.tell(f"plugin '{plugin}' {text}", logging.ERROR)


def _in_time(call: Callable[[], object], stopping: Callable[[], bool],
             late: Callable[[object], None]) -> object:
    """Call on a thread of its own; None where the worker stops first.

    Raises what the call raises, and `TimeoutError` after `OFFER_S`. `late` gets an answer that comes later.
    """
    answer: Future[object] = Future()

    def run() -> None:
        try:
            answer.set_result(call())
        except LOAD_ERRORS as error:
            answer.set_exception(error)

    threading.Thread(target=run, name="hyperspace-offer", daemon=True).start()
    end = time.monotonic() + OFFER_S
    while not wait([answer], min(STOP_LOOK_S, max(0.0, end - time.monotonic()))).done:
        stops = stopping()
        if stops or time.monotonic() >= end:
            answer.add_done_callback(lambda given: None if given.exception() else late(given.result()))
            if stops:
                return None
            raise TimeoutError
    return answer.result()


class Questions:
    """The questions of one attempt: answered in their order, by a thread of its own."""

    def __init__(self, hooks: WorkerHooks, record: RunRecord,
                 deliver: Callable[[int, Any], None] = lambda number, value: None) -> None:
        self._hooks, self._record, self._deliver = hooks, record, deliver
        self._asked: queue.SimpleQueue[tuple[int, str, Any] | None] = queue.SimpleQueue()
        self._started = False

    def put(self, number: int, topic: str, payload: Any) -> None:
        """Answer a question soon: `deliver(number, value)` is called. Returns at once."""
        self._asked.put((number, topic, payload))
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name="hyperspace-answers", daemon=True).start()

    def close(self) -> None:
        """End the thread after the question that it is answering."""
        self._asked.put(None)

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            number, topic, payload = asked
            value = self._hooks.answer(self._record, topic, payload)
            try:
                self._deliver(number, value)
            except Exception as error:     # noqa: BLE001 - not a plain value
                self._hooks.report(topic, "has an answer that cannot be sent", error_line(error))
                self._deliver(number, None)
