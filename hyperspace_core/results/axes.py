"""Axes of plots: linear, logarithmic or by name."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hyperspace_core.config.tree import MISSING
from hyperspace_core.results.format import value_text

NOT_THERE = "–"                # the run's class has no such parameter
WIDE = 20                       # from this ratio on, an axis of positive numbers is logarithmic
FEW = 6                        # up to so many different numbers each get a tick on a parallel axis


@dataclass(frozen=True, kw_only=True)
class Axis:
    """`shown`: plotly values; `places`: as numbers; `ticks`: place and label."""

    name: str
    shown: tuple[Any, ...]
    places: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...] = ()
    numeric: bool = False
    log: bool = False
    order: Callable[[Any], Any] = str      # sort key of the shown values


def axis_of(name: str, values: Sequence[Any]) -> Axis:
    """Build the axis for the values of a column, one value a run."""
    there = [value for value in values if value is not MISSING]
    numeric = bool(there) and all(isinstance(value, int | float) and not isinstance(value, bool)
                                  and math.isfinite(value) for value in there)
    if not numeric:
        return _named(name, values)
    log = min(there) > 0 and max(there) / min(there) >= WIDE
    scale: Callable[[float], float] = math.log10 if log else float
    places, ticks = _scaled(values, there, scale, log=log)
    return Axis(name=label(name), shown=tuple(values), places=places, ticks=ticks, numeric=True, log=log,
                order=float)


def label(text: str) -> str:
    """Escape stored text, so that plotly does not read tags in it."""
    return html.escape(text, quote=False)


def _scaled(values: Sequence[Any], there: Sequence[float], scale: Callable[[float], float], *,
            log: bool) -> tuple[tuple[float, ...], tuple[tuple[float, str], ...]]:
    low, high = scale(min(there)), scale(max(there))
    below = low - 0.15 * ((high - low) or 1.0)
    places = tuple(below if value is MISSING else scale(value) for value in values)
    if not log and len(there) == len(values) and len(set(there)) > FEW:
        return places, ()          # plotly's own ticks
    different = sorted(set(there))
    if len(different) > FEW:
        different = [10.0 ** decade for decade in range(math.ceil(low), math.floor(high) + 1)] if log else (
            [min(there), max(there)])
    ticks = [(scale(value), value_text(float(value))) for value in different]
    return places, tuple([(below, NOT_THERE), *ticks] if len(there) < len(values) else ticks)


def _named(name: str, values: Sequence[Any]) -> Axis:
    shown = tuple(NOT_THERE if value is MISSING else label(value_text(value)) for value in values)
    names = sorted(set(shown), key=lambda one: (one != NOT_THERE, one))
    place = {text: float(number) for number, text in enumerate(names)}
    return Axis(name=label(name), shown=shown, places=tuple(place[text] for text in shown),
                ticks=tuple((number, text) for text, number in place.items()), order=place.__getitem__)
