"""What a run measured, piece by piece: what two configs are paired by, and what a mean is taken of.

A run in parts (`Repeated`, `PerSeries`, `Rolling`) measured once in each of them, any other run once. Parts
with seeds of their own are told apart by these, others by their names: so what two runs measured at the very
same seed is one measurement, made twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hyperspace_core.records.logged import is_number
from hyperspace_core.records.parts import NOTED
from hyperspace_core.records.rescored import decisive
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.words import value_text

FOLD = "fold"                  # a parameter of this name says which part of the data a run had

Unit = tuple[int | None, str, str]         # seed, folds, part


def unit_of(record: RunRecord) -> Unit:
    """Of a run as a whole: its seed, and its folds where it names some."""
    config = record.config if record.config is not None else record.submitted
    return record.seed, ", ".join([*_folds(record.scenario), *_folds(config)]), ""


def measured(record: RunRecord) -> dict[Unit, float]:
    """By unit; nothing of a run without a result. A metric that was mended counts for the run as a whole."""
    whole, unit = decisive(record), unit_of(record)
    if whole is None:
        return {}
    parts = _parts(record) if whole == record.result else {}
    if len(parts) < 2:
        return {unit: whole}
    drawn = len({seed for seed, _ in parts.values()}) == len(parts)        # each has a seed of its own
    return {(seed, unit[1], "") if drawn else (unit[0], unit[1], name): value
            for name, (seed, value) in parts.items()}


def _parts(record: RunRecord) -> dict[str, tuple[Any, float]]:
    """Name → seed and value of each of the parts that the result is the mean of."""
    names = {key.removeprefix(NOTED): note for key, note in record.info.items()
             if key.startswith(NOTED) and isinstance(note, dict)}
    values: dict[str, Any] = {name: record.metrics.get(f"{record.metric.name}/{name}") for name in names}
    return {name: (names[name].get("seed"), float(value)) for name, value in values.items()
            if is_number(value)}


def _folds(value: Any) -> Iterator[str]:
    """What stands under the name in a tree, in its order."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == FOLD:
                yield value_text(inner)
            else:
                yield from _folds(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _folds(inner)
