"""Golden data: inputs and their outputs, in files readable without pickle.

Each side is a JSON file with the value, in which None replaces each array, and one `.npy` file per array.
A service's tests pass the inputs to the served model and compare the outputs: see `check_golden`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from hyperspace_core.config.tree import shown, too_deep
from hyperspace_core.errors import ValueNotStorable
from hyperspace_core.records.codec import storable
from hyperspace_core.records.logged import array_bytes, check_label, is_name, loaded

FOLDER = "golden"              # prefix of the labels of golden artifacts
SIDES = ("inputs", "outputs")
Keys = tuple[str | int, ...]   # position of an array in a value


def label(name: str, file: str) -> str:
    """The label of the artifact that holds a file of golden data."""
    return f"{FOLDER}/{name}/{file}"


def golden_files(name: Any, inputs: Any, outputs: Any) -> dict[str, bytes]:
    """Label → content. Each side is None, bool, number, text, a numpy array, or lists and dicts of these.

    The data is complete once the last file is written. Raises `ValueNotStorable` with the path of a value
    that is not storable.
    """
    if not is_name(name) or "/" in name:
        raise ValueNotStorable(f"log_golden(name={shown(name)}): use a plain name without '/', such as "
                               "'default'")
    check_label(label(name, "inputs.json"))
    return {label(name, file): content for side, value in zip(SIDES, (inputs, outputs), strict=True)
            for file, content in _files(side, value, f"golden {side}").items()}


def assembled(side: str, read: Callable[[str], bytes]) -> Any:
    """Restore a side's value; `read` returns a file's content. Raises `ValueError`."""
    index = json.loads(read(f"{side}.json"))
    if not isinstance(index, dict) or not {"value", "arrays"} <= set(index):
        raise ValueError("it is not golden data")
    value: Any = index["value"]
    for number, keys in enumerate(index["arrays"]):
        value = _with(value, keys, loaded(read(f"{side}.{number}.npy")))
    return value


def _files(side: str, value: Any, path: str) -> dict[str, bytes]:
    deep = too_deep(value)
    if deep is not None:
        raise ValueNotStorable(f"{path}: nested too deep, or refers to itself, at {deep}")
    arrays: list[tuple[Keys, Any]] = []
    plain = storable(_without_arrays(value, (), path, arrays), path)
    files = {f"{side}.{number}.npy": array_bytes(array) for number, (_, array) in enumerate(arrays)}
    index = {"value": plain, "arrays": [list(keys) for keys, _ in arrays]}
    return files | {f"{side}.json": json.dumps(index, ensure_ascii=False, indent=1).encode()}


def _without_arrays(value: Any, keys: Keys, path: str, arrays: list[tuple[Keys, Any]]) -> Any:
    """The value with None in place of its arrays, which are added to `arrays` with their positions."""
    if isinstance(value, dict):
        return {key: _without_arrays(inner, (*keys, key), f"{path}.{key}", arrays)
                for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(inner, (*keys, index), f"{path}[{index}]", arrays)
                for index, inner in enumerate(value)]
    if hasattr(value, "dtype") and getattr(value, "shape", ()) != ():
        arrays.append((keys, _checked(value, path)))
        return None
    return value


def _checked(value: Any, path: str) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray) or isinstance(value, numpy.ma.MaskedArray):
        raise ValueNotStorable(f"{path}: {type(value).__name__} cannot be stored; convert it to a numpy "
                               "array, or to lists and dicts of numbers")
    if value.dtype.hasobject:
        raise ValueNotStorable(f"{path}: an array of Python objects cannot be stored; use lists, or an array "
                               "of numbers or of texts (dtype=str)")
    return value


def _with(value: Any, keys: list[str | int], array: Any) -> Any:
    """The value with an array put in its position."""
    if not keys:
        return array
    try:
        holder = value
        for key in keys[:-1]:
            holder = holder[key]
        holder[keys[-1]] = array
    except (LookupError, TypeError):
        raise ValueError(f"it has no position {keys} for an array") from None
    return value
