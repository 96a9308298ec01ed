"""Check what `single_run` returned and turn it into numbers."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from hyperspace_core.config.tree import unwrapped
from hyperspace_core.errors import HyperspaceError, did_you_mean
from hyperspace_core.records.logged import MAX_INT, MAX_NAME, is_number

Number = int | float
CURE = "; return it too, or name another as the task's metric"


class BadResult(HyperspaceError):
    """The returned value is no valid result; `metrics` holds the numbers in it."""

    def __init__(self, message: str, metrics: dict[str, Number] | None = None) -> None:
        super().__init__(message)
        self.metrics = metrics or {}


def numbers_of(returned: Any, metric: str) -> tuple[float, dict[str, Number]]:
    """The task's metric, and all numbers by name. NaN and infinities are numbers.

    A plain number is the metric itself; a dict must hold it. Scalars of numpy and torch are unwrapped. Raises
    `BadResult` for other values.
    """
    value = unwrapped(returned)
    if is_number(value):
        checked = _checked(f"the result of single_run, `{metric}`", value)
        return float(checked), {metric: checked}
    if not isinstance(value, Mapping):
        raise BadResult(f"single_run returned {_described(value)}; expected a number or a dict of numbers")
    metrics, problems = _each(value)
    if metric not in value:
        has = ", ".join(map(str, value)) or "nothing"
        problems.insert(0, f"single_run returned {has}, but not the task's metric '{metric}'"
                           f"{did_you_mean(metric, metrics) or CURE}")
    if problems:
        raise BadResult("\n".join(problems), metrics)
    return float(metrics[metric]), metrics


def numbers_in(returned: Mapping[Any, Any]) -> dict[str, Number]:
    """The entries that are numbers; others are ignored."""
    return _each(returned)[0]


def _each(returned: Mapping[Any, Any]) -> tuple[dict[str, Number], list[str]]:
    metrics: dict[str, Number] = {}
    problems: list[str] = []
    for name, value in returned.items():
        try:
            metrics[_name(name)] = _checked(f"result.{name}", unwrapped(value))
        except BadResult as problem:
            problems.append(str(problem))
    return metrics, problems


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise BadResult(f"result: key {name!r} is {type(name).__name__}; keys must be strings")
    if not 0 < len(name) <= MAX_NAME or any(ord(c) < 32 or 0xD800 <= ord(c) <= 0xDFFF for c in name):
        raise BadResult(f"result: key {name[:40]!r}: a name is one line of 1 to {MAX_NAME} characters")
    return str(name)


def _checked(where: str, value: Any) -> Number:
    if not is_number(value):
        raise BadResult(f"{where}: expected a number, found {_described(value)}")
    if isinstance(value, int) and abs(value) > MAX_INT:
        raise BadResult(f"{where}: a whole number beyond 64 bits; return it as a float")
    return int(value) if isinstance(value, int) else float(value)  # subclasses become plain numbers


def _described(value: Any) -> str:
    if inspect.iscoroutine(value):
        value.close()
        return "a coroutine (did you forget await?)"
    if inspect.isgenerator(value):
        return "a generator (is there a yield in it?)"
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, type):
        return f"the class {value.__name__} (did you forget to call it?)"
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return f"{type(value).__name__} of {in_bytes(size)}; log it with log_artifact()"
    return f"{type(value).__name__} {str(value)[:40]!r}" if isinstance(value, str) else type(value).__name__


def in_bytes(size: float) -> str:
    """`size` bytes for people: `23.1 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
