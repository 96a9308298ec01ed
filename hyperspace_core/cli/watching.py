"""`--watch` of `status` and `searches`: redraw a page until Ctrl-C."""

from __future__ import annotations

import select
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from hyperspace_core.cli.page import Page
from hyperspace_core.cli.place import Place
from hyperspace_core.cli.screen import dots, new_page, put, room_of_stdout
from hyperspace_core.errors import StoreError, StoreUnavailable
from hyperspace_core.results.overview import Overview, overview
from hyperspace_core.results.picture import lines_of
from hyperspace_core.results.words import seconds

REDRAW_S = 1.0                 # between two pages without a change, for bars and ages
LEAST_S = 0.2                  # between two pages, at least

Show = Callable[[str, object], None]       # the text, and a value that differs with news


class View(Protocol):
    """What was read at one time."""

    @property
    def at(self) -> datetime: ...


V = TypeVar("V", bound=View)


def watch(watched: Watching[Any]) -> None:
    """Redraw the page until Ctrl-C.

    Raises `StoreError` for a store that cannot be opened; an unavailable store is retried.
    """
    try:
        with _screen() as show:
            while True:
                watched.look()
                show(watched.text(), watched.news())
                watched.wait()
    except KeyboardInterrupt:
        return


class Watching(ABC, Generic[V]):
    """The last view, and whether the store is available."""

    def __init__(self, place: Place, page_of: Callable[[Place, V], Page]) -> None:
        self._place, self._page_of = place, page_of
        self._view: V | None = None
        self._trouble = ""                 # why the store is unavailable
        self._pause = threading.Event()    # never set: a pause that Ctrl-C interrupts

    @abstractmethod
    def view_of(self, place: Place) -> V:
        """Read the store. Raises `StoreError`."""

    @abstractmethod
    def news_in(self, view: V) -> object:
        """A value that changes with every event, but not with time alone."""

    def look(self) -> None:
        """Read the store. Raises `StoreError` if the first read fails for good."""
        try:
            self._view = self.view_of(self._place)
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
        page = self._page_of(self._place, self._view)
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
                self._place.store.wait_for_change(self._place.name, REDRAW_S - LEAST_S)
                return
        except StoreError:                 # the next `look` reports it
            pass
        self._pause.wait(REDRAW_S - LEAST_S)


class Watched(Watching[Overview]):
    """Watches a project's queue."""

    def view_of(self, place: Place) -> Overview:
        return overview(place.store, place.name)

    def news_in(self, view: Overview) -> object:
        workers = [(line.worker.owner.worker, line.life, line.worker.state) for line in view.workers]
        return lines_of(view, times=False), workers


def _screen() -> AbstractContextManager[Show]:
    return nullcontext(_printer()) if room_of_stdout() is None else _Redrawn()


def _printer() -> Show:
    """Print to a pipe or file: a page for each news, with an empty line between two."""
    last: list[object] = []

    def show(text: str, news: object) -> None:
        if _reader_is_gone():              # a quiet queue would never write to it
            raise BrokenPipeError
        if [news] != last:
            put(f"\n{text}" if last else text)
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
            put(self._last)
