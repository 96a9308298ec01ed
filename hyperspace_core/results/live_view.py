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
from hyperspace_core.results.overview import Overview, overview_html, overview_text


class View(Protocol):
    """A state of a queue or a search at one moment, as text and as HTML."""

    def text(self, *, times: bool = True) -> list[str]:
        """Lines of text. `times=False` leaves out elapsed and remaining times."""
        ...

    @property
    def unfinished(self) -> bool:
        """Whether runs or searches are still open."""
        ...

    def _repr_html_(self) -> str: ...


@dataclass(frozen=True)
class QueueView:
    """A queue at one moment."""

    overview: Overview

    def text(self, *, times: bool = True) -> list[str]:
        return overview_text(self.overview, times=times)

    @property
    def unfinished(self) -> bool:
        waits = any(self.overview.counts.get(state) for state in (State.QUEUED, State.RUNNING))
        return waits or any(line.search.state is SearchState.OPEN for line in self.overview.searches)

    def __repr__(self) -> str:
        return "\n".join(self.text())

    def _repr_html_(self) -> str:
        return overview_html(self.overview)


@dataclass(frozen=True)
class ErrorView:
    """Shown in place of a view: why there is none."""

    message: str
    unfinished: bool = True

    def text(self, *, times: bool = True) -> list[str]:
        return self.message.split("\n")

    def __repr__(self) -> str:
        return self.message

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.message)}</p>"


class LiveView(ABC):
    """A view that reads the store each time it is shown; it has no background thread."""

    @abstractmethod
    def view(self) -> View:
        """Read the present state. Raises `StoreError`."""

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

    def _shown(self, show: Callable[[View], None]) -> bool:
        """Show one view; return whether runs or searches are still open."""
        try:
            found = self.view()
        except StoreUnavailable as error:
            found = ErrorView(f"store unavailable; retrying ({error})")
        show(found)
        return found.unfinished

    def __repr__(self) -> str:
        return "\n".join(self.view().text())

    def _repr_html_(self) -> str:
        return self.view()._repr_html_()


class QueueProgress(LiveView):
    """Live view of a queue."""

    def __init__(self, read: Callable[[], Overview]) -> None:
        self._read = read

    def view(self) -> QueueView:
        """Read the queue. Raises `StoreError`."""
        return QueueView(self._read())


def _changed_lines() -> Callable[[View], None]:
    """Return a function that prints lines with changes other than times."""
    before: set[str] = set()

    def show(found: View) -> None:
        keys = found.text(times=False)
        for text, key in zip(found.text(), keys, strict=True):
            if key not in before:
                _print(text)
        before.clear()
        before.update(keys)

    return show


def _print(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)  # noqa: T201 - asked for


def _notebook_cell() -> Callable[[View], None] | None:
    """Return a function that redraws the notebook's cell; None outside a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is None:         # IPython at a terminal cannot redraw
        return None
    handle, drawn = importlib.import_module("IPython.display").DisplayHandle(), False

    def show(found: View) -> None:
        nonlocal drawn
        (handle.update if drawn else handle.display)(found)
        drawn = True

    return show
