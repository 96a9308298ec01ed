"""Predictions of a run per example, to compute metrics without training.

Each array is stored as a `.npy` artifact of the run, which is readable without pickle.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from hyperspace_core.config.tree import shown
from hyperspace_core.errors import ValueNotStorable
from hyperspace_core.records.logged import check_label

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
    return {check_label(f"{FOLDER}/{name}{_SUFFIX}"): _saved(numpy, array) for name, array in made.items()}


def name_of(label: str) -> str | None:
    """The name of the array in the artifact of this label; None for others."""
    folder, _, file = label.partition("/")
    ours = folder == FOLDER and file.endswith(_SUFFIX) and "/" not in file
    return file.removesuffix(_SUFFIX) if ours else None


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


def _saved(numpy: Any, array: Any) -> bytes:
    buffer = io.BytesIO()
    numpy.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
