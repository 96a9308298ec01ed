"""Golden data of an exported run: check a service against the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hyperspace_core.config.tree import shown, unwrapped
from hyperspace_core.errors import ExitCode, HyperspaceError, NotFound, UsageError, did_you_mean
from hyperspace_core.production.folder import Exported, read_folder
from hyperspace_core.records.golden import assembled, label

# -- Find the first difference between two values: plain values and arrays --

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


class GoldenDiffers(HyperspaceError):
    """The outputs differ from the golden data; names the first difference."""

    exit_code = ExitCode.FAILED


def golden(folder: str | Path, name: str = "default") -> tuple[Any, Any]:
    """Read golden inputs and outputs, as stored with `run.log_golden`.

    Arrays are numpy arrays. Raises `NotFound` for an unknown name, `HyperspaceError` for unreadable files.
    """
    exported = read_folder(folder)
    known = exported.manifest["golden"]
    if name not in known:
        has = f"it has {', '.join(known)}" if known else "the scenario logs none with run.log_golden(...)"
        raise NotFound(f"{exported.folder}: no golden data {name!r} was exported"
                       f"{did_you_mean(name, known) or f'; {has}'}")
    return _side(exported, name, "inputs"), _side(exported, name, "outputs")


def check_golden(folder: str | Path, function: Callable[[Any], Any], name: str = "default",
                 tolerance: float = 0.0) -> None:
    """Call `function` with the golden inputs and compare with the outputs.

    `tolerance`: largest allowed difference of numbers, absolute or relative to the larger one. Raises
    `GoldenDiffers` with the first difference in one line, and the exceptions of `golden` and `function`.
    """
    if not 0 <= tolerance < math.inf:
        raise UsageError(f"check_golden: tolerance must be a number >= 0, got {tolerance!r}")
    inputs, outputs = golden(folder, name)
    differs = first_difference(outputs, function(inputs), tolerance, "outputs")
    if differs:
        within = f" within {tolerance:g}" if tolerance else ""
        raise GoldenDiffers(f"{folder}: golden data {name!r} does not match{within}: {differs}")


def _side(exported: Exported, name: str, side: str) -> Any:
    try:
        return assembled(side, lambda file: exported.path(label(name, file)).read_bytes())
    except (ValueError, EOFError, OSError, ImportError) as error:
        raise HyperspaceError(f"{exported.folder}: the {side} of golden data {name!r} cannot be read "
                              f"({error})") from None
