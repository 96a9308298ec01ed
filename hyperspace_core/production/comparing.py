"""Find the first difference between two values: plain values and arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hyperspace_core.config.tree import shown, unwrapped


def first_difference(expected: Any, found: Any, tolerance: float, path: str) -> str | None:
    """Describe the first difference (`path: expected 0.5, got 0.7`), or return None.

    Numbers agree if they differ by at most `tolerance`, absolute or relative to the larger one; NaN agrees
    with NaN. Tuples count as lists. An expected array is compared with `numpy.asarray(found)`.
    """
    if _is_array(expected):
        return _arrays(expected, found, tolerance, path)
    expected, found = unwrapped(expected), unwrapped(found)
    if isinstance(expected, Mapping):
        return _sections(expected, found, tolerance, path)
    if isinstance(expected, list | tuple):
        return _lists(expected, found, tolerance, path)
    if _is_number(expected) and _is_number(found):
        return None if _agree(expected, found, tolerance) else _message(path, expected, found)
    same = type(expected) is type(found) and expected == found
    return None if same else _message(path, expected, found)


def _sections(expected: Mapping[str, Any], found: Any, tolerance: float, path: str) -> str | None:
    if not isinstance(found, Mapping):
        return f"{path}: expected a dict, got {shown(found)}"
    for key, value in expected.items():
        if key not in found:
            return f"{path}: {key!r} is missing"
        differs = first_difference(value, found[key], tolerance, f"{path}.{key}")
        if differs:
            return differs
    extra = next((key for key in found if key not in expected), None)
    return None if extra is None else f"{path}: {extra!r} was not expected"


def _lists(expected: list[Any] | tuple[Any, ...], found: Any, tolerance: float, path: str) -> str | None:
    if _is_array(found):
        found = found.tolist()
    if not isinstance(found, list | tuple):
        return f"{path}: expected a list, got {shown(found)}"
    if len(expected) != len(found):
        return f"{path}: expected {len(expected)} items, got {len(found)}"
    for index, (one, other) in enumerate(zip(expected, found, strict=True)):
        differs = first_difference(one, other, tolerance, f"{path}[{index}]")
        if differs:
            return differs
    return None


def _arrays(expected: Any, found: Any, tolerance: float, path: str) -> str | None:
    import numpy

    try:
        other = numpy.asarray(found)
    except (TypeError, ValueError):        # lists of uneven lengths
        return f"{path}: expected an array of shape {expected.shape}, got {shown(found)}"
    if expected.shape != other.shape:
        return f"{path}: expected an array of shape {expected.shape}, got {other.shape}"
    if _numeric(expected) and _numeric(other):
        agree = (expected == other) | numpy.isclose(other, expected, rtol=tolerance, atol=tolerance,
                                                    equal_nan=True)
    else:
        agree = numpy.asarray(expected == other) & (_numeric(expected) == _numeric(other))
    if agree.all():
        return None
    first = tuple(int(index) for index in numpy.argwhere(~agree)[0])
    at = f"{path}[{', '.join(map(str, first))}]"
    count = int((~agree).sum())
    more = f" ({count} of {expected.size} values differ)" if count > 1 else ""
    return _message(at, expected[first], other[first]) + more


def _numeric(array: Any) -> bool:
    return array.dtype.kind in "biufc"


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and getattr(value, "shape", ()) != ()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _agree(one: float, other: float, tolerance: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other)) or math.isclose(
        one, other, rel_tol=tolerance, abs_tol=tolerance)


def _message(path: str, expected: Any, found: Any) -> str:
    one, other = unwrapped(expected), unwrapped(found)
    if type(one) is type(other):
        return f"{path}: expected {shown(one).partition(' ')[2]}, got {shown(other).partition(' ')[2]}"
    return f"{path}: expected {shown(one)}, got {shown(other)}"
