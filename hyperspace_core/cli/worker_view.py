"""The events of a worker as lines, for a pipe and above a terminal's live view."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TextIO

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from hyperspace_core.cli import terminal
from hyperspace_core.cli.context import CommandContext
from hyperspace_core.cli.follow import Tape
from hyperspace_core.errors import ExitCode
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import PRUNED, Outcome, State
from hyperspace_core.results.export import text_of
from hyperspace_core.results.format import brief, number, seconds
from hyperspace_core.results.overview import progress_bar, progress_text
from hyperspace_core.results.repeats import group_repeats, has_repeats, tabulate_repeats
from hyperspace_core.results.table import best_first, tabulate
from hyperspace_core.storage import Store
from hyperspace_core.worker import events
from hyperspace_core.worker.heartbeat import waiting_text
from hyperspace_core.worker.state import FINISH, GIVE_BACK, WorkerOptions
from hyperspace_core.worker.worker import Worker

Write = Callable[[str], None]


class Teller:
    """Writes a line for each event of a worker; `hear` may be called from any thread.

    `out` gets the events and output of runs, `err` notices and warnings.
    """

    def __init__(self, out: TextIO, err: TextIO, options: WorkerOptions) -> None:
        self.stopped: events.Stopping | None = None           # the last such event
        self.ready: events.Ready | None = None
        self.live = False                              # a live view shows the running runs
        self.out, self.err = _writer(out), _writer(err)
        self._options = options
        self._lock = threading.RLock()
        self._tapes: dict[int, Tape] = {}
        self._configs: dict[int, str] = {}

    def hear(self, event: events.Event) -> None:
        with self._lock:
            match event:
                case events.Ready():
                    self.ready = event
                    self.out(_line(f"worker {event.worker} of {event.project} {self.waits_for()}"))
                case events.RunStarted():
                    config = self._configs[event.run] = brief(event.record.submitted)
                    again = f"(attempt {event.attempt})" if event.attempt > 1 else ""
                    if not self.live:
                        self.out(_line(f"run {event.run} started", again, event.task, config))
                case events.Printed():
                    self._print(event.run, self._tapes.setdefault(event.run, Tape()).feed(event.text))
                case events.RunEnded():
                    if event.run in self._tapes:
                        self._print(event.run, self._tapes.pop(event.run).end())
                    config = self._configs.pop(event.run, "")
                    about = (event.task, (config, "quiet")) if self.live else ()
                    self.out(_line(*ended_line(event), *about))
                case events.Notice() if event.level < logging.WARNING:
                    self.err(_line(event.text))
                case events.Notice():
                    self.err(terminal.message_line(event.text, bad=event.level >= logging.ERROR))
                case events.Stopping():
                    self.stopped = event
                    self.err(_line((stopping_line(event, self._options), "held")))

    def waits_for(self) -> str:
        """`waits for runs of holdout, pipeline`."""
        tasks = self.ready.tasks if self.ready is not None else ()
        if not tasks:
            return "knows no task, so it cannot take runs"
        return f"{'takes' if self._options.drain else 'waits for'} runs of {', '.join(tasks)}"

    def _print(self, run: int, lines: list[str]) -> None:
        for line in lines:
            self.out(f"{run}| {line}" if self._options.slots > 1 else line)


def ended_line(event: events.RunEnded) -> list[terminal.Piece]:
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
    return [(f"run {event.run} {how}", terminal.STATES[event.state]), took, what]


def stopping_line(event: events.Stopping, options: WorkerOptions) -> str:
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


def _line(*pieces: terminal.Piece) -> str:
    page = terminal.Page()
    page.line(*pieces)
    return page.text


# -- A worker's live view on a terminal: slots, queue, and ended runs above --

REFRESH_PER_S = 4
ROOM_FOR_BARS = 90             # a narrower terminal gets no bars


@contextlib.contextmanager
def worker_screen(worker: Worker, teller: Teller, out: TextIO) -> Iterator[None]:
    """Show the view at the bottom of the terminal, and the teller's lines above it."""
    # the stream itself: user code may replace `sys.stdout` with `--isolation inline`
    console = Console(file=out, highlight=False, markup=False)
    view = WorkerScreen(worker, teller, console)
    with Live(get_renderable=view.render, console=console, refresh_per_second=REFRESH_PER_S, transient=True):
        def above(text: str) -> None:
            console.print(Text.from_ansi(text))

        before = teller.out, teller.err
        teller.live, teller.out = True, above
        if sys.stderr.isatty():
            teller.err = above
        try:
            yield
        finally:
            teller.live, (teller.out, teller.err) = False, before


