"""Redirect and flush what Python and C code of a run print, line by line."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import sys
from collections.abc import Iterator

from hyperspace_core.run import Run, RunInterrupted

_LINE_BUFFERED = 1             # _IOLBF of the C library


def redirect(descriptor: int) -> None:
    """Redirect the output of this process to `descriptor`, its input to nothing."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (descriptor, 1), (descriptor, 2)):
        os.dup2(source, target)
    os.close(nothing)


def open_streams() -> None:
    """Open stdout and stderr anew as streams of a pipe, which `redirect` makes of them later.

    A stream remembers whether its file can seek: one that was opened on a file cannot be reconfigured or
    wrapped once a pipe has taken the file's place. Call it before user code keeps one of the streams.
    """
    reader, writer = os.pipe()
    for number, name in ((1, "stdout"), (2, "stderr")):
        kept = os.dup(number)
        os.dup2(writer, number)
        stream = open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        os.dup2(kept, number)
        os.close(kept)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.close(reader)
    os.close(writer)


def show_at_once() -> None:
    """Make output line-buffered UTF-8, and let fatal signals print a traceback."""
    for stream in {sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__}:
        if isinstance(stream, io.TextIOWrapper) and not stream.closed:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    with contextlib.suppress(Exception):
        import ctypes

        library = ctypes.CDLL(None)
        name = "__stdoutp" if sys.platform == "darwin" else "stdout"
        library.setvbuf(ctypes.c_void_p.in_dll(library, name), None, _LINE_BUFFERED, 0)
    with contextlib.suppress(OSError, ValueError):
        faulthandler.enable(file=2)


def flush() -> None:
    """Flush Python and C; user code may have closed or replaced the streams."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    with contextlib.suppress(Exception):
        import ctypes

        ctypes.CDLL(None).fflush(None)


def echo_in_run(text: str) -> None:
    """Print a line of the framework into the output; lost if the stream is closed."""
    with contextlib.suppress(Exception):
        print(f"hyperspace: {text}", file=sys.stderr)      # noqa: T201 - belongs to the run's output


# -- Deliver a stop request to user code: as a flag, or as an exception --

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
        watched = self._run is not None and self._run.request_stop()
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
