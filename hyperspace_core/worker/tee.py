"""Copy what a run prints in this process into its outbox."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from types import TracebackType
from typing import Any, Self, TextIO

from hyperspace_core.clock import SystemClock
from hyperspace_core.worker.output import OutputTape
from hyperspace_core.worker.ward import Ward


class Tee:
    """Replaces `sys.stdout` and `sys.stderr` while it is entered.

    Captures only Python's output; C code's output is captured in child processes only.
    """

    def __init__(self, ward: Ward, *, echo: bool) -> None:
        self._ward, self._echo = ward, echo
        self._tape = OutputTape(SystemClock())
        self._lock = threading.RLock()
        self._stack = contextlib.ExitStack()
        # a worker's display prints in the main thread, its inline runs do not
        main = threading.main_thread()
        self._not_of: threading.Thread | None = None if threading.current_thread() is main else main

    def __enter__(self) -> Self:
        self._stack.enter_context(contextlib.redirect_stdout(_Stream(self, sys.stdout)))
        self._stack.enter_context(contextlib.redirect_stderr(_Stream(self, sys.stderr)))
        self._ward.on_tick = self._deliver
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._stack.close()
        self._ward.on_tick = None
        with self._lock:
            chunks = self._tape.close()
        if chunks:
            self._ward.journal.output(chunks)

    def write(self, text: str, to: TextIO) -> None:
        if threading.current_thread() is self._not_of:
            to.write(text)
            return
        with self._lock:
            self._tape.feed(text.encode("utf-8", "backslashreplace"))
        self._deliver()
        if self._echo:
            to.write(text)

    def _deliver(self) -> None:
        with self._lock:
            chunks = self._tape.ready()
            if chunks:
                self._ward.journal.output(chunks)


class _Stream:
    """A stream that copies writes; all other attributes are the original's."""

    def __init__(self, tee: Tee, original: TextIO) -> None:
        self._tee, self._original = tee, original

    def write(self, text: str) -> int:
        self._tee.write(text, self._original)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Do nothing: user code must not close a stream that its caller uses."""

    def detach(self) -> Any:
        raise io.UnsupportedOperation("this stream is shared with hyperspace and cannot be detached")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)
