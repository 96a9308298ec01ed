"""The runners of a slot: child processes, or (`inline`) this process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace

from hyperspace_core.capture.snapshot import BadSnapshot, unpack
from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import NotFound, ProjectError, StoreUnavailable, UsageError, error_line
from hyperspace_core.execution.job import RunCode, job_file, job_of
from hyperspace_core.execution.supervisor import Supervisor
from hyperspace_core.records.run import SNAPSHOT, SourceFile
from hyperspace_core.storage import Sources, Store, rewritten_of
from hyperspace_core.worker.held_run import HeldRun, RunProcess
from hyperspace_core.worker.state import WorkerState

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project

# -- Choose the code of a run: the installed code or the pinned snapshot --

MOST = 3                       # pinned snapshots with a fork server, for each slot
IDLE_S = 60.0                  # idle fork servers are ended after this time


class Codebase:
    """The fork servers of one slot, by snapshot."""

    def __init__(self, worker_state: WorkerState,
                 new_fork_server: Callable[[Path | None], Supervisor]) -> None:
        self._worker_state = worker_state
        self._new = new_fork_server
        self.current = new_fork_server(worker_state.options.base)
        self._pinned: dict[str, Supervisor] = {}         # the most recently used one is last
        self._folders: dict[str, Path] = {}            # the unpacked code of each
        self._needed_at: dict[str, float] = {}
        self._reported: set[str] = set()

    def choose(self, code: Tree) -> tuple[Supervisor, RunCode]:
        """The fork server and code of a run, by its submission. Raises `StoreUnavailable`, `ProjectError`."""
        chosen = RunCode(pinned=code, known=tuple(self._worker_state.known_sources))
        pinned = code.get(SNAPSHOT)
        if not isinstance(pinned, str):
            why = code.get("absent")
            return self.current, replace(chosen, note=f"not pinned: {why}" if why else "")
        if self._worker_state.options.code == "current":
            return self.current, replace(chosen, note="pinned code was not used: its worker was started with "
                                                      "--code current")
        if self._has(pinned):
            return self.current, chosen
        try:
            # verified when its fork server starts, not before each of a thousand runs
            folder = self._folders.get(pinned) or unpacked(self._worker_state.store, pinned)
        except StoreUnavailable:
            raise
        except (NotFound, BadSnapshot, UsageError, OSError) as error:
            why = f"the pinned code could not be unpacked: {error_line(error)}"
            if pinned not in self._reported:       # once, not with each of a thousand runs
                self._reported.add(pinned)
                self._worker_state.tell(f"{why}; the current code is used", logging.WARNING)
            return self.current, replace(chosen, note=f"{why}; it ran on the current code")
        return self._fork_server(pinned, folder), replace(chosen, folder=str(folder))

    def end_idle(self) -> None:
        """End the fork servers that have been idle for `IDLE_S`."""
        now = self._worker_state.clock.monotonic()
        for digest in [digest for digest, at in self._needed_at.items() if now - at > IDLE_S]:
            self._end(digest)

    def close(self) -> None:
        for fork_server in (self.current, *self._pinned.values()):
            fork_server.close()

    def _has(self, digest: str) -> bool:
        """Whether the installed code is that snapshot."""
        try:
            return self.current.view().snapshot == digest
        except ProjectError:           # broken at the moment, so another one
            return False

    def _fork_server(self, digest: str, folder: Path) -> Supervisor:
        fork_server = self._pinned.pop(digest, None) or self._new(folder)
        self._pinned[digest], self._folders[digest] = fork_server, folder
        self._needed_at[digest] = self._worker_state.clock.monotonic()
        while len(self._pinned) > MOST:
            self._end(next(iter(self._pinned)))
        return fork_server

    def _end(self, digest: str) -> None:
        del self._needed_at[digest], self._folders[digest]
        self._pinned.pop(digest).close()


def unpacked(store: Store, digest: str) -> Path:
    """Unpack a snapshot where it is missing or incomplete; its folder.

    Raises `BadSnapshot`, `OSError`, `NotFound` and the errors of the store.
    """
    from platformdirs import user_cache_path

    if not isinstance(store, Sources):
        raise NotFound(f"{store.url} cannot {Sources.ability}")
    folder = user_cache_path("hyperspace", appauthor=False) / "code" / digest

    def read(file: SourceFile) -> bytes:
        with store.open_content(file.digest) as content:
            return content.read()

    unpack(store.snapshot(digest), read, folder)
    return folder


class Runner(Protocol):
    """Executes one run at a time."""

    opened: Project | None         # the project, where this process has it open
    pinned_only: bool              # the project is broken: claim only runs with pinned code

    def tasks(self) -> frozenset[str]:
        """The tasks of the project on disk now. Raises `ProjectError`."""
        ...

    def start(self, held_run: HeldRun, workdir: Path) -> RunProcess:
        """Begin to execute a run. Raises `ProjectError`."""
        ...

    def close(self) -> None: ...


class ProcessRunner:
    """Executes each run in its own process, under one fork server."""

    opened: Project | None = None

    def __init__(self, worker_state: WorkerState, *, first: bool) -> None:
        self._worker_state = worker_state
        self._note_to_tell = first         # one slot reports it for all
        self._renewals = 0
        self._known: frozenset[str] | None = None      # the tasks when it was last opened
        self.pinned_only = False
        self._codebase = Codebase(worker_state, self._new_fork_server)

    def tasks(self) -> frozenset[str]:
        self._codebase.end_idle()
        try:
            view = self._codebase.current.view()
        except ProjectError as error:
            if self._known is None or self._worker_state.options.code != "pinned":
                raise
            if not self.pinned_only:
                self._worker_state.tell(
                    f"only runs with pinned code are claimed for now: {error}", logging.ERROR)
            self.pinned_only = True
            return self._known
        self.pinned_only = False
        if view.note is not None and self._note_to_tell:
            self._note_to_tell = False
            self._worker_state.tell(f"{view.note}; each run starts a new interpreter", logging.WARNING)
        if view.renewals > self._renewals:
            self._renewals = view.renewals
            self._worker_state.refused.clear()    # the new code may fit runs that the old one did not
        self._known = frozenset(view.tasks)
        return self._known

    def start(self, held_run: HeldRun, workdir: Path) -> RunProcess:
        options, record = self._worker_state.options, held_run.record
        fork_server, code = self._codebase.choose(record.code)
        original = None
        if record.migrated and SNAPSHOT in code.pinned and not code.note:      # as that code knows them
            original = next(iter(rewritten_of(self._worker_state.store, record)), None)
        job = job_of(held_run.claim, tasks_dir=options.tasks_dir, no_plugins=options.no_plugins,
                     workdir=workdir, code=code, original=original)
        with job_file(job) as file:
            return fork_server.start(file)

    def close(self) -> None:
        self._codebase.close()

    def _new_fork_server(self, code: Path | None) -> Supervisor:
        options = self._worker_state.options
        return Supervisor(self._worker_state.project,
                          isolation="spawn" if options.isolation == "spawn" else "warm", code=code,
                          python=options.python, tasks_dir=options.tasks_dir, no_plugins=options.no_plugins,
                          grace_s=min(10.0, options.grace_s))
