"""Live views of a queue or a search, for a prompt or a notebook."""

from __future__ import annotations

import html
import importlib
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hyperspace_core.errors import StoreUnavailable, UsageError
from hyperspace_core.records.search import SearchState
from hyperspace_core.records.states import State
from hyperspace_core.results.overview import Overview, html_of, lines_of


class Look(Protocol):
    """A snapshot of a view, as text and as HTML."""

    def text(self, *, times: bool = True) -> list[str]:
        """Lines of text. `times=False` leaves out elapsed and remaining times."""
        ...

    @property
    def goes_on(self) -> bool:
        """Whether runs or searches are still open."""
        ...

    def _repr_html_(self) -> str: ...


@dataclass(frozen=True)
class LiveView:
    """A snapshot of a queue."""

    view: Overview

    def text(self, *, times: bool = True) -> list[str]:
        return lines_of(self.view, times=times)

    @property
    def goes_on(self) -> bool:
        waits = any(self.view.counts.get(state) for state in (State.QUEUED, State.RUNNING))
        return waits or any(line.search.state is SearchState.OPEN for line in self.view.searches)

    def __repr__(self) -> str:
        return "\n".join(self.text())

    def _repr_html_(self) -> str:
        return html_of(self.view)


@dataclass(frozen=True)
class LiveError:
    """Shown in place of a snapshot: why there is none."""

    words: str
    goes_on: bool = True

    def text(self, *, times: bool = True) -> list[str]:
        return self.words.split("\n")

    def __repr__(self) -> str:
        return self.words

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.words)}</p>"


class Live(ABC):
    """A view that reads the store each time it is shown; it has no background thread."""

    @abstractmethod
    def look(self) -> Look:
        """Take a snapshot. Raises `StoreError`."""

    def watch(self, interval_s: float = 2.0) -> None:
        """Show the view repeatedly until all runs and searches have ended, or Ctrl-C.

        A notebook redraws its cell; elsewhere changed lines are printed. Queued and running runs are not
        affected. An unavailable store is retried.
        """
        if not interval_s > 0:
            raise UsageError(f"interval_s: expected seconds > 0, got {interval_s!r}")
        show = _notebook_cell() or _changed_lines()
        try:
            while self._shown(show):
                time.sleep(interval_s)
        except KeyboardInterrupt:
            return

    def _shown(self, show: Callable[[Look], None]) -> bool:
        """Show one snapshot; return whether runs or searches are still open."""
        try:
            look = self.look()
        except StoreUnavailable as error:
            look = LiveError(f"store unavailable; retrying ({error})")
        show(look)
        return look.goes_on

    def __repr__(self) -> str:
        return "\n".join(self.look().text())

    def _repr_html_(self) -> str:
        return self.look()._repr_html_()


class QueueProgress(Live):
    """Live view of a queue."""

    def __init__(self, look: Callable[[], Overview]) -> None:
        self._look = look

    def look(self) -> LiveView:
        """Take a snapshot of the queue. Raises `StoreError`."""
        return LiveView(self._look())


def _changed_lines() -> Callable[[Look], None]:
    """Return a function that prints lines with changes other than times."""
    before: set[str] = set()

    def show(look: Look) -> None:
        keys = look.text(times=False)
        for text, key in zip(look.text(), keys, strict=True):
            if key not in before:
                _print(text)
        before.clear()
        before.update(keys)

    return show


def _print(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)  # noqa: T201 - asked for


def _notebook_cell() -> Callable[[Look], None] | None:
    """Return a function that redraws the notebook's cell; None outside a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is None:         # IPython at a terminal cannot redraw
        return None
    handle, drawn = importlib.import_module("IPython.display").DisplayHandle(), False

    def show(look: Look) -> None:
        nonlocal drawn
        (handle.update if drawn else handle.display)(look)
        drawn = True

    return show
