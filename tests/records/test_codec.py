"""Which values a store keeps: everything plain comes back equal, everything else is refused with its path."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperspace_core.config.tree import MAX_DEPTH
from hyperspace_core.errors import ValueNotStorable
from hyperspace_core.records.codec import from_text, storable, to_text


class Colour(Enum):
    RED = "#f00"


class Level(IntEnum):
    HIGH = 3


class Name(StrEnum):
    FIRST = "first"


class Metres(float):
    pass


class Label(str):
    __slots__ = ()


KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-2**63, 2**63 - 1) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=15)


def bits(value: Any) -> Any:
    """The value with each float as its bytes: NaN equals itself, 0.0 does not equal -0.0, nor 1 equal 1.0."""
    if isinstance(value, dict):
        return {key: bits(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [bits(inner) for inner in value]
    # a NaN comes back as the one NaN that text can spell
    spelt = math.nan if isinstance(value, float) and math.isnan(value) else value
    return (type(value), struct.pack("<d", spelt) if isinstance(value, float) else value)


@given(PLAIN)
def test_i10_a_plain_value_comes_back_with_its_types_and_bits(value: Any) -> None:
    assert bits(from_text(to_text(storable(value, "info")))) == bits(value)


@pytest.mark.parametrize(("given", "kept"), [
    ((1, (2, 3)), [1, [2, 3]]), (Path("a/b"), "a/b"), (Colour.RED, "RED"), (Level.HIGH, "HIGH"),
    (Name.FIRST, "FIRST"), (Metres(1.5), 1.5), (Label("x"), "x"),
    ({Name.FIRST: 1, Label("y"): 2}, {"first": 1, "y": 2}),
    (datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC), "2024-05-06T07:08:09+00:00"),
])
def test_what_has_a_plain_spelling_is_kept_as_that(given: Any, kept: Any) -> None:
    assert bits(storable(given, "info")) == bits(kept)


def test_scalars_of_numpy_are_the_numbers_in_them() -> None:
    numpy = pytest.importorskip("numpy")
    given = {"a": numpy.float32(0.5), "b": numpy.int8(-3), "c": numpy.array(2.0), "d": numpy.bool_(True),
             "e": numpy.str_("x")}
    assert bits(storable(given, "info")) == bits({"a": 0.5, "b": -3, "c": 2.0, "d": True, "e": "x"})


def test_the_kept_value_shares_nothing_with_what_was_given() -> None:
    given = {"folds": [[1], {"a": [2]}]}
    kept = storable(given, "info")
    given["folds"][0].append(9)
    given["folds"][1]["a"].append(9)
    assert kept == {"folds": [[1], {"a": [2]}]}
    assert all(type(key) is str for key in storable({Label("x"): 1}, "info"))


def cyclic() -> dict[str, Any]:
    tree: dict[str, Any] = {}
    tree["self"] = tree
    return tree


def nested(levels: int) -> Any:
    tree: Any = 0
    for _ in range(levels):
        tree = [tree]
    return tree


@pytest.mark.parametrize(("value", "said"), [
    ({"a": [1, object()]}, "info.a[1]: object <object object"),
    ({"a": {1: 2}}, "info.a: key 1 is int; keys must be strings"),
    ({"a\0": 1}, r"info: key 'a\x00' holds a NUL character"),
    ({"a": 2**63}, "info.a: integer too large (limit 64 bit)"),
    ({"a": "\ud800"}, "info.a: text holds half of a surrogate pair at position 0"),
    ({"\udfff": 1}, r"info: key '\udfff' holds half of a surrogate pair"),
    ({"a": b"abc"}, "info.a: 3 bytes; log them with log_artifact()"),
    ({"a": {1, 2}}, "info.a: set {1, 2} cannot be stored; use None, bool"),
    ({"a": datetime(2024, 1, 1)}, "info.a: a datetime without a time zone could mean any"),
    (cyclic(), "info.self: refers to itself"),
    (nested(MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH} levels at info[0][0]"),
])
def test_what_no_store_could_give_back_is_refused_with_its_path(value: Any, said: str) -> None:
    with pytest.raises(ValueNotStorable) as caught:
        storable(value, "info")
    assert str(caught.value).startswith(said)


def test_the_deepest_tree_that_is_allowed_is_kept() -> None:
    assert storable(nested(MAX_DEPTH), "info") == nested(MAX_DEPTH)


def test_an_array_is_refused_with_its_size_and_the_cure() -> None:
    numpy = pytest.importorskip("numpy")
    with pytest.raises(ValueNotStorable, match=r"info\.a: ndarray of 8 MB; log it with log_artifact\(\)"):
        storable({"a": numpy.zeros(1_000_000)}, "info")
