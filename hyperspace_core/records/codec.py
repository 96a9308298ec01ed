"""The values that a store accepts, and their JSON text; shared by all stores.

| given | stored as |
| --- | --- |
| None, bool, int within 64 bit, float (including NaN, infinities and -0.0), str | itself |
| dict with text keys, list | itself, copied |
| tuple | list |
| numpy or torch scalar, 0-d array | its number |
| `Path` | its text |
| `Enum` | its name |
| aware `datetime` | ISO 8601 text |
| anything else | refused, with its path |

Text may hold any character except half of a surrogate pair; a key must not hold NUL. At most 64 levels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from pathlib import PurePath
from typing import Any

from hyperspace_core.config.tree import HIGHEST, LOWEST, MAX_DEPTH, join, shown, unwrapped
from hyperspace_core.errors import ValueNotStorable

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
_decoder = json.JSONDecoder()


def storable(value: Any, path: str) -> Any:
    """Convert a value to a plain copy, as every store returns it.

    `path` names the value in messages. Raises `ValueNotStorable` with the path of the refused value.
    """
    return _plain(value, path, ())


def to_text(value: Any) -> str:
    """Encode a result of `storable` as one line of JSON, with NaN and Infinity."""
    return _encoder.encode(value)


def from_text(text: str) -> Any:
    """Decode a text of `to_text` bit by bit. Raises `ValueError` for other texts."""
    if text == "{}":                       # most trees of a new run
        return {}
    if text == "[]":                       # its tags
        return []
    value, end = _decoder.raw_decode(text)
    if end != len(text):
        raise ValueError(f"more than one JSON value: {text[end:end + 40]!r} follows")
    return value


def _plain(value: Any, path: str, above: tuple[int, ...]) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is float:
        return value
    if kind is str:
        return _text(value, path)
    if kind is int:
        return _integer(value, path)
    if isinstance(value, Mapping):
        return _section(value, path, _deeper(value, path, above))
    if isinstance(value, list | tuple):
        inside = _deeper(value, path, above)
        # fast path for long lists of numbers: a path is needed only for messages
        return [inner if type(inner) is float else _plain(inner, f"{path}[{index}]", inside)
                for index, inner in enumerate(value)]
    return _converted(value, path, above)


def _section(value: Mapping[Any, Any], path: str, above: tuple[int, ...]) -> dict[str, Any]:
    plain = {}
    for key, inner in value.items():
        if not isinstance(key, str):
            raise ValueNotStorable(f"{path}: key {key!r} is {type(key).__name__}; keys must be strings")
        name = _text(str.__str__(key), path, what=f"key {key!a}")
        if "\0" in name:
            raise ValueNotStorable(f"{path}: key {key!a} holds a NUL character; leave it out")
        plain[name] = _plain(inner, join(path, name), above)
    return plain


def _converted(value: Any, path: str, above: tuple[int, ...]) -> Any:
    """Convert values with a text or number form, and subclasses of JSON's types."""
    text = _own_text(value, path)
    if text is not None:
        return _text(text, path)
    scalar = unwrapped(value)
    if scalar is not value:
        return _plain(scalar, path, above)
    if isinstance(value, int):
        return _integer(int(value), path)
    if isinstance(value, float):
        return float(value)
    raise ValueNotStorable(f"{path}: {_refused(value)}")


def _own_text(value: Any, path: str) -> str | None:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueNotStorable(f"{path}: a datetime without a time zone is ambiguous; use "
                                   "datetime.now(UTC)")
        return value.isoformat()
    return None


def _refused(value: Any) -> str:
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return (f"{type(value).__name__} of {size / 1e6:.3g} MB; log it with log_artifact(), "
                "or keep a list of numbers")
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes; log them with log_artifact()"
    return f"{shown(value)} cannot be stored; use None, bool, int, float, str, or lists and dicts of these"


def _deeper(value: Any, path: str, above: tuple[int, ...]) -> tuple[int, ...]:
    if id(value) in above:
        raise ValueNotStorable(f"{path}: refers to itself")
    if len(above) >= MAX_DEPTH:
        raise ValueNotStorable(f"nested deeper than {MAX_DEPTH} levels at {path[:60]}…")
    return (*above, id(value))


def _text(value: str, path: str, *, what: str = "text") -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueNotStorable(f"{path}: {what} holds half of a surrogate pair at position {error.start} (of "
                               "a file name that is not UTF-8?); use os.fsencode and a spelling of your own"
                               ) from None
    return value


def _integer(value: int, path: str) -> int:
    if not LOWEST <= value <= HIGHEST:
        raise ValueNotStorable(f"{path}: integer too large (limit 64 bit)")
    return value
