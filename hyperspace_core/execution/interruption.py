"""How a request to stop reaches user code: as a flag that it watches, or as an exception in its midst."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from hyperspace_core.run import Run, RunInterrupted


class Interruption:
    """One execution's door for requests to stop. `ask` may be called by a signal handler.

    Outside user code nothing is ever raised: a half-written outcome would be worse than a late stop.
    """

    def __init__(self) -> None:
        self.asked = False
        self._run: Run | None = None
        self._in_user_code = False

    def watch(self, run: Run) -> None:
        self._run = run

    def ask(self) -> None:
        """Raises `RunInterrupted` where user code is being executed that does not watch `should_stop()`."""
        self.asked = True
        watched = self._run is not None and self._run.ask_to_stop()
        if self._in_user_code and not watched:
            raise RunInterrupted("the run was asked to stop")

    @contextlib.contextmanager
    def user_code(self) -> Iterator[None]:
        """In here a request raises, also one that came before."""
        self._in_user_code = True
        try:
            if self.asked:
                raise RunInterrupted("the run was asked to stop before it had begun")
            yield
        finally:
            self._in_user_code = False
