"""Measured units of runs: the basis for pairs and means.

A run in parts (`Repeated`, `PerSeries`, `Rolling`) has one measurement a part, any other run one. Parts with
their own seeds are identified by seed, others by name: two runs at the same seed made the same measurement.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hyperspace_core.records.logged import is_number
from hyperspace_core.records.parts import NOTED
from hyperspace_core.records.rescored import decisive
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.words import value_text

FOLD = "fold"                  # a parameter of this name selects the part of the data

Unit = tuple[int | None, str, str]         # seed, folds, part


def unit_of(record: RunRecord) -> Unit:
    """Unit of a whole run: its seed and its folds, if any."""
    config = record.config if record.config is not None else record.submitted
    return record.seed, ", ".join([*_folds(record.scenario), *_folds(config)]), ""


def measured(record: RunRecord) -> dict[Unit, float]:
    """Results by unit; empty without a result. A rescored one has a single unit."""
    whole, unit = decisive(record), unit_of(record)
    if whole is None:
        return {}
    parts = _parts(record) if whole == record.result else {}
    if len(parts) < 2:
        return {unit: whole}
    drawn = len({seed for seed, _ in parts.values()}) == len(parts)        # each part has its own seed
    return {(seed, unit[1], "") if drawn else (unit[0], unit[1], name): value
            for name, (seed, value) in parts.items()}


def _parts(record: RunRecord) -> dict[str, tuple[Any, float]]:
    """Part → seed and value; the result is the mean of these values."""
    names = {key.removeprefix(NOTED): note for key, note in record.info.items()
             if key.startswith(NOTED) and isinstance(note, dict)}
    values: dict[str, Any] = {name: record.metrics.get(f"{record.metric.name}/{name}") for name in names}
    return {name: (names[name].get("seed"), float(value)) for name, value in values.items()
            if is_number(value)}


def _folds(value: Any) -> Iterator[str]:
    """Values of all `fold` keys of a tree, in order."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == FOLD:
                yield value_text(inner)
            else:
                yield from _folds(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _folds(inner)
