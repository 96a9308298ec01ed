"""Hypothesis strategies of values that every store must keep, and their equality."""

from __future__ import annotations

import math
import struct
from typing import Any

from hypothesis import strategies as st

LOWEST, HIGHEST = -(2**63), 2**63 - 1

ODD_KEYS = (
    "", ".", "a.b", "$", "$where", "$a.$b", "%", "%2E", "%24x", "_id", "_id.x", "__proto__", "className", " ",
    "\n", "'", '"; DROP TABLE runs; --', "\\", "ключ", "\u00e9", "e\u0301", "\u200f", "\u202e", "\ufeff",
    "😀", "\U0010ffff", "\x7f", "\x01",
)
ODD_TEXTS = (
    *ODD_KEYS, "\0", "a\0b", "NaN", "Infinity", "-0.0", "null", "$$ROOT", "$name", "1e999", "x" * 5000,
)
ODD_NUMBERS = (
    math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, 1.0, 2.0**53, 1e16,
    0, 1, -1, 2**31, 2**53 + 1, LOWEST, HIGHEST,
)

_letters = st.characters(exclude_categories=["Cs"])
texts = st.sampled_from(ODD_TEXTS) | st.text(_letters, max_size=20)
keys = st.sampled_from(ODD_KEYS) | st.text(_letters.filter(lambda letter: letter != "\0"), max_size=12)
numbers = st.sampled_from(ODD_NUMBERS) | st.integers(LOWEST, HIGHEST) | st.floats()
leaves = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=16)
trees = st.dictionaries(keys, values, max_size=5)


def short(value: Any) -> str:
    """A name for a test of one value."""
    return ascii(value)[:24]


def same(one: Any, other: Any) -> bool:
    """Equal in type and bits at all levels; every NaN equals every NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or struct.pack("d", one) == struct.pack("d", other)
    return bool(one == other)


def nested(levels: int) -> Any:
    """A value with many levels."""
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value