class WorkerScreen:
    """Draws the present state of a worker."""

    def __init__(self, worker: Worker, teller: Teller, console: Console) -> None:
        self._worker, self._teller, self._console = worker, teller, console
        # read now: later stdout belongs to the view
        self._bars, self._dots = "━╌" if terminal.speaks_unicode() else "#.", terminal.dots()

    def render(self) -> Text:
        page = terminal.Page(self._console.width, dots=self._dots)
        self._write(page, self._worker.snapshot())
        return Text.from_ansi(page.text, no_wrap=True)

    def _write(self, page: terminal.Page, view: events.WorkerView) -> None:
        busy = [slot for slot in view.slots if slot.run is not None]
        for slot in view.slots if busy else ():
            page.line(*self._slot(slot))
        if self._teller.ready is None:
            page.line("opening the project")
            return
        if view.state == "uncertain":
            page.line(("store unavailable; running runs continue", "bad"))
        elif not busy and not view.stopping:
            page.line(self._teller.waits_for())
        counts: list[terminal.Piece] = [(f"{view.queue[state]} {state.lower()}", terminal.STATES[state])
                                        for state in State if view.queue.get(state)]
        page.line("queue:", *counts or ["empty"], ("whole queue paused", "held") if view.paused else "")

    def _slot(self, slot: events.SlotView) -> list[terminal.Piece]:
        if slot.run is None:
            return [("idle", "quiet")]
        progress, wide = slot.progress, self._console.width >= ROOM_FOR_BARS
        drawn = "" if progress is None or not wide else progress_bar(progress, *self._bars)
        how_far = ", ".join(filter(None, (progress_text(progress), f"for {seconds(slot.seconds)}")))
        return [(f"run {slot.run}", "busy"), slot.task or "", (drawn, "busy"), how_far,
                ("stopping", "held") if slot.stopping else "", (brief(slot.submitted), "quiet")]


# -- Run a worker in a terminal or a pipe, and print its report --

SHOWN = 20                     # runs of a task that are compared at the end


def work(context: CommandContext, options: WorkerOptions, *, as_json: bool) -> int:
    """Run a worker. Exit code 1 if a run failed, 130 if Ctrl-C released runs."""
    store = context.store_to_write
    # a run in this process may replace sys.stdout: the worker's lines go to the streams of now
    out = sys.stderr if as_json else sys.stdout
    teller = Teller(out, sys.stderr, options)
    worker = Worker(store, context.name, context.extensions, options, on_event=teller.hear)
    if out.isatty():
        with worker_screen(worker, teller, out):
            report = worker.run()
    else:
        report = worker.run()
    if as_json:
        terminal.echo_json(report)
    else:
        _say_report(context, store, report, options)
    stopped = teller.stopped
    if stopped is not None and stopped.level >= GIVE_BACK and "SIGINT" in stopped.why:
        return ExitCode.INTERRUPTED
    return ExitCode.FAILED if report.failed else ExitCode.OK


def _say_report(context: CommandContext, store: Store, report: events.WorkerReport,
                options: WorkerOptions) -> None:
    if options.drain:
        completed = [store.get(run) for run, state in report.states.items() if state is State.COMPLETED]
        _say_comparisons(context, completed)
    if report.ended:
        terminal.echo_note(f"this worker's runs: {_counted(report.counts)}")
    elif options.drain:
        terminal.echo_note("no queued run that this worker can take")
    for left in report.left:
        terminal.echo_note(waiting_text(left))


def _counted(counts: Mapping[State, int]) -> str:
    words = {State.QUEUED: "back in the queue"}
    return ", ".join(f"{counts[state]} {words.get(state, state.lower())}" for state in State
                     if counts.get(state))


def _say_comparisons(context: CommandContext, records: Sequence[RunRecord]) -> None:
    for task, group in groupby(best_first(records), key=lambda record: record.task):
        runs = list(group)
        terminal.echo(f"\n{task}, best first:")
        groups = group_repeats(runs) if has_repeats(runs) else []      # as `hyperspace results` does
        table = tabulate_repeats(groups[:SHOWN]) if groups else tabulate(runs[:SHOWN])
        heads, rows = text_of(table.folded())
        terminal.echo_table(heads, rows, whole=True)
        more = len(groups or runs) - SHOWN
        if more > 0:
            terminal.echo_note(f"{more} more: {context.command(f'results {task}')}")
