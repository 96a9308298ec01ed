"""Checks of this machine for `doctor`, each with a verdict and a cure."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from hyperspace_core.errors import StoreError

Verdict = Literal["ok", "warning", "problem"]

LITTLE_SPACE, HARDLY_ANY = 2**30, 100 * 2**20      # bytes
EARLIEST = 2024                # a clock that shows an earlier year was never set
SET_THE_CLOCK = "set the clock, or switch on its synchronization"


@dataclass(frozen=True, kw_only=True)
class Check:
    """The result of one check."""

    name: str
    verdict: Verdict
    text: str                      # what was found
    cure: str = ""


Look = Callable[[], Iterator[Check]]


def ok(name: str, text: str) -> Check:
    return Check(name=name, verdict="ok", text=text)


def warning(name: str, text: str, cure: str = "") -> Check:
    return Check(name=name, verdict="warning", text=text, cure=cure)


def problem(name: str, text: str, cure: str = "") -> Check:
    return Check(name=name, verdict="problem", text=text, cure=cure)


def of_machine(now: datetime) -> list[Look]:
    return [_python, _sqlite, _git, lambda: _clock(now), _temporary_files]


def careful(looks: list[Look]) -> Iterator[Check]:
    """The results of the checks; a check that raises gives a problem."""
    for look in looks:
        try:
            yield from look()
        except Exception as error:  # noqa: BLE001 - one failing check must not stop the others
            yield problem("doctor", f"a check failed: {type(error).__name__}: {error}",
                          "this is a bug in hyperspace: please report it")


def space(name: str, folder: Path) -> Iterator[Check]:
    """Check the free space of the disk that holds a folder."""
    from hyperspace_core.results.words import byte_count

    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    text, cure = f"{byte_count(free)} free at {there}", "free space on this disk before runs fill it"
    if free < HARDLY_ANY:
        yield problem(name, text, cure)
    elif free < LITTLE_SPACE:
        yield warning(name, text, cure)
    else:
        yield ok(name, text)


def _temporary_files() -> Iterator[Check]:
    """Check the disk on which runs get their working directories."""
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        yield problem("temporary files", str(error), "set TMPDIR to a writable folder")
        return
    yield from space("temporary files", folder)


def _python() -> Iterator[Check]:
    from hyperspace_core.extension.discovery import core_version

    yield ok("hyperspace", f"{core_version()} on Python {platform.python_version()} ({sys.executable})")
    if sys.platform == "win32":
        yield warning("system", "Windows: processes that a run leaves behind keep running, and a lost worker "
                      "is detected only when its lease expires", "use Linux or macOS for unattended workers")


def _sqlite() -> Iterator[Check]:
    from hyperspace_core.stores.sqlite.opening import check_library

    try:
        yield ok("SQLite", check_library())
    except StoreError as error:
        yield problem("SQLite", str(error))


def _git() -> Iterator[Check]:
    found = shutil.which("git")
    if found is None:
        yield warning("git", "not found: runs do not record which commit they ran", "install git")
    else:
        yield ok("git", found)


def _clock(now: datetime) -> Iterator[Check]:
    text = f"{now.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    if now.year < EARLIEST:
        yield warning("clock", f"{text}: the clock was never set, so records show wrong times (no decision "
                      "depends on them)", SET_THE_CLOCK)
    else:
        yield ok("clock", text)
