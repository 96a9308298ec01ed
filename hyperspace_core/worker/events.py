"""The events of a worker, its view for displays, and its final report."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Metric, RunRecord
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.records.traits import Waiting


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """A run has been claimed and its process is about to start."""

    run: int
    attempt: int
    task: str
    slot: int                              # from 0
    record: RunRecord                      # as it was claimed


@dataclass(frozen=True, kw_only=True)
class RunEnded:
    """An attempt is over and stored, or the worker stopped waiting for the store."""

    run: int
    attempt: int
    task: str
    slot: int
    state: State                           # of the run, now; QUEUED where it was released or is retried
    outcome: Outcome
    reason: str | None
    result: float | None
    metric: Metric
    seconds: float                         # from claim to the store's answer


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A piece of what a run printed (option `echo`)."""

    run: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A message for people; one line."""

    text: str
    level: int = logging.WARNING


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The project is open, the store answers: the worker begins to claim."""

    worker: str
    project: str
    tasks: tuple[str, ...]                 # that it can execute


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """The worker was asked to stop, or to stop faster."""

    level: int                             # as `WorkerView.stopping`
    why: str
    running: tuple[int, ...]               # ids of runs


Event = RunStarted | RunEnded | Printed | Notice | Ready | Stopping
Listener = Callable[[Event], None]


def log_notices(event: Event) -> None:
    """The default listener of a worker: write notices to the log."""
    if isinstance(event, Notice):
        logging.getLogger("hyperspace.worker").log(event.level, "%s", event.text)


@dataclass(frozen=True, kw_only=True)
class SlotView:
    """What one slot does now; `run` is None while it is idle."""

    slot: int
    run: int | None = None
    attempt: int | None = None
    task: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    submitted: Mapping[str, Any] = field(default_factory=dict)     # as the user wrote it
    progress: Progress | None = None
    started_at: datetime | None = None
    seconds: float = 0.0
    stopping: bool = False                 # a stop was requested


@dataclass(frozen=True, kw_only=True)
class WorkerView:
    """A worker at one moment."""

    worker: str
    state: str                             # as in `WorkerInfo.state`
    slots: tuple[SlotView, ...]
    ended: Mapping[State, int]             # ended attempts, by the state of the run after them
    queue: Mapping[State, int]             # the project's runs, about a second old
    paused: bool                           # the whole queue
    stopping: int                          # 0 no, 1 after the current runs, 2 releases them, 3 kills


@dataclass(frozen=True, kw_only=True)
class WorkerReport:
    """What a worker did, from `run()` to its end."""

    ended: tuple[RunEnded, ...] = ()       # in order; retries repeat a run
    left: tuple[Waiting, ...] = ()
    why: str = ""                          # why it stopped, as in "it was asked to"

    @property
    def states(self) -> dict[int, State]:
        """Run → the state in which this worker last left it."""
        return {each.run: each.state for each in self.ended}

    @property
    def counts(self) -> dict[State, int]:
        """How many runs this worker left in each state."""
        return Counter(self.states.values())

    @property
    def failed(self) -> bool:
        return State.FAILED in self.counts
