"""Encode a space as a cube of numbers: a column a dimension, a row an assignment.

A number is its share of its range, from 0 to 1, so that every value of the range has an equal part; a choice
is the index of its value; NaN marks an inactive dimension. Many rows are created and changed at a time, and
converted to assignments at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hyperspace_core.ranges import Choice, Float, Int
from hyperspace_tuning.sampling import value_at_share
from hyperspace_tuning.space import Assignment, Dimension, Space, holds, values_in

Rows = np.ndarray                  # (rows, dimensions)


class FeatureSpace:
    """Converts between the assignments of one space and rows."""

    def __init__(self, space: Space) -> None:
        self.space, self.dimensions = space, space.dimensions
        self._place = {one.key: column for column, one in enumerate(self.dimensions)}
        self.choices = np.array([len(one.range.values) if isinstance(one.range, Choice) else 0
                                 for one in self.dimensions])
        self._stepped = [column for column, one in enumerate(self.dimensions)
                         if not isinstance(one.range, Choice) and values_in(one.range) < np.inf]
        self._when = [self._conditions(one) for one in self.dimensions]
        counts = np.maximum(self.choices, 1)
        self.owner = np.repeat(np.arange(len(counts)), counts)         # the dimension of each feature

    def row(self, assignment: Assignment) -> np.ndarray:
        """The row of an assignment."""
        made = np.full(len(self.dimensions), np.nan)
        for column, one in enumerate(self.dimensions):
            if holds(one.when, assignment):
                made[column] = self.share(column, assignment[one.path])
        return made

    def share(self, column: int, value: Any) -> float:
        """The number in a column for a value of its dimension."""
        range_ = self.dimensions[column].range
        if isinstance(range_, Choice):
            return _index(range_, value)
        low, high = _ends(range_)
        if low == high:
            return 0.5
        return float((_scaled(range_, value) - low) / (high - low))

    def new(self, given: Mapping[str, Any]) -> tuple[dict[int, float], dict[int, float]]:
        """New dimensions, by column: choices to make, and defaults of numbers to avoid."""
        columns = {self._place[key]: value for key, value in given.items()}
        return ({column: self.share(column, value) for column, value in columns.items()
                 if self.choices[column]},
                {column: self.share(column, self.dimensions[column].default) for column in columns
                 if not self.choices[column]})

    def assignment(self, row: np.ndarray) -> Assignment:
        """The assignment of a row."""
        def value(one: Dimension) -> Any:
            found = row[self._place[one.key]]
            if isinstance(one.range, Choice):
                return one.range.values[int(found)]
            return value_at_share(one.range, found)

        return self.space.walk(value)

    def drawn(self, count: int, rng: np.random.Generator) -> Rows:
        """Random rows, with values for inactive dimensions, too; `settled` removes those."""
        rows = rng.random((count, len(self.dimensions)))
        return np.where(self.choices > 0, np.floor(rows * self.choices), rows)

    def settled(self, rows: Rows, fixed: Mapping[int, float]) -> Rows:
        """Apply fixed values, round numbers to steps, set inactive dimensions to NaN."""
        rows = rows.copy()
        for column, value in fixed.items():
            rows[:, column] = value
        for column in self._stepped:
            rows[:, column] = _snapped(self.dimensions[column].range, rows[:, column])
        for column, conditions in enumerate(self._when):
            for alternatives in conditions:
                met = np.any([rows[:, parent] == index for parent, index in alternatives], axis=0)
                rows[~met, column] = np.nan
        return rows

    def features(self, rows: Rows) -> np.ndarray:
        """Coordinates: two choices are 1 apart, inactive dimensions in the middle."""
        columns = []
        for column, count in enumerate(self.choices):
            values = rows[:, column, None]
            columns.append((values == np.arange(count)) / np.sqrt(2) if count
                           else np.where(np.isnan(values), 0.5, values))
        return np.hstack(columns)

    def _conditions(self, one: Dimension) -> list[list[tuple[int, float]]]:
        """All of the lists must hold, each by any of its (parent column, value)."""
        return [[(column, _index(parent.range, value)) for column, parent in enumerate(self.dimensions)
                 if parent.path == path and isinstance(parent.range, Choice)
                 and value in _plain(parent.range.values)]
                for path, value in one.when]


def _plain(values: Iterable[Any]) -> Sequence[Any]:
    return [value for value in values if not isinstance(value, list | dict)]


def _index(range_: Choice, value: Any) -> float:
    # compare by type, too, unless only one value is equal
    return next((float(index) for index, known in enumerate(range_.values)
                 if known == value and type(known) is type(value)),
                float(next(index for index, known in enumerate(range_.values) if known == value)))


def _ends(range_: Int | Float) -> tuple[float, float]:
    """The ends of a range, with half a step more on either side, as for sampling."""
    half = (range_.step or 0) / 2
    if range_.log:
        return float(np.log(max(range_.low - half, range_.low / 2))), float(np.log(range_.high + half))
    return range_.low - half, range_.high + half


def _scaled(range_: Int | Float, value: Any) -> Any:
    return np.log(value) if range_.log else value


def _snapped(range_: Any, shares: np.ndarray) -> np.ndarray:
    low, high = _ends(range_)
    if low == high or range_.step is None:
        return np.full_like(shares, 0.5)
    values = low + shares * (high - low)
    steps = np.round(((np.exp(values) if range_.log else values) - range_.low) / range_.step)
    snapped = range_.low + np.clip(steps, 0, int(values_in(range_)) - 1) * range_.step
    made: np.ndarray = (_scaled(range_, snapped) - low) / (high - low)
    return made
