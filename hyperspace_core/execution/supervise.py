"""The worker's hand on the processes that execute runs. No user code is ever imported here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hyperspace_core.execution import messages
from hyperspace_core.execution.job import Job

Isolation = Literal["warm", "spawn"]


@dataclass(frozen=True, kw_only=True)
class ProjectView:
    """What a worker needs to know of its project, which it does not import itself."""

    tasks: tuple[str, ...]
    forks: bool                    # whether runs are forked from a process that has the project imported
    note: str | None               # why not
    plugins: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ChildEnded:
    """How the process ended, as the system tells it; both None: its guardian was lost and nobody saw it end."""

    exit_code: int | None
    signal: int | None
    out_of_memory: str | None      # proof that the kernel ended it for want of memory, for people
    max_rss_bytes: int | None


@dataclass(frozen=True)
class Output:
    """Bytes that the run printed, stdout and stderr in the order they came; may end in mid-character."""

    data: bytes


Event = messages.Message | Output | ChildEnded


class Guardian:
    """One slot's guardian process; executes one run at a time."""

    def __init__(self, project: str, *, isolation: Isolation, tasks_dir: Path | None = None,
                 no_plugins: tuple[str, ...] = (), grace_s: float = 10.0) -> None:
        raise NotImplementedError

    def view(self) -> ProjectView:
        """The project as it stands on disk now. Raises `ProjectError`."""
        raise NotImplementedError

    def start(self, job: Job) -> Child:
        """Start a run with the code that stands on disk now. Raises `ProjectError`."""
        raise NotImplementedError

    def close(self) -> None:
        """End the guardian and anything under it. Idempotent."""
        raise NotImplementedError


class Child:
    """One attempt, while it runs."""

    pid: int

    def events(self, timeout_s: float) -> list[Event]:
        """Blocks until something came or the time is over. `ChildEnded` comes once, last."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Ask the run to stop: the `should_stop()` flag where user code watches it, else an exception there."""
        raise NotImplementedError

    def kill(self) -> None:
        """End the run and everything that it started, at once."""
        raise NotImplementedError
