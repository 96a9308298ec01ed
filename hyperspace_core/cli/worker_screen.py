"""A worker's live view on a terminal: slots, queue, and ended runs above."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from hyperspace_core.cli.page import STATES, Page, Piece
from hyperspace_core.cli.screen import dots, speaks_unicode
from hyperspace_core.cli.worker_lines import Teller
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.states import State
from hyperspace_core.results.progress import bar, progress_text, share
from hyperspace_core.results.words import brief, seconds
from hyperspace_core.worker.report import SlotView, WorkerView
from hyperspace_core.worker.worker import Worker

REFRESH_PER_S = 4
ROOM_FOR_BARS = 90             # a narrower terminal gets no bars


@contextlib.contextmanager
def worker_screen(worker: Worker, teller: Teller, out: TextIO) -> Iterator[None]:
    """Show the view at the bottom of the terminal, and the teller's lines above it."""
    # the stream itself: user code may replace `sys.stdout` with `--isolation inline`
    console = Console(file=out, highlight=False, markup=False)
    view = View(worker, teller, console)
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


class View:
    """Draws the present state of a worker."""

    def __init__(self, worker: Worker, teller: Teller, console: Console) -> None:
        self._worker, self._teller, self._console = worker, teller, console
        # read now: later stdout belongs to the view
        self._bars, self._dots = "━╌" if speaks_unicode() else "#.", dots()

    def render(self) -> Text:
        page = Page(self._console.width, dots=self._dots)
        self._write(page, self._worker.snapshot())
        return Text.from_ansi(page.text, no_wrap=True)

    def _write(self, page: Page, view: WorkerView) -> None:
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
        counts: list[Piece] = [(f"{view.queue[state]} {state.lower()}", STATES[state]) for state in State
                               if view.queue.get(state)]
        page.line("queue:", *counts or ["empty"], ("whole queue paused", "held") if view.paused else "")

    def _slot(self, slot: SlotView) -> list[Piece]:
        if slot.run is None:
            return [("idle", "quiet")]
        progress = slot.progress
        drawn = ""
        if progress is not None and share(progress) is not None and self._console.width >= ROOM_FOR_BARS:
            drawn = bar(progress, *self._bars)
        return [(f"run {slot.run}", "busy"), slot.task or "", (drawn, "busy"), _far(progress, slot.seconds),
                ("stopping", "held") if slot.stopping else "", (brief(slot.submitted), "quiet")]


def _far(progress: Progress | None, elapsed: float) -> str:
    return ", ".join(filter(None, (progress_text(progress), f"for {seconds(elapsed)}")))
