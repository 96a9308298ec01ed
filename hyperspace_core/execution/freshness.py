"""Whether the source files that a process has read still stand on disk as it read them."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

Stamp = tuple[int, int]        # mtime in ns, size
GONE: Stamp = (-1, -1)
TOUCHED: Stamp = (-2, -2)      # changed while it was being read: nobody can tell which half was


def stamps(paths: Iterable[Path], *, read_since_ns: int) -> dict[str, Stamp]:
    """How the files stand now, that were read by this process after `read_since_ns` (wall clock)."""
    now = _wall_ns()
    found = {}
    for path in paths:
        stamp = _stamp(str(path))
        # a date in the future is a file system's clock, not an edit
        found[str(path)] = TOUCHED if read_since_ns <= stamp[0] <= now else stamp
    return found


def changed(known: Mapping[str, Stamp]) -> list[str]:
    """The paths that stand otherwise now."""
    return [path for path, stamp in known.items() if _stamp(path) != stamp]


def forget_bytecode(paths: Iterable[str]) -> None:
    """Remove what is cached for sources that changed.

    Python trusts a cache whose source has the same size and the same second of change: two quick edits would
    run the first one's code.
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
