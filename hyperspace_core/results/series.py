"""Summaries of metric series, and several series side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hyperspace_core.config.tree import flatten
from hyperspace_core.records.logged import Point


@dataclass(frozen=True, kw_only=True)
class MetricSummary:
    """Summary of one metric of a run: its returned value and its series.

    `min` and `max` ignore NaN. Without a series, `points` is 0 and the fields of a series are None.
    """

    name: str
    returned: Any = None
    points: int = 0
    last: float | None = None
    last_step: int | None = None
    min: float | None = None
    max: float | None = None


def summarize(points: Iterable[Point], returned: Mapping[str, Any] | None = None) -> list[MetricSummary]:
    """Summarize all metrics, returned ones first, in one pass over the points."""
    found = {name: MetricSummary(name=name, returned=value)
             for name, value in flatten(returned or {}).items()}
    for point in points:
        so_far = found.get(point.name) or MetricSummary(name=point.name)
        known = [value for value in (so_far.min, so_far.max, point.value)
                 if value is not None and not math.isnan(value)]
        found[point.name] = replace(so_far, points=so_far.points + 1, last=point.value, last_step=point.step,
                                    min=min(known, default=point.value), max=max(known, default=point.value))
    return list(found.values())


@dataclass(frozen=True)
class SeriesRow:
    """One step with the values of several series; None for a missing value."""

    step: int | None
    values: tuple[float | None, ...]


def side_by_side(points: Iterable[Point], names: Sequence[str]) -> list[SeriesRow]:
    """Series as columns, sorted by step; points without steps in order of logging.

    A step that was logged twice has two rows. Points without a step are numbered.
    """
    rows: dict[tuple[bool, int, int], dict[str, float]] = {}
    times: dict[tuple[str, int], int] = {}
    counts = dict.fromkeys(names, 0)
    for point in points:
        if point.name not in counts:
            continue
        step = counts[point.name] if point.step is None else point.step
        counts[point.name] += 1
        time = times[point.name, step] = times.get((point.name, step), -1) + 1
        rows.setdefault((point.step is None, step, time), {})[point.name] = point.value
    return [SeriesRow(None if counted else step, tuple(row.get(name) for name in names))
            for (counted, step, _), row in sorted(rows.items(), key=lambda item: item[0])]
