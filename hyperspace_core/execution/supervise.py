"""Start and end a slot's fork server. No user code is imported here."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hyperspace_core.errors import ProjectError
from hyperspace_core.execution.attempt import Child, ChildEnded, Event, Output
from hyperspace_core.execution.control import Begin, Opened, Role
from hyperspace_core.execution.freshness import changed, forget_bytecode
from hyperspace_core.execution.guarding import GuardianProcess
from hyperspace_core.execution.job import Job

__all__ = ["Child", "ChildEnded", "Event", "Guardian", "Isolation", "Output", "ProjectView"]

Isolation = Literal["warm", "spawn"]


@dataclass(frozen=True, kw_only=True)
class ProjectView:
    """The worker's description of its project, which it does not import."""

    tasks: tuple[str, ...]
    forks: bool                    # whether runs are forked from a process with the project
    note: str | None               # why not, where forks were wanted
    plugins: tuple[str, ...]
    renewals: int                  # how often changed sources were read again
    snapshot: str | None           # of its code; None without one


class Guardian:
    """The supervisor of one slot's fork server; executes one run at a time.

    It starts the fork server on first use, and again when it was lost or the project's sources changed on
    disk, so that the recorded code is the code that ran. `code`: an unpacked snapshot to run instead.
    One thread uses it; any may `close` it.
    """

    def __init__(self, project: str, *, isolation: Isolation, tasks_dir: Path | None = None,
                 no_plugins: tuple[str, ...] = (), grace_s: float = 10.0, code: Path | None = None,
                 python: Path | None = None) -> None:
        if not hasattr(socket, "send_fds"):
            raise ProjectError(f"isolation '{isolation}' does not work on this system; use 'inline'")
        self._project = project
        self._warm = isolation == "warm"
        self._tasks_dir = None if tasks_dir is None else str(Path(tasks_dir).absolute())
        self._no_plugins = tuple(no_plugins)
        self._grace_s = grace_s
        self._code = None if code is None else str(code)
        self._python = None if python is None else str(python)
        self._lock = threading.RLock()
        self._process: GuardianProcess | None = None
        self._opened: Opened | None = None
        self._renewals = 0
        self._closed = False

    def view(self) -> ProjectView:
        """The project as it is on disk now. Raises `ProjectError`."""
        with self._lock:
            opened, _ = self._fresh()
        return ProjectView(tasks=opened.tasks, forks=self._warm and opened.unsafe is None,
                           note=opened.unsafe if self._warm else None, plugins=opened.plugins,
                           renewals=self._renewals, snapshot=opened.snapshot)

    def start(self, job: Job) -> Child:
        """Start a run with the code that is on disk now. Raises `ProjectError`."""
        with self._lock:
            for _ in range(2):                     # the fork server may have been lost since the last run
                _, process = self._fresh()
                child = process.start(job)
                if child is not None:
                    return child
                self._let_go()
        raise ProjectError("the fork server of this slot was lost twice while starting a run")

    def close(self) -> None:
        """End the fork server and its descendants. Idempotent."""
        self._closed = True
        self._let_go()

    def _fresh(self) -> tuple[Opened, GuardianProcess]:
        """A living fork server with the current sources."""
        stale = [] if self._opened is None else changed(self._opened.stamps)
        if self._opened is not None and self._process is not None and self._process.alive() and not stale:
            return self._opened, self._process
        self._renewals += bool(stale)
        self._let_go()
        forget_bytecode(stale)
        opened, process = self._open()
        if self._closed:
            self._let_go()
            raise ProjectError("the fork server is closed")
        self._opened = opened
        return opened, process

    def _open(self) -> tuple[Opened, GuardianProcess]:
        """Open the project and start a fork server: one process where it is safe to fork."""
        look = self._launch("fork" if self._warm else "look")
        try:
            opened = look.opened()
        except BaseException:
            self._let_go()
            raise
        if self._warm and opened.unsafe is None:
            return opened, look
        self._let_go()
        return opened, self._launch("spawn")

    def _launch(self, role: Role) -> GuardianProcess:
        if self._closed:
            raise ProjectError("the fork server is closed")
        begin = Begin(self._project, self._tasks_dir, self._no_plugins, role, self._grace_s, self._code)
        self._process = GuardianProcess(begin, self._python)
        return self._process

    def _let_go(self) -> None:
        process, self._process, self._opened = self._process, None, None
        if process is not None:
            process.end()
