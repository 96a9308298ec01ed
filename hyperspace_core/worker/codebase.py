"""Choose the code of a run: the installed code or the pinned snapshot.

A snapshot is unpacked once per digest, in a folder of the user's cache, and has its own fork server. Idle
fork servers are ended.
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

MOST = 3                       # pinned snapshots with a fork server, for each slot
IDLE_S = 60.0                  # idle fork servers are ended after this time


class Codebase:
    """The fork servers of one slot, by snapshot."""

    def __init__(self, shift: Shift, new_guardian: Callable[[Path | None], Guardian]) -> None:
        self._shift = shift
        self._new = new_guardian
        self.current = new_guardian(shift.options.base)
        self._pinned: dict[str, Guardian] = {}         # the most recently used one is last
        self._folders: dict[str, Path] = {}            # the unpacked code of each
        self._needed_at: dict[str, float] = {}
        self._reported: set[str] = set()

    def choose(self, record: RunRecord) -> tuple[Guardian, Base]:
        """The fork server and code of a run. Raises `StoreUnavailable`, `ProjectError`."""
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
            # verified when its fork server starts, not before each of a thousand runs
            folder = self._folders.get(pinned) or unpacked(self._shift.store, pinned)
        except StoreUnavailable:
            raise
        except (NotFound, BadSnapshot, UsageError, OSError) as error:
            why = f"the pinned code could not be unpacked: {one_line(error)}"
            self._tell(pinned, f"{why}; the current code is used")
            return self.current, Base(known=base.known, note=f"{why}; it ran on the current code")
        return self._guardian(pinned, folder), replace(base, folder=folder)

    def end_idle(self) -> None:
        """End the fork servers that have been idle for `IDLE_S`."""
        now = self._shift.clock.monotonic()
        for digest in [digest for digest, at in self._needed_at.items() if now - at > IDLE_S]:
            self._end(digest)

    def close(self) -> None:
        for guardian in (self.current, *self._pinned.values()):
            guardian.close()

    def _has(self, digest: str) -> bool:
        """Whether the installed code is that snapshot."""
        try:
            return self.current.view().snapshot == digest
        except ProjectError:           # broken at the moment, so another one
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
        """Report once a snapshot, not with each of a thousand runs."""
        if digest not in self._reported:
            self._reported.add(digest)
            self._shift.tell(text, logging.WARNING)


def unpacked(store: Store, digest: str) -> Path:
    """Unpack a snapshot where it is missing or incomplete; its folder.

    Raises `BadSnapshot`, `OSError` and the errors of the store.
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

