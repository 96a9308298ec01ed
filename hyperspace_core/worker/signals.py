"""Turn signals into stop requests; the handlers do nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Self

from hyperspace_core.execution import processes
from hyperspace_core.worker.state import FINISH, GIVE_BACK

TERMINATING = ("SIGTERM", "SIGHUP")        # a service manager, a closed terminal: release runs at once


@contextlib.contextmanager
def heard_as_stop(stop: Callable[[int, str], None]) -> Iterator[None]:
    """Call `stop(level, why)` for each signal.

    Ctrl-C has the level `FINISH`, SIGTERM and SIGHUP have `GIVE_BACK`. Does nothing outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    here = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        # Ctrl-C also reaches processes forked by an inline run: they finish with it
        if number != signal.SIGINT and processes.passed_on(number, here):
            return
        stop(FINISH if number == signal.SIGINT else GIVE_BACK, f"it received {signal.Signals(number).name}")

    numbers = [signal.SIGINT] + [getattr(signal, name) for name in TERMINATING if hasattr(signal, name)]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


class UserCodeSignals:
    """Lets Ctrl-C call `ask` within user code that runs in this thread.

    A second one raises `KeyboardInterrupt`. Outside the main thread, signals cannot be handled: user code has
    only `should_stop()`.
    """

    def __init__(self, ask: Callable[[], None]) -> None:
        self.pressed = False               # by a person
        self._ask = ask
        self._from_elsewhere = False
        self._asking = threading.Lock()
        self._main = threading.current_thread() is threading.main_thread()
        self._before: signal._HANDLER = None

    def __enter__(self) -> Self:
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        with self._asking:                 # a later signal would interrupt the code after it
            main, self._main = self._main, False
        if main:
            signal.signal(signal.SIGINT, signal.default_int_handler if self._before is None else self._before)

    def ask_from_elsewhere(self) -> None:
        """Call `ask` in the thread of user code, from another thread."""
        with self._asking:
            if self._main:
                self._from_elsewhere = True
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._from_elsewhere:
            self._from_elsewhere = False
        elif self.pressed:
            raise KeyboardInterrupt
        else:
            self.pressed = True
        self._ask()
