"""Values that user code may log, with their checks.

Each check runs in the logging call, so the traceback shows the mistake.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hyperspace_core.config.tree import HIGHEST, is_number, is_whole_number, shown, unwrapped
from hyperspace_core.errors import ValueNotStorable

MAX_NAME = 200                 # characters
MAX_INT = HIGHEST


@dataclass(frozen=True, kw_only=True)
class Point:
    """One value of a series; `seq` numbers an attempt's points without gaps."""

    seq: int
    name: str
    step: int | None
    value: float
    at: float                      # seconds since the epoch, for display


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is. `total` is None while unknown."""

    done: float
    total: float | None = None
    eta_s: float | None = None     # estimated seconds left
    note: str = ""


# -- The messages of a live run to its sink --

PointTuple = tuple[int, str, int | None, float, float]      # seq, name, step, value, at: as in `Point`


@dataclass(frozen=True, slots=True)
class Points:
    """Metric points in their order."""

    points: list[PointTuple]


def point_of(values: PointTuple) -> Point:
    seq, name, step, value, at = values
    return Point(seq=seq, name=name, step=step, value=value, at=at)


@dataclass(frozen=True, slots=True)
class InfoSet:
    """`run.info[key] = value`; a later one of the same key replaces the earlier."""

    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class ProgressSet:
    """The progress of the run; a later one replaces the earlier."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class ArtifactStaged:
    """A finished file, which the receiver owns from now on: it may be moved or deleted."""

    name: str
    path: str


# -- Checks --

def is_name(name: Any) -> bool:
    """Whether a value is one line of printable text."""
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable()


def check_name(name: Any) -> str:
    """Check the name of a series. Raises `ValueNotStorable`."""
    if not is_name(name):
        raise ValueNotStorable(f"{_call(name)}: a name is 1 to {MAX_NAME} printable characters")
    return str.__str__(name)       # plain, also of an Enum


def check_number(name: str, value: Any, step: Any = None) -> float:
    """Convert a series value, also of numpy or torch. Raises `ValueNotStorable`."""
    number = unwrapped(value)
    if not is_number(number):
        raise ValueNotStorable(f"{_call(name, step)}: expected a number, got {type(number).__name__}")
    if isinstance(number, int) and abs(number) > MAX_INT:
        raise ValueNotStorable(f"{_call(name, step)}: a whole number beyond 64 bit")
    return float(number)


def check_step(name: str, step: Any) -> int:
    """Convert a step of a series. Raises `ValueNotStorable`."""
    number = unwrapped(step)
    if not is_whole_number(number) or not 0 <= number <= MAX_INT:
        raise ValueNotStorable(f"{_call(name)}: a step is a whole number >= 0, got {shown(number)}")
    return int(number)


def check_label(name: Any) -> str:
    """Check an artifact's label: a relative path valid on every system. Raises `ValueNotStorable`."""
    parts = name.split("/") if is_name(name) else [""]
    if {"", ".", ".."} & set(parts) or "\\" in name or ":" in parts[0]:
        raise ValueNotStorable(f"artifact name {_short(name)}: use a plain relative name such as "
                               "'plots/roc.png'")
    return str.__str__(name)


def progress_of(done: Any, total: Any, note: Any, *, elapsed_s: float) -> Progress:
    """The progress after `elapsed_s`; values that are not finite are unknown."""
    so_far, whole, eta = _finite(done) or 0.0, _finite(total), None
    if whole and so_far > 0:
        eta = max(0.0, elapsed_s / so_far * (whole - so_far))
    text = str(note)[:MAX_NAME].encode("utf-8", "backslashreplace").decode("utf-8")
    return Progress(done=so_far, total=whole, eta_s=eta, note=text)


def _finite(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _call(name: Any, step: Any = None) -> str:
    at = "" if step is None else f", step={_short(step)}"
    return f"log_scalar({_short(name)}, …{at})"


def _short(value: Any) -> str:
    """A value as it was written, on one line, shortened."""
    if isinstance(value, str):
        return ascii(value) if len(value) <= 60 else f"{value[:60]!a}…"
    return shown(value)


# -- Predictions of a run per example, to compute metrics without training --

FOLDER = "predictions"         # prefix of the artifacts' labels
_SUFFIX = ".npy"


def prediction_files(arrays: Mapping[str, Any]) -> dict[str, bytes]:
    """Label → content. Each array has one entry per example along its first axis.

    Raises `ValueNotStorable` for values that are not arrays of numbers or texts, and for different lengths.
    """
    import numpy

    made = {name: _array(numpy, name, value) for name, value in arrays.items()}
    lengths = {name: len(array) for name, array in made.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueNotStorable(f"log_predictions: {found} entries; all need one for each example")
    return {check_label(f"{FOLDER}/{name}{_SUFFIX}"): array_bytes(array) for name, array in made.items()}


def name_of(label: str) -> str | None:
    """The name of the array in the artifact of this label; None for others."""
    folder, _, file = label.partition("/")
    ours = folder == FOLDER and file.endswith(_SUFFIX) and "/" not in file
    return file.removesuffix(_SUFFIX) if ours else None


def array_bytes(array: Any) -> bytes:
    """An array as the content of a `.npy` file, without pickle."""
    import numpy

    buffer = io.BytesIO()
    numpy.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def loaded(content: bytes) -> Any:
    """Load an array from content. Raises `ValueError` for others and pickles."""
    import numpy

    return numpy.load(io.BytesIO(content), allow_pickle=False)


def _array(numpy: Any, name: str, value: Any) -> Any:
    try:
        array = numpy.asarray(value)
    except Exception as error:
        raise ValueNotStorable(f"log_predictions({name}={shown(value)}): cannot be converted to an array "
                               f"({type(error).__name__}: {error})") from error
    if array.ndim == 0 or array.dtype.hasobject:
        raise ValueNotStorable(f"log_predictions({name}={shown(value)}): expected an array of numbers or "
                               "texts, one entry for each example")
    return array
