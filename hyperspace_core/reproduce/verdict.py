"""Compare two executions of a run: result, metrics and every logged point."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import zip_longest
from typing import Any

from hyperspace_core.errors import UsageError
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State


class Likeness(StrEnum):
    """Similarity of two executions, the strictest first."""

    IDENTICAL = "identical"            # to the last bit
    EQUAL = "equal within tolerance"
    DIVERGED = "diverged"


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The first difference between two executions."""

    where: str                         # "loss, point 3 (step 2)", "metric accuracy"
    before: Any                        # None: missing
    now: Any

    def __str__(self) -> str:
        return f"{self.where}: {_text(self.before)} then, {_text(self.now)} now"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Result of comparing two executions."""

    likeness: Likeness
    first: Divergence | None = None    # first difference above the tolerance, else within it
    compared: int = 0                  # numbers

    @property
    def same(self) -> bool:
        return self.likeness is not Likeness.DIVERGED


def check_tolerance(tolerance: float) -> None:
    """Raises `UsageError` unless the tolerance is a finite number >= 0."""
    if not 0 <= tolerance < math.inf:
        raise UsageError(f"tolerance: expected a number >= 0, got {tolerance!r}")


def judge(before: RunRecord, old: Sequence[Point], now: RunRecord, new: Sequence[Point], *,
          tolerance: float = 0.0, ignore: Sequence[str] = ()) -> Verdict:
    """Compare two executions: points in order, then metrics, then the result.

    `tolerance`: relative, and absolute below 1. `ignore`: series and metrics to leave out, as in "seconds/*".
    Two NaN are the same.
    """
    old, new = ([point for point in points if not _ignored(point.name, ignore)] for points in (old, new))
    if before.state is not now.state or (now.state is not State.COMPLETED and before.reason != now.reason):
        return Verdict(likeness=Likeness.DIVERGED, first=Divergence(
            where="outcome", before=_ending(before), now=_ending(now)))
    first, count = None, 0
    for where, one, other in _pairs(before, old, now, new, ignore):
        count += 1
        if _identical(one, other):
            continue
        if not _close(one, other, tolerance):
            return Verdict(likeness=Likeness.DIVERGED, compared=count,
                           first=Divergence(where=where, before=one, now=other))
        first = first or Divergence(where=where, before=one, now=other)
    return Verdict(likeness=Likeness.EQUAL if first else Likeness.IDENTICAL, first=first, compared=count)


def _ignored(name: str, ignore: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in ignore)


def _pairs(before: RunRecord, old: Sequence[Point], now: RunRecord, new: Sequence[Point],
           ignore: Sequence[str]) -> Iterator[tuple[str, Any, Any]]:
    for number, (one, other) in enumerate(zip_longest(old, new)):
        yield from _point_pairs(number, one, other)
    for name in dict.fromkeys([*before.metrics, *now.metrics]):
        if _ignored(name, ignore):
            continue
        yield f"metric {name}", before.metrics.get(name), now.metrics.get(name)
    yield "result", before.result, now.result


def _point_pairs(number: int, one: Point | None, other: Point | None) -> Iterator[tuple[str, Any, Any]]:
    """Pair two points; a different name or step is a difference."""
    either = one or other
    if either is None:
        return
    step = "" if either.step is None else f" (step {either.step})"
    where = f"{either.name}, point {number + 1}{step}"
    if one is None or other is None or (one.name, one.step) != (other.name, other.step):
        yield where, _named(one), _named(other)
    else:
        yield where, one.value, other.value


def _named(point: Point | None) -> str | None:
    return None if point is None else f"{point.name} at step {point.step} is {point.value!r}"


def _identical(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or struct.pack("d", one) == struct.pack("d", other)
    return type(one) is type(other) and bool(one == other)


def _close(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two numbers agree within the tolerance; False for other values."""
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    if not numbers or isinstance(one, bool) or isinstance(other, bool):
        return False
    return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)


def _ending(record: RunRecord) -> str:
    return f"{record.state}{f' ({record.reason})' if record.reason else ''}"


def _text(value: Any) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else repr(value)


