"""What a run prints, as it prints it: Python and C code, line by line, also where the program dies next."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import sys

_LINE_BUFFERED = 1             # _IOLBF of the C library


def redirect(descriptor: int) -> None:
    """Everything that this process prints goes there from now on; it can read nothing."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (descriptor, 1), (descriptor, 2)):
        os.dup2(source, target)
    os.close(nothing)


def show_at_once() -> None:
    """Python's and C's streams by line, in UTF-8 whatever the locale; a fatal signal leaves its traceback."""
    for stream in {sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__}:
        if isinstance(stream, io.TextIOWrapper) and not stream.closed:
            stream.reconfigure(line_buffering=True)
            # not twice: a stream that was opened on a file may be a pipe by now, which cannot seek
            if (stream.encoding, stream.errors) != ("utf-8", "backslashreplace"):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    with contextlib.suppress(Exception):
        import ctypes

        library = ctypes.CDLL(None)
        name = "__stdoutp" if sys.platform == "darwin" else "stdout"
        library.setvbuf(ctypes.c_void_p.in_dll(library, name), None, _LINE_BUFFERED, 0)
    with contextlib.suppress(OSError, ValueError):
        faulthandler.enable(file=2)


def flush() -> None:
    """What Python and C still hold back. User code may have closed or replaced any of the streams."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    with contextlib.suppress(Exception):
        import ctypes

        ctypes.CDLL(None).fflush(None)


def say(text: str) -> None:
    """A line of the framework's own among what the run prints; lost where user code closed the stream."""
    with contextlib.suppress(Exception):
        print(f"hyperspace: {text}", file=sys.stderr)      # noqa: T201 - the run's own output is where it belongs
