"""Attempts as bars of a timeline; overlapping bars get separate lanes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hyperspace_core.records.run import RunRecord


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One attempt. A worker that runs several at a time has several lanes."""

    run: int
    worker: str
    lane: str                      # "host.4711", "host.4711 (2)"
    outcome: str                   # "completed", "lost", "running"
    start: datetime
    end: datetime
    text: str                      # "run 12, attempt 1: Holdout"

    @property
    def seconds(self) -> float:
        return max(0.0, (self.end - self.start).total_seconds())


def bars_of(records: Iterable[RunRecord], now: datetime) -> list[Bar]:
    """Bars of all attempts that have begun, by worker, then by time."""
    found = [(attempt.worker.worker if attempt.worker else "?", attempt.started_at, record, attempt)
             for record in records for attempt in record.attempts if attempt.started_at is not None]
    free: dict[str, list[datetime]] = {}           # worker -> end time of the last bar in each of its lanes
    bars = []
    for worker, start, record, attempt in sorted(found, key=lambda one: (one[0], one[1], one[2].id)):
        end = max(start, attempt.ended_at or now)
        lanes = free.setdefault(worker, [])
        number = next((number for number, until in enumerate(lanes) if until <= start), len(lanes))
        lanes[number:number + 1] = [end]
        bars.append(Bar(run=record.id, worker=worker,
                        lane=worker if number == 0 else f"{worker} ({number + 1})",
                        outcome="running" if attempt.outcome is None else str(attempt.outcome.value),
                        start=start, end=end,
                        text=f"run {record.id}, attempt {attempt.number}: {record.task}"))
    return sorted(bars, key=lambda bar: (bar.lane, bar.start))
