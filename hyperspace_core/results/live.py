"""What is shown as it is now, at a prompt or in a notebook, and redrawn on request: a queue, a search."""

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
from hyperspace_core.results.overview import Overview
from hyperspace_core.results.picture import html_of, lines_of


class Look(Protocol):
    """One look at something, as text and as HTML."""

    def text(self, *, times: bool = True) -> list[str]:
        """Its lines. `times=False` leaves out what changes by itself from second to second."""
        ...

    @property
    def goes_on(self) -> bool:
        """Whether there is something left to wait for."""
        ...

    def _repr_html_(self) -> str: ...


@dataclass(frozen=True)
class Picture:
    """One look at a queue."""

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
class Trouble:
    """In the place of a look: why there is none now."""

    words: str
    goes_on: bool = True

    def text(self, *, times: bool = True) -> list[str]:
        return self.words.split("\n")

    def __repr__(self) -> str:
        return self.words

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.words)}</p>"


class Live(ABC):
    """Each time it is shown it looks anew; nothing runs behind it."""

    @abstractmethod
    def look(self) -> Look:
        """As it is at this moment. Raises `StoreError`."""

    def watch(self, interval_s: float = 2.0) -> None:
        """Show it again and again until there is nothing left to wait for, or Ctrl-C.

        A notebook redraws its cell; elsewhere a line is printed when something has changed. What is queued or
        running goes on, however this ends. A store that is away is waited for.
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
        """Whether there is something left to wait for."""
        try:
            look = self.look()
        except StoreUnavailable as error:
            look = Trouble(f"the store does not answer; looking again ({error})")
        show(look)
        return look.goes_on

    def __repr__(self) -> str:
        return "\n".join(self.look().text())

    def _repr_html_(self) -> str:
        return self.look()._repr_html_()


class QueueProgress(Live):
    """The state of a queue."""

    def __init__(self, look: Callable[[], Overview]) -> None:
        self._look = look

    def look(self) -> Picture:
        """The queue at this moment. Raises `StoreError`."""
        return Picture(self._look())


def _changed_lines() -> Callable[[Look], None]:
    """Prints the lines that differ from those of the look before in more than a time."""
    before: set[str] = set()

    def show(look: Look) -> None:
        keys = look.text(times=False)
        for text, key in zip(look.text(), keys, strict=True):
            if key not in before:
                _say(text)
        before.clear()
        before.update(keys)

    return show


def _say(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)  # noqa: T201 - asked for


def _notebook_cell() -> Callable[[Look], None] | None:
    """Draws over what it drew before; None where this process is no notebook's."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is None:         # IPython at a terminal cannot draw over anything
        return None
    handle, drawn = importlib.import_module("IPython.display").DisplayHandle(), False

    def show(look: Look) -> None:
        nonlocal drawn
        (handle.update if drawn else handle.display)(look)
        drawn = True

    return show
