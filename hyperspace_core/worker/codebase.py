"""Which code a slot executes a run on: what is installed here, or the snapshot that its submission pinned.

A snapshot is unpacked once per digest, in a folder of the user's cache, and has a guardian of its own; those
that have not been needed for a while are ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hyperspace_core.capture.unpacking import BadSnapshot, unpack
from hyperspace_core.errors import NotFound, ProjectError, StoreUnavailable, UsageError
from hyperspace_core.execution.failure import one_line
from hyperspace_core.execution.job import Base
from hyperspace_core.execution.supervise import Guardian
from hyperspace_core.records.code import SNAPSHOT, SourceFile
from hyperspace_core.records.run import RunRecord
from hyperspace_core.storage import Store
from hyperspace_core.worker.shift import Shift

MOST = 3                       # pinned snapshots that a slot holds a guardian for
IDLE_S = 60.0                  # one that has not been needed for so long is ended


class Codebase:
    """The guardians of one slot, by snapshot."""

    def __init__(self, shift: Shift, new_guardian: Callable[[Path | None], Guardian]) -> None:
        self._shift = shift
        self._new = new_guardian
        self.current = new_guardian(shift.options.base)
        self._pinned: dict[str, Guardian] = {}         # the one that was needed last stands last
        self._folders: dict[str, Path] = {}            # where each of them has its code from
        self._needed_at: dict[str, float] = {}
        self._told: set[str] = set()

    def choose(self, record: RunRecord) -> tuple[Guardian, Base]:
        """Who executes this run, on which code. Raises `StoreUnavailable`, `ProjectError`."""
        base = Base(known=tuple(self._shift.known_sources))
        pinned = record.code.get(SNAPSHOT)
        if not isinstance(pinned, str):
            return self.current, replace(base, note=_why_not_pinned(record))
        if self._shift.options.code == "current":
            return self.current, replace(base, note="pinned code was not used: its worker was started with "
                                                    "--code current")
        original = self._shift.store.rewritten(record.id)[0] if record.migrated else None
        base = replace(base, original=original)
        if self._has(pinned):
            return self.current, base
        try:
            # looked through whole when its guardian starts, not again before each of a thousand runs
            folder = self._folders.get(pinned) or unpacked(self._shift.store, pinned)
        except StoreUnavailable:
            raise
        except (NotFound, BadSnapshot, UsageError, OSError) as error:
            why = f"the pinned code could not be unpacked: {one_line(error)}"
            self._tell(pinned, f"{why}; the current code is used")
            return self.current, Base(known=base.known, note=f"{why}; it ran on the current code")
        return self._guardian(pinned, folder), replace(base, folder=folder)

    def end_idle(self) -> None:
        """Let go of guardians that nothing has needed for a while."""
        now = self._shift.clock.monotonic()
        for digest in [digest for digest, at in self._needed_at.items() if now - at > IDLE_S]:
            self._end(digest)

    def close(self) -> None:
        for guardian in (self.current, *self._pinned.values()):
            guardian.close()

    def _has(self, digest: str) -> bool:
        """Whether what is installed here is that very code."""
        try:
            return self.current.view().snapshot == digest
        except ProjectError:           # it is broken just now, and so another
            return False

    def _guardian(self, digest: str, folder: Path) -> Guardian:
        guardian = self._pinned.pop(digest, None) or self._new(folder)
        self._pinned[digest], self._folders[digest] = guardian, folder
        self._needed_at[digest] = self._shift.clock.monotonic()
        while len(self._pinned) > MOST:
            self._end(next(iter(self._pinned)))
        return guardian

    def _end(self, digest: str) -> None:
        del self._needed_at[digest], self._folders[digest]
        self._pinned.pop(digest).close()

    def _tell(self, digest: str, text: str) -> None:
        """Once a snapshot, not with each of a thousand runs."""
        if digest not in self._told:
            self._told.add(digest)
            self._shift.tell(text, logging.WARNING)


def unpacked(store: Store, digest: str) -> Path:
    """The folder of a snapshot, unpacked anew where it is not there, or not whole.

    Raises what the store raises, `BadSnapshot`, `OSError`.
    """
    from platformdirs import user_cache_path

    folder = user_cache_path("hyperspace", appauthor=False) / "code" / digest

    def read(file: SourceFile) -> bytes:
        with store.open_content(file.digest) as content:
            return content.read()

    unpack(store.snapshot(digest), read, folder)
    return folder


def _why_not_pinned(record: RunRecord) -> str:
    why = record.code.get("absent")
    return f"not pinned: {why}" if why else ""

