"""`--watch` of `status` and `searches`: redraw a page until Ctrl-C."""

from __future__ import annotations

import select
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from hyperspace_core.cli.context import CommandContext
from hyperspace_core.cli.terminal import STATES, Page, Piece, dots, echo_raw, new_page, stdout_width
from hyperspace_core.config.tree import CLASS_NAME
from hyperspace_core.errors import StoreError, StoreUnavailable
from hyperspace_core.records.info import is_pruned
from hyperspace_core.records.run import RunRecord, WorkerInfo
from hyperspace_core.records.states import PRUNED, State
from hyperspace_core.results import overview
from hyperspace_core.results.format import ago, brief, number, seconds
from hyperspace_core.results.overview import Overview, WorkerLine
from hyperspace_core.results.repeats import mean_of

REDRAW_S = 1.0                 # between two pages without a change, for bars and ages
LEAST_S = 0.2                  # between two pages, at least

Show = Callable[[str, object], None]       # the text, and a value that differs with news


class TimedView(Protocol):
    """What was read at one time."""

    @property
    def at(self) -> datetime: ...


V = TypeVar("V", bound=TimedView)


def watch(watched: Watching[Any]) -> None:
    """Redraw the page until Ctrl-C.

    Raises `StoreError` for a store that cannot be opened; an unavailable store is retried.
    """
    screen = nullcontext(_printer()) if stdout_width() is None else _Redrawn()
    try:
        with screen as show:
            while True:
                watched.look()
                show(watched.text(), watched.news())
                watched.wait()
    except KeyboardInterrupt:
        return


class Watching(ABC, Generic[V]):
    """The last view, and whether the store is available."""

    def __init__(self, context: CommandContext, page_of: Callable[[CommandContext, V], Page]) -> None:
        self._context, self._page_of = context, page_of
        self._view: V | None = None
        self._trouble = ""                 # why the store is unavailable
        self._pause = threading.Event()    # never set: a pause that Ctrl-C interrupts

    @abstractmethod
    def view_of(self, context: CommandContext) -> V:
        """Read the store. Raises `StoreError`."""

    @abstractmethod
    def news_in(self, view: V) -> object:
        """A value that changes with every event, but not with time alone."""

    def look(self) -> None:
        """Read the store. Raises `StoreError` if the first read fails for good."""
        try:
            self._view = self.view_of(self._context)
            self._trouble = ""
        except StoreError as error:
            if self._view is None and not isinstance(error, StoreUnavailable):
                raise
            self._trouble = str(error)

    def text(self) -> str:
        """The page; while the store is unavailable, an error line above the last page."""
        top = new_page()
        if self._trouble:
            top.line((f"Store unavailable: {self._trouble}", "bad"))
        if self._view is None:
            top.line("Retrying.")
            return top.text
        page = self._page_of(self._context, self._view)
        if not self._trouble:
            return page.text
        past = (datetime.now().astimezone() - self._view.at).total_seconds()
        top.line(f"Retrying; the page shows the state {seconds(past)} ago:")
        return f"{top.text}\n\n{page.text}"

    def news(self) -> object:
        """The value that must differ before a pipe gets another page."""
        if self._view is None or self._trouble:
            return self._trouble
        return self.news_in(self._view)

    def wait(self) -> None:
        """Wait for a change of the queue, at least `LEAST_S` and at most `REDRAW_S`."""
        self._pause.wait(LEAST_S)
        try:
            if not self._trouble:
                self._context.store.wait_for_change(self._context.name, REDRAW_S - LEAST_S)
                return
        except StoreError:                 # the next `look` reports it
            pass
        self._pause.wait(REDRAW_S - LEAST_S)


class Watched(Watching[Overview]):
    """Watches a project's queue."""

    def view_of(self, context: CommandContext) -> Overview:
        return overview.overview(context.store, context.name)

    def news_in(self, view: Overview) -> object:
        workers = [(line.worker.owner.worker, line.life, line.worker.state) for line in view.workers]
        return overview.overview_text(view, times=False), workers


def _printer() -> Show:
    """Print to a pipe or file: a page for each news, with an empty line between two."""
    last: list[object] = []

    def show(text: str, news: object) -> None:
        if _reader_is_gone():              # a quiet queue would never write to it
            raise BrokenPipeError
        if [news] != last:
            echo_raw(f"\n{text}" if last else text)
            last[:] = [news]

    return show


def _reader_is_gone() -> bool:
    """Whether stdout is a pipe without a reader (`| head`); False if that is unknown."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
    except (AttributeError, OSError, ValueError):
        return False
    return any(events & select.POLLERR for _, events in poll.poll(0))


class _Redrawn:
    """Draws on the terminal's alternate screen, and prints the last page at the end."""

    def __enter__(self) -> Show:
        from rich.console import Console
        from rich.live import Live

        self._last = ""
        # SIGTERM must restore the cursor, too
        self._before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        # keep stdout, because the next page is made for it
        self._live = Live(console=Console(highlight=False, markup=False), screen=True, auto_refresh=False,
                          redirect_stdout=False)
        self._live.start()
        return self._show

    def _show(self, text: str, news: object) -> None:
        from rich.text import Text

        self._last = text
        lines, height = text.split("\n"), self._live.console.size.height
        if len(lines) > height:
            lines[height - 1:] = [dots()]
        self._live.update(Text.from_ansi("\n".join(lines), no_wrap=True), refresh=True)

    def __exit__(self, *error: Any) -> None:
        self._live.stop()
        signal.signal(signal.SIGTERM, self._before)
        if self._last:
            echo_raw(self._last)


