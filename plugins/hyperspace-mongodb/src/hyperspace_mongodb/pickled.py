"""Decode numpy scalars in jsonpickle's text as numbers, without numpy or pickle."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

# numpy's type names in `dtype` -> the format of `struct`
_FORMATS = {"f2": "e", "f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H",
            "u4": "I", "u8": "Q", "b1": "?"}
_LONGEST = 64                  # leaves of a pickled scalar: there are few


def scalar_of(value: Mapping[str, Any]) -> float | int | bool | None:
    """The number in it; None if it cannot be decoded."""
    named = value.get("value")
    if isinstance(named, int | float):
        return named
    leaves = []
    for leaf in _leaves(value):
        leaves.append(leaf)
        if len(leaves) > _LONGEST:
            return None
    for place, leaf in enumerate(leaves):
        if isinstance(leaf, str) and leaf in _FORMATS:
            return _decoded(_FORMATS[leaf], leaves[place + 1:])
    return None


def _leaves(value: Any, depth: int = 0) -> Iterator[Any]:
    if depth > 20:
        return
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, depth + 1)
    else:
        yield value


def _decoded(kind: str, leaves: list[Any]) -> float | int | bool | None:
    """Decode the bytes, which follow the type and the byte order."""
    order = ">" if ">" in leaves else "<"
    size = struct.calcsize(kind)
    for leaf in leaves:
        raw = _bytes(leaf)
        if raw is not None and len(raw) == size:
            found: float | int | bool = struct.unpack(order + kind, raw)[0]
            return found
    return None


def _bytes(leaf: Any) -> bytes | None:
    if isinstance(leaf, bytes):
        return leaf
    if not isinstance(leaf, str) or not re.fullmatch(r"[A-Za-z0-9+/]+=*\s*", leaf):
        return None
    try:
        return base64.b64decode(leaf, validate=False)
    except (binascii.Error, ValueError):
        return None
