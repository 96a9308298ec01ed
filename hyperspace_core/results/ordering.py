"""Sort runs by a column, given by its shortest name or its dotted path."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hyperspace_core.config.tree import CLASS_NAME, MISSING, canonical
from hyperspace_core.errors import ConfigError, UsageError, did_you_mean
from hyperspace_core.records.filter import is_missing, look_up
from hyperspace_core.records.rescored import decisive, rescored_of
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.table import RUN, SECONDS, seconds_of, tabulate

Value = Callable[[RunRecord], Any]
_OWN: dict[str, Value] = {RUN: lambda record: record.id, SECONDS: seconds_of, "time": seconds_of}


def ordered(records: Iterable[RunRecord], order_by: str) -> list[RunRecord]:
    """Sort by a column such as `seed`, `config.a.trees`; `-` before it: descending.

    A recomputed metric takes precedence over the returned value of the same name; that one is `result` or
    `metrics.accuracy`. Missing values and NaN come last; ties are sorted by age. Raises `UsageError` for a
    column that no run has.
    """
    by_age = sorted(records, key=lambda record: record.id)
    name = order_by.removeprefix("-")
    if not name:
        raise UsageError(f"order by {order_by!r}: expected a column, as in 'seconds' or '-seconds'")
    values = [(_sortable(value), record) for value, record in zip(_values(by_age, name), by_age, strict=True)]
    known = [item for item in values if item[0] is not None]
    known.sort(key=lambda item: item[0] or (), reverse=order_by.startswith("-"))
    return [record for _, record in known] + [record for key, record in values if key is None]


def _values(records: Sequence[RunRecord], name: str) -> list[Any]:
    if name in _OWN:
        return list(map(_OWN[name], records))
    if any(record.metric.name == name for record in records):
        return [decisive(record) if record.metric.name == name else look_up(record, f"metrics.{name}")
                for record in records]
    computed = [rescored_of(record) for record in records]
    if any(name in one for one in computed):           # a run without one has its returned value
        return [one[name].value if name in one else look_up(record, f"metrics.{name}")
                for one, record in zip(computed, records, strict=True)]
    found = [look_up(record, name) for record in records]
    if not all(map(is_missing, found)):
        return [_class_of(value) for value in found]
    table = tabulate(records, constant=True, as_given=True)
    column = next((column for column in table.columns if column.name == name), None)
    if column is None and records:
        raise UsageError(f"order by {name!r}: no run has such a column{did_you_mean(name, table.names)}")
    return [] if column is None else list(column.values)


def _class_of(value: Any) -> Any:
    """The class name of a component; any other value unchanged."""
    return value[CLASS_NAME] if isinstance(value, dict) and CLASS_NAME in value else value


def _sortable(value: Any) -> tuple[int, Any] | None:
    """Sort key: numbers, texts, other values; None for missing values and NaN."""
    if value is None or value is MISSING or is_missing(value):
        return None
    if isinstance(value, int | float):
        return None if math.isnan(value) else (0, value)
    return (1, value) if isinstance(value, str) else (2, _text(value))


def _text(value: Any) -> str:
    try:
        return canonical(value)
    except ConfigError:                        # a time, an attempt
        return str(value)
