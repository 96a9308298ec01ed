"""Metric series in short, and side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hyperspace_core.config.tree import flatten
from hyperspace_core.records.logged import Point


@dataclass(frozen=True, kw_only=True)
class MetricSummary:
    """One metric of a run: what `single_run` returned under its name, and the series of that name.

    `min` and `max` pass over NaN. Without a series `points` is 0 and what tells of one is None.
    """

    name: str
    returned: Any = None
    points: int = 0
    last: float | None = None
    last_step: int | None = None
    min: float | None = None
    max: float | None = None


def summarize(points: Iterable[Point], returned: Mapping[str, Any] | None = None) -> list[MetricSummary]:
    """All metrics by the order in which they first came, what was returned first. Reads each point once."""
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
    """One step and the values of several series there; None where a series has none."""

    step: int | None
    values: tuple[float | None, ...]


def side_by_side(points: Iterable[Point], names: Sequence[str]) -> list[SeriesRow]:
    """The series as columns, in the order of their steps, else as they came.

    A step that was logged twice has two rows. Points without a step are counted.
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
