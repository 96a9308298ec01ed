"""Convert dimensions and values to Optuna's, and back.

A dimension's key is the parameter's name, since two classes may have parameters with one path. A choice is
passed as the index of its value: Optuna then need not distinguish 1 from True, nor store lists and dicts.
Optuna has no logarithmic range with steps: the steps are dropped, and values rounded on the way back.
"""

from __future__ import annotations

from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from hyperspace_core.config.dimensions import Dimension, nearest_value, values_in
from hyperspace_core.ranges import Choice, Int


def distribution_of(one: Dimension) -> BaseDistribution:
    """The Optuna distribution of a dimension's range."""
    range_ = one.range
    if isinstance(range_, Choice):
        return CategoricalDistribution(range(len(range_.values)))
    low, high, step = range_.low, range_.high, range_.step
    if step is not None and not range_.log:
        # Optuna requires an end that the steps reach exactly
        high = float(f"{low + (values_in(range_) - 1) * step:.12g}")
    if isinstance(range_, Int):
        return IntDistribution(int(low), int(high), log=range_.log, step=1 if range_.log else range_.step)
    return FloatDistribution(low, high, log=range_.log, step=None if range_.log else step)


def to_optuna(one: Dimension, value: Any) -> Any:
    """Convert a value of the dimension for Optuna."""
    if not isinstance(one.range, Choice):
        return value
    return next(index for index, known in enumerate(one.range.values)
                if value == known and type(value) is type(known))


def from_optuna(one: Dimension, value: Any) -> Any:
    """Convert a value from Optuna for the dimension."""
    if isinstance(one.range, Choice):
        return one.range.values[value]
    return nearest_value(one.range, value)
