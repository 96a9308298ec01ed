"""Registered metrics, computed from the predictions of runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from hyperspace_core.config.tree import unwrapped
from hyperspace_core.errors import RegistrationError, UsageError
from hyperspace_core.records.logged import is_name, is_number
from hyperspace_core.records.run import Goal

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class NotComputed(UsageError):
    """A metric could not be computed for one run."""


@dataclass(frozen=True, kw_only=True)
class RegisteredMetric:
    """A function of predictions; its parameters are the names of their arrays."""

    name: str
    function: Callable[..., Any]
    goal: Goal
    origin: str = ""

    def of(self, arrays: Mapping[str, Any]) -> float:
        """Compute the metric. Raises `NotComputed` for a missing array or an error."""
        given = self._arguments(arrays)
        try:
            value = unwrapped(self.function(**given))
        except Exception as error:
            raise NotComputed(f"{self.name} raised {type(error).__name__}: {error}") from error
        if not is_number(value):
            raise NotComputed(f"{self.name} returned a {type(value).__name__}; a metric returns one number")
        return float(value)

    def _arguments(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        parameters = inspect.signature(self.function).parameters.values()
        needed = [one.name for one in parameters if one.kind in _BY_NAME
                  and one.default is inspect.Parameter.empty]
        missing = [name for name in needed if name not in arrays]
        if missing:
            raise NotComputed(f"{self.name} needs `{missing[0]}`, and the run has stored "
                              f"{', '.join(sorted(arrays))}; name parameters as in run.log_predictions")
        return {one.name: arrays[one.name] for one in parameters
                if one.kind in _BY_NAME and one.name in arrays}


def checked_metric(name: Any, function: Any, goal: Any, origin: str) -> RegisteredMetric:
    """Check a metric. Raises `RegistrationError`."""
    if not is_name(name):
        raise RegistrationError(f"register.metric({name!r}): expected a name of one printable line")
    if goal not in get_args(Goal):
        raise RegistrationError(f"register.metric({name!r}, goal={goal!r}): expected 'maximize' or "
                                "'minimize'")
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise RegistrationError(f"register.metric({name!r}, {function!r}): expected a function of arrays, as "
                                "in `def error(y_true, y_pred)`") from None
    if any(one.kind is inspect.Parameter.POSITIONAL_ONLY for one in parameters):
        raise RegistrationError(f"register.metric({name!r}): its arguments are passed by name, and one is "
                                "positional-only")
    return RegisteredMetric(name=name, function=function, goal=goal, origin=origin)
