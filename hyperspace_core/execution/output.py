"""Redirect and flush what Python and C code of a run print, line by line."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import sys

_LINE_BUFFERED = 1             # _IOLBF of the C library


def redirect(descriptor: int) -> None:
    """Redirect the output of this process to `descriptor`, its input to nothing."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (descriptor, 1), (descriptor, 2)):
        os.dup2(source, target)
    os.close(nothing)


def show_at_once() -> None:
    """Make output line-buffered UTF-8, and let fatal signals print a traceback."""
    for stream in {sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__}:
        if isinstance(stream, io.TextIOWrapper) and not stream.closed:
            stream.reconfigure(line_buffering=True)
            # only once: a stream of a file may be a pipe by now, which cannot seek
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
    """Flush Python and C; user code may have closed or replaced the streams."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    with contextlib.suppress(Exception):
        import ctypes

        ctypes.CDLL(None).fflush(None)


def say(text: str) -> None:
    """Print a line of the framework into the output; lost if the stream is closed."""
    with contextlib.suppress(Exception):
        print(f"hyperspace: {text}", file=sys.stderr)      # noqa: T201 - belongs to the run's output
