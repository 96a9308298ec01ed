"""Dimensions and values in Optuna's words, and back.

A dimension's key is the parameter's name, since two classes may have parameters of one path. A choice is
handed over as the index of its value: Optuna then need not tell 1 from True, nor know lists and dicts. What
Optuna lacks, a logarithmic range with steps, has its steps taken off and is rounded on the way back.
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
from hyperspace_core.space import Choice, Int


def distribution_of(one: Dimension) -> BaseDistribution:
    """What Optuna calls the range of a dimension."""
    range_ = one.range
    if isinstance(range_, Choice):
        return CategoricalDistribution(range(len(range_.values)))
    low, high, step = range_.low, range_.high, range_.step
    if step is not None and not range_.log:
        # Optuna wants an end that the steps reach, to the digit
        high = float(f"{low + (values_in(range_) - 1) * step:.12g}")
    if isinstance(range_, Int):
        return IntDistribution(int(low), int(high), log=range_.log, step=1 if range_.log else range_.step)
    return FloatDistribution(low, high, log=range_.log, step=None if range_.log else step)


def to_optuna(one: Dimension, value: Any) -> Any:
    """A value of the dimension as Optuna has it."""
    if not isinstance(one.range, Choice):
        return value
    return next(index for index, known in enumerate(one.range.values)
                if value == known and type(value) is type(known))


def from_optuna(one: Dimension, value: Any) -> Any:
    """A value that Optuna suggests, as the dimension has it."""
    if isinstance(one.range, Choice):
        return one.range.values[value]
    return nearest_value(one.range, value)
