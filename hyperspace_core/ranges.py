"""Ranges of hyper-parameters: `trees: Annotated[int, Int(10, 1000)] = 100`.

There are three: whole numbers, real numbers, and a choice among values. Bounds are inclusive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hyperspace_core.errors import RegistrationError


class _Bounded:
    """Numbers from `low` to `high`; `step` is None or a number."""

    low: float
    high: float
    log: bool
    step: float | None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high)) or self.low > self.high:
            raise RegistrationError(f"{self!r}: the bounds must be finite and low <= high")
        if self.log and self.low <= 0:
            raise RegistrationError(f"{self!r}: a logarithmic range needs low > 0")
        if self.step is not None and self.step <= 0:
            raise RegistrationError(f"{self!r}: step must be positive")

    def __repr__(self) -> str:
        """The range as a user writes it, for messages; default arguments are omitted."""
        log = ", log=True" if self.log else ""
        step = f", step={self.step!r}" if self.step != type(self).step else ""
        return f"{type(self).__name__}({self.low!r}, {self.high!r}{log}{step})"


@dataclass(frozen=True, repr=False)
class Int(_Bounded):
    """Whole numbers from `low` to `high`, both included; `log`: by magnitude."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return self.low <= value <= self.high and (value - self.low) % self.step == 0


@dataclass(frozen=True, repr=False)
class Float(_Bounded):
    """Real numbers from `low` to `high`, both included; `log`: by magnitude."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

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


def each(*values: Any) -> dict[str, Any]:
    """Alternatives, for any place in a grid: `{"layers": each([50], [100, 50])}`."""
    return {"each": list(values)}
