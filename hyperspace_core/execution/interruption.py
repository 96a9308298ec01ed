"""Deliver a stop request to user code: as a flag, or as an exception."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from hyperspace_core.run import Run, RunInterrupted


class Interruption:
    """Receives stop requests for one execution. A signal handler may call `ask`.

    Raises nothing outside user code: a late stop is better than a half-written outcome.
    """

    def __init__(self) -> None:
        self.asked = False
        self._run: Run | None = None
        self._in_user_code = False

    def watch(self, run: Run) -> None:
        self._run = run

    def ask(self) -> None:
        """Raise `RunInterrupted` in user code that does not call `should_stop()`."""
        self.asked = True
        watched = self._run is not None and self._run.ask_to_stop()
        if self._in_user_code and not watched:
            raise RunInterrupted("the run was asked to stop")

    @contextlib.contextmanager
    def user_code(self) -> Iterator[None]:
        """A context in which requests raise, also earlier ones."""
        self._in_user_code = True
        try:
            if self.asked:
                raise RunInterrupted("the run was asked to stop before it had begun")
            yield
        finally:
            self._in_user_code = False