# -- The queue on one page: counts, workers, searches, failures and best runs --

OPEN = (State.QUEUED, State.PAUSED, State.RUNNING)
LIVES = {"alive": "", "silent": "held", "gone": "bad"}


class StatusPage:
    """Writes overviews. `command` completes words to a command line for this store.

    `bars`: the two characters of a progress bar, or "" for none.
    """

    def __init__(self, command: Callable[[str], str], *, bars: str = "") -> None:
        self._command, self._bars = command, bars

    def write(self, page: Page, view: Overview) -> None:
        page.line((view.project, "head"), (view.url, "quiet"))
        self._counts(page, view)
        self._workers(page, view)
        self._searches(page, view)
        self._waiting(page, view)
        self._failures(page, view)
        self._best(page, view)

    def _counts(self, page: Page, view: Overview) -> None:
        page.gap()
        if not view.counts:
            page.line(f"No runs yet: `{self._command('submit')}` queues some")
        for states in (OPEN, tuple(state for state in State if state not in OPEN)):
            pieces: list[Piece] = [(f"{view.counts[state]} {state.lower()}", STATES[state])
                                   for state in states if view.counts.get(state)]
            if pieces:
                page.line(*pieces)
        if view.paused:
            command = self._command("queue resume --all")
            page.line((f"The whole queue is paused: no run starts until `{command}`", "held"))

    def _workers(self, page: Page, view: Overview) -> None:
        page.heading("Workers")
        if not view.alive:
            waits = view.counts.get(State.QUEUED, 0)
            so = f", {waits} queued {'run waits' if waits == 1 else 'runs wait'}" if waits else ""
            page.line(f"none is running{so}: `{self._command('worker')}` starts one", indent=2)
        names = [line.worker.owner.worker for line in view.workers]
        for line in view.workers:
            page.line(*_worker(line), indent=2)
            self._runs(page, view, [one for one in view.running if _owner(one) == line.worker.owner.worker])
        others = [one for one in view.running if _owner(one) not in names]
        if others:
            page.line("outside of a worker, by `hyperspace run` or Study.run", indent=2)
            self._runs(page, view, others)

    def _runs(self, page: Page, view: Overview, records: Sequence[RunRecord]) -> None:
        for record in records:
            write_running(page, record, view.at, gone=record.id in view.ownerless, bars=self._bars)

    def _waiting(self, page: Page, view: Overview) -> None:
        if not view.alive or not view.waiting:      # without a worker, the page says so above
            return
        page.heading("Cannot start")
        for one in view.waiting:
            runs = ", ".join(map(str, one.runs)) + (" …" if one.count > len(one.runs) else "")
            page.line(f"{one.count} of {one.task}: {one.why}", (f"(run {runs})", "quiet"), indent=2)

    def _searches(self, page: Page, view: Overview) -> None:
        if view.searches:
            page.heading("Searches")
        for one in view.searches:
            tuner = str(one.search.tuner.get(CLASS_NAME, ""))
            page.line((f"search {one.search.id}", "busy"), one.search.task, tuner, one.standing, one.found,
                      (one.why or "", "held"), indent=2)

    def _failures(self, page: Page, view: Overview) -> None:
        if view.failures:
            page.heading("Last failures")
            page.rows([(f"run {one.id}", one.task, ago(one.finished_at, view.at),
                        one.reason or "reason unknown") for one in view.failures])

    def _best(self, page: Page, view: Overview) -> None:
        if view.best:
            page.heading("Best so far")
            page.rows([(task, one.metric.name, number(one.result),
                        mean_of(view.best_runs.get(task, (one.id,))), brief(one.submitted),
                        PRUNED if is_pruned(one) else "")
                       for task, one in view.best.items()])


def write_running(page: Page, record: RunRecord, at: datetime, *, gone: bool = False, bars: str = "",
                  indent: int = 4) -> None:
    """Write a running run; `gone`: its process is gone. `bars`: see `StatusPage`."""
    if gone:
        page.line((f"run {record.id}", "busy"), record.task, (overview.GONE, "bad"), indent=indent)
        return
    progress = record.progress
    drawn = "" if progress is None or not bars else overview.progress_bar(progress, *bars)
    since = "" if record.started_at is None else f"for {seconds((at - record.started_at).total_seconds())}"
    asked = "" if record.command is None else f"asked to {record.command}"
    page.line((f"run {record.id}", "busy"), record.task, since, (asked, "held"), (drawn, "busy"),
              overview.progress_text(progress), (brief(record.submitted), "quiet"), indent=indent)


def _worker(line: WorkerLine) -> list[Piece]:
    worker: WorkerInfo = line.worker
    name: Piece = (worker.owner.worker, LIVES[line.life])
    if line.life == "gone":
        return [name, ("gone: its process has ended", "bad")]
    if line.life == "silent":
        return [name, (f"silent for {seconds(line.seen_s)}", "held")]
    slots = f"{len(worker.running)} of {worker.slots} slots in use" if worker.slots > 1 else ""
    return [name, worker.state, slots]


def _owner(record: RunRecord) -> str:
    attempt = record.attempt
    return "" if attempt is None or attempt.worker is None else attempt.worker.worker
