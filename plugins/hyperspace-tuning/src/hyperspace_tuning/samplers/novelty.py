"""Explore new dimensions away from the value that all past runs have.

A new parameter has its default in every earlier run; a newly registered class occurs in none. A sampler that
learns from these sees one value only and would keep to it. So a dimension is *new* where the first runs that
have it all have its default. It gets other values, each as far as possible from those tried, until a few were
tried. A value that a choice gained later is new likewise. Each proposal sets about half of the new
dimensions; the sampler chooses the rest, and all other dimensions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, cast

from hyperspace_core.plugin import trees
from hyperspace_core.ranges import Choice, Float, Int
from hyperspace_tuning.sampling import sample_value
from hyperspace_tuning.space import Dimension, Space, holds
from hyperspace_tuning.tuner import History, Trial

SETTLED = 10                   # runs at the default before a dimension can be new: a sampler's random start
TRIES = 5                      # trials away from the default before the sampler takes over
TRIES_OF_A_CHOICE = 3          # trials of each new value
DRAWS = 8                      # samples; the one farthest from those tried is used


def unexplored(space: Space, history: History, rng: Random) -> dict[str, Any]:
    """The new dimensions, by key, with a value to try for each."""
    own = [trial for trial in history.trials if trial.weight >= 1]
    found = {}
    for one in space.dimensions if len(own) >= SETTLED else ():
        choices = _new_choices(one, own) if isinstance(one.range, Choice) else []
        if choices:
            found[one.key] = rng.choice(choices)
        elif not isinstance(one.range, Choice) and one.default is not trees.MISSING:
            tried = _tried_elsewhere(one, own)
            if tried is not None:
                found[one.key] = _far(one.range, one.default, tried, rng)
    return _some(found, rng)


def _some(found: dict[str, Any], rng: Random) -> dict[str, Any]:
    """About half of them, at least one."""
    if len(found) < 2:
        return found
    return {key: found[key] for key in rng.sample(sorted(found), (len(found) + 1) // 2)}


def _values(one: Dimension, trials: Iterable[Trial]) -> Iterable[Any]:
    return (trial.assignment[one.path] for trial in trials if holds(one.when, trial.assignment))


def _new_choices(one: Dimension, trials: Sequence[Trial]) -> list[Any]:
    """Values that the first runs do not have, and only few of the later ones."""
    values = cast(Choice, one.range).values
    settled, counts = max(SETTLED, 3 * len(values)), [0] * len(values)
    late = set(range(len(values)))
    for seen, value in enumerate(_values(one, trials)):
        index = next(i for i, known in enumerate(values) if known == value and type(known) is type(value))
        counts[index] += 1
        if seen < settled:
            late.discard(index)
        elif all(counts[index] >= TRIES_OF_A_CHOICE for index in late):
            return []
    if sum(counts) < settled:
        return []
    return [values[index] for index in sorted(late) if counts[index] < TRIES_OF_A_CHOICE]


def _tried_elsewhere(one: Dimension, trials: Sequence[Trial]) -> list[Any] | None:
    """The tried values other than the default; None where the dimension is not new."""
    elsewhere: list[Any] = []
    seen = 0
    for seen, value in enumerate(_values(one, trials), start=1):
        if value != one.default:
            elsewhere.append(value)
            if seen <= SETTLED or len(elsewhere) >= TRIES:
                return None
    return elsewhere if seen >= SETTLED else None


def _far(range_: Int | Float, default: Any, tried: Sequence[Any], rng: Random) -> Any:
    """Of some random values the one farthest from those that were tried."""
    taken = [_share(range_, value) for value in (default, *tried)]
    return max((sample_value(range_, rng) for _ in range(DRAWS)),
               key=lambda value: min(abs(_share(range_, value) - one) for one in taken))


def _share(range_: Int | Float, value: float) -> float:
    """The position of a value in its range, from 0 to 1."""
    if range_.low == range_.high:
        return 0.0
    if range_.log:
        return math.log(value / range_.low) / math.log(range_.high / range_.low)
    return (value - range_.low) / (range_.high - range_.low)
