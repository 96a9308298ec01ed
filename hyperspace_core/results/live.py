"""`study.progress()`: a queue as it is now, at a prompt or in a notebook, and redrawn on request."""

from __future__ import annotations

import html
import importlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from hyperspace_core.errors import StoreUnavailable, UsageError
from hyperspace_core.records.states import State
from hyperspace_core.results.overview import Overview
from hyperspace_core.results.picture import html_of, lines_of


@dataclass(frozen=True)
class Picture:
    """One look at a queue, as text and as HTML."""

    view: Overview

    def __repr__(self) -> str:
        return "\n".join(lines_of(self.view))

    def _repr_html_(self) -> str:
        return html_of(self.view)


@dataclass(frozen=True)
class Trouble:
    """In the place of a picture: why there is none now."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.text)}</p>"


class QueueProgress:
    """The state of a queue. Each time it is shown it looks anew; nothing runs behind it."""

    def __init__(self, look: Callable[[], Overview]) -> None:
        self._look = look

    def look(self) -> Picture:
        """The queue at this moment. Raises `StoreError`."""
        return Picture(self._look())

    def watch(self, interval_s: float = 2.0) -> None:
        """Show the queue again and again until nothing is queued or running, or Ctrl-C.

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

    def _shown(self, show: Callable[[Picture | Trouble], None]) -> bool:
        """Whether there is something left to wait for."""
        try:
            picture = self.look()
        except StoreUnavailable as error:
            show(Trouble(f"the store does not answer; looking again ({error})"))
            return True
        show(picture)
        return any(picture.view.counts.get(state) for state in (State.QUEUED, State.RUNNING))

    def __repr__(self) -> str:
        return repr(self.look())

    def _repr_html_(self) -> str:
        return self.look()._repr_html_()


def _changed_lines() -> Callable[[Picture | Trouble], None]:
    """Prints the lines that differ from those of the picture before in more than a time."""
    before: set[str] = set()

    def show(picture: Picture | Trouble) -> None:
        texts = repr(picture).split("\n")
        keys = lines_of(picture.view, times=False) if isinstance(picture, Picture) else texts
        for text, key in zip(texts, keys, strict=True):
            if key not in before:
                _say(text)
        before.clear()
        before.update(keys)

    return show


def _say(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)  # noqa: T201 - asked for


def _notebook_cell() -> Callable[[Picture | Trouble], None] | None:
    """Draws over what it drew before; None where this process is no notebook's."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if getattr(shell, "kernel", None) is None:         # IPython at a terminal cannot draw over anything
        return None
    handle, drawn = importlib.import_module("IPython.display").DisplayHandle(), False

    def show(picture: Picture | Trouble) -> None:
        nonlocal drawn
        (handle.update if drawn else handle.display)(picture)
        drawn = True

    return show
