"""The timeline: attempts as bars, in a lane for each worker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hyperspace_analysis.drawing import Figure, label, lay_out, plotly
from hyperspace_core.errors import UsageError
from hyperspace_core.records import RunRecord

OUTCOMES = {"completed": "#2a9d8f", "running": "#4361ee", "failed": "#d1495b", "cancelled": "#8d99ae",
            "lost": "#f4a261", "released": "#e9c46a"}


def timeline(records: Iterable[RunRecord], now: datetime | None = None) -> Figure:
    """See `StudyPlots.timeline`. A running attempt ends at `now`."""
    go = plotly()
    bars = timeline_lanes(records, now or datetime.now(UTC))
    if not bars:
        raise UsageError("none of these runs has begun; nothing to plot")
    figure = go.Figure()
    for outcome in dict.fromkeys(bar.outcome for bar in bars):
        _add_bars(figure, outcome, [bar for bar in bars if bar.outcome == outcome])
    lanes = list(dict.fromkeys(bar.lane for bar in bars))
    workers = len({bar.worker for bar in bars})
    lay_out(figure, f"{len(bars)} attempts of {'1 worker' if workers == 1 else f'{workers} workers'}",
            "time (UTC)", "worker", legend="ended as", height=max(360, 200 + 40 * len(lanes)))
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(type="date")
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=lanes)
    return figure


def _add_bars(figure: Figure, outcome: str, bars: Sequence[Bar]) -> None:
    figure.add_bar(
        orientation="h", name=outcome, y=[bar.lane for bar in bars],
        base=[bar.start.replace(tzinfo=None).isoformat() for bar in bars],
        x=[1000 * bar.seconds for bar in bars],
        text=[str(bar.run) for bar in bars], textposition="inside", insidetextanchor="middle",
        marker={"color": OUTCOMES.get(outcome, "#6d597a"), "line": {"color": "white", "width": 1}},
        customdata=[[label(bar.text), round(bar.seconds, 1)] for bar in bars],
        hovertemplate="%{customdata[0]}<br>%{customdata[1]} s<extra></extra>")


# -- Attempts as bars; overlapping bars of a worker get separate lanes ----

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


def timeline_lanes(records: Iterable[RunRecord], now: datetime) -> list[Bar]:
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
