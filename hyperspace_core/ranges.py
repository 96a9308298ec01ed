"""Ranges of hyper-parameters: `trees: Annotated[int, Int(10, 1000)] = 100`.

There are three: whole numbers, real numbers, and a choice among values. Bounds are inclusive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hyperspace_core.errors import RegistrationError


@dataclass(frozen=True)
class Int:
    """Whole numbers from `low` to `high`, both included; `log`: by magnitude."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    def __repr__(self) -> str:
        return _as_written(self, step=self.step if self.step != 1 else None)

    def __post_init__(self) -> None:
        _check_bounds(self, self.low, self.high, log=self.log, step=self.step)

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return self.low <= value <= self.high and (value - self.low) % self.step == 0


@dataclass(frozen=True)
class Float:
    """Real numbers from `low` to `high`, both included; `log`: by magnitude."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __repr__(self) -> str:
        return _as_written(self, step=self.step)

    def __post_init__(self) -> None:
        _check_bounds(self, self.low, self.high, log=self.log, step=self.step)

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high


@dataclass(frozen=True, init=False)
class Choice:
    """One of the given values: `Choice("relu", "gelu")`."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        if not values:
            raise RegistrationError("Choice() has no values: name at least one, as in Choice('relu', 'gelu')")
        object.__setattr__(self, "values", values)

    def __repr__(self) -> str:
        return f"Choice({', '.join(map(repr, self.values))})"

    def contains(self, value: object) -> bool:
        # 1 == True and 1 == 1.0 in Python, but not in a config
        return any(value == known and type(value) is type(known) for known in self.values)


Range = Int | Float | Choice


def _as_written(range_: Int | Float, *, step: float | None) -> str:
    """The range as a user writes it, for messages; default arguments are omitted."""
    log = ", log=True" if range_.log else ""
    return (f"{type(range_).__name__}({range_.low!r}, {range_.high!r}{log}"
            f"{'' if step is None else f', step={step!r}'})")


def _check_bounds(range_: Int | Float, low: float, high: float, *, log: bool, step: float | None) -> None:
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise RegistrationError(f"{range_!r}: the bounds must be finite and low <= high")
    if log and low <= 0:
        raise RegistrationError(f"{range_!r}: a logarithmic range needs low > 0")
    if step is not None and step <= 0:
        raise RegistrationError(f"{range_!r}: step must be positive")


def each(*values: Any) -> dict[str, Any]:
    """Alternatives, for any place in a grid: `{"layers": each([50], [100, 50])}`."""
    return {"each": list(values)}
