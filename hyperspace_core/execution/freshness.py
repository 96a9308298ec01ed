"""Which source files a process has read, and whether they still stand on disk as it read them."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

Stamp = tuple[int, int]        # mtime in ns, size
GONE: Stamp = (-1, -1)
TOUCHED: Stamp = (-2, -2)      # changed while it was being read: nobody can tell which half was


def loaded_sources(packages: Collection[str]) -> set[Path]:
    """The files of all loaded modules that are somebody's work in progress.

    That is: not the standard library's, not installed ones, not the framework's; but always those of the
    top-level `packages`, also where they are installed.
    """
    fixed = tuple(f"{folder}{os.sep}" for folder in _fixed_folders())
    found = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name == "__main__":
            continue
        top = name.partition(".")[0]
        if top in packages or (top != "hyperspace_core" and not file.startswith(fixed)):
            found.add(Path(file))
    return found


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


def _fixed_folders() -> set[str]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {sysconfig.get_path(name) for name in names} | {str(Path(os.__file__).parent)}
    folders |= {entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")}
    return folders | {os.path.realpath(folder) for folder in folders}


def _wall_ns() -> int:
    import time

    return time.time_ns()
