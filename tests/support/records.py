"""Records without a store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Attempt, Metric, RunRecord
from hyperspace_core.records.states import State

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FOREST = {"className": "Forest", "trees": 100}


def completed(number: int, result: float | None, config: dict[str, Any] | None = None, *,
              task: str = "holdout", goal: Any = "maximize", metric: str = "accuracy",
              seconds: float | None = None, **others: Any) -> RunRecord:
    """A completed run."""
    ended = None if seconds is None else NOON + timedelta(seconds=seconds)
    values: dict[str, Any] = {
        "state": State.COMPLETED, "seed": 0, "metrics": {} if result is None else {metric: result},
        "attempts": () if ended is None else (Attempt(number=1, started_at=NOON, ended_at=ended),),
    }
    return RunRecord(id=number, uid=f"u{number}", project="digits", task=task, result=result,
                     config={"classifier": FOREST} if config is None else config,
                     metric=Metric(name=metric, goal=goal), **values | others)


def running(number: int, progress: Progress | None = None, **others: Any) -> RunRecord:
    """A running run."""
    return RunRecord(id=number, uid=f"u{number}", project="digits", task="holdout", state=State.RUNNING,
                     progress=progress, **others)


def queued(number: int, task: str = "holdout", **others: Any) -> RunRecord:
    """A queued run."""
    return RunRecord(id=number, uid=f"u{number}", project="digits", task=task, state=State.QUEUED, **others)
