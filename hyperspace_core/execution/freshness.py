"""Whether the source files of a process have changed since it read them."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

Stamp = tuple[int, int]        # mtime in ns, size
GONE: Stamp = (-1, -1)
TOUCHED: Stamp = (-2, -2)      # changed while it was being read: its content is unknown


def stamps(paths: Iterable[Path], *, read_since_ns: int) -> dict[str, Stamp]:
    """The stamps of files that this process read after `read_since_ns` (wall clock)."""
    now = _wall_ns()
    found = {}
    for path in paths:
        stamp = _stamp(str(path))
        # a date in the future is a file system's clock, not an edit
        found[str(path)] = TOUCHED if read_since_ns <= stamp[0] <= now else stamp
    return found


def changed(known: Mapping[str, Stamp]) -> list[str]:
    """The paths whose stamps differ now."""
    return [path for path, stamp in known.items() if _stamp(path) != stamp]


def forget_bytecode(paths: Iterable[str]) -> None:
    """Remove the bytecode of changed sources.

    Python trusts a cache whose source has the same size and second of change: after two quick edits it would
    run the first one.
    """
    for path in paths:
        if path.endswith(".py"):
            with contextlib.suppress(OSError, NotImplementedError):
                Path(importlib.util.cache_from_source(path)).unlink()


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)  # noqa: PTH116 - called for every file before every run
    except OSError:
        return GONE
    return status.st_mtime_ns, status.st_size


def _wall_ns() -> int:
    import time

    return time.time_ns()
