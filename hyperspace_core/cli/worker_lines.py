"""The events of a worker as lines, for a pipe and above a terminal's live view."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import TextIO

import click

from hyperspace_core.cli.page import STATES, Page, Piece
from hyperspace_core.cli.screen import remark
from hyperspace_core.cli.tape import Tape
from hyperspace_core.records.states import PRUNED, Outcome, State
from hyperspace_core.results.words import brief, number, seconds
from hyperspace_core.worker.options import WorkerOptions
from hyperspace_core.worker.report import (
    Event,
    Notice,
    Printed,
    Ready,
    RunEnded,
    RunStarted,
    Stopping,
)
from hyperspace_core.worker.shift import FINISH, GIVE_BACK

Write = Callable[[str], None]


class Teller:
    """Writes a line for each event of a worker; `hear` may be called from any thread.

    `out` gets the events and output of runs, `err` notices and warnings.
    """

    def __init__(self, out: TextIO, err: TextIO, options: WorkerOptions) -> None:
        self.stopped: Stopping | None = None           # the last such event
        self.ready: Ready | None = None
        self.live = False                              # a live view shows the running runs
        self.out, self.err = _writer(out), _writer(err)
        self._options = options
        self._lock = threading.RLock()
        self._tapes: dict[int, Tape] = {}
        self._configs: dict[int, str] = {}

    def hear(self, event: Event) -> None:
        with self._lock:
            match event:
                case Ready():
                    self.ready = event
                    self.out(_line(f"worker {event.worker} of {event.project} {self.waits_for()}"))
                case RunStarted():
                    self._configs[event.run] = brief(event.submitted)
                    if not self.live:
                        self.out(_line(*started(event)))
                case Printed():
                    self._print(event.run, self._tapes.setdefault(event.run, Tape()).feed(event.text))
                case RunEnded():
                    if event.run in self._tapes:
                        self._print(event.run, self._tapes.pop(event.run).end())
                    config = self._configs.pop(event.run, "")
                    self.out(_line(*ended(event), *((event.task, (config, "quiet")) if self.live else ())))
                case Notice() if event.level < logging.WARNING:
                    self.err(_line(event.text))
                case Notice():
                    self.err(remark(event.text, bad=event.level >= logging.ERROR))
                case Stopping():
                    self.stopped = event
                    self.err(_line((stopping(event, self._options), "held")))

    def waits_for(self) -> str:
        """`waits for runs of holdout, pipeline`."""
        tasks = self.ready.tasks if self.ready is not None else ()
        if not tasks:
            return "knows no task, so it cannot take runs"
        return f"{'takes' if self._options.drain else 'waits for'} runs of {', '.join(tasks)}"

    def _print(self, run: int, lines: list[str]) -> None:
        for line in lines:
            self.out(f"{run}| {line}" if self._options.slots > 1 else line)


def started(event: RunStarted) -> list[Piece]:
    again = f"(attempt {event.attempt})" if event.attempt > 1 else ""
    return [f"run {event.run} started", again, event.task, brief(event.submitted)]


def ended(event: RunEnded) -> list[Piece]:
    """How an attempt ended, and the state that its run is in now."""
    took, reason = f"after {seconds(event.seconds)}", event.reason or ""
    match event.state, event.outcome:
        case State.COMPLETED, _:
            how, what = "COMPLETED", f"{event.metric.name} {number(event.result)}"
            what += ", pruned" if reason == PRUNED else ""
        case State.QUEUED, Outcome.RELEASED:
            how, what = "is back in the queue", reason
        case State.QUEUED, _:
            how, what = "failed and is retried", reason
        case state, _:
            how, what = state.value, reason
    return [(f"run {event.run} {how}", STATES[event.state]), took, what]


def stopping(event: Stopping, options: WorkerOptions) -> str:
    """What happens now, and what the next Ctrl-C would do."""
    cause = "" if "SIGINT" in event.why else f"{event.why}: "
    runs = ", ".join(map(str, event.running))
    them, they = ("it", "it goes") if len(event.running) == 1 else ("them", "they go")
    if not event.running:
        return f"{cause}stopping"
    inline = options.isolation == "inline"
    if event.level == FINISH:
        again = f"asks {them} to end early" if inline else f"gives {them} back to the queue"
        return f"{cause}finishing run {runs}, then stopping; Ctrl-C again {again}"
    if event.level == GIVE_BACK and inline:
        return (f"{cause}run {runs} is asked to end early; inside this process it cannot be interrupted, "
                "so it goes on unless it checks `run.should_stop()`")
    if event.level == GIVE_BACK:
        return (f"{cause}interrupting run {runs}, {they} back to the queue within {options.grace_s:g} s; "
                f"Ctrl-C again kills {them} at once")
    return f"{cause}killing run {runs}, {they} back to the queue"


def _writer(stream: TextIO) -> Write:
    """A function that writes lines; a closed pipe does not stop the worker."""

    def write(text: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            click.echo(text, file=stream)

    return write


def _line(*pieces: Piece) -> str:
    page = Page()
    page.line(*pieces)
    return page.text
