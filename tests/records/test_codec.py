"""Conversion of values by the codec, row by row of its table, and refusal of other values."""

from __future__ import annotations

import math
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from hyperspace_core.config.tree import HIGHEST, LOWEST, MAX_DEPTH
from hyperspace_core.errors import ExitCode, ValueNotStorable
from hyperspace_core.records.codec import from_text, storable, to_text
from pytest_hyperspace.stores.base import ODD_KEYS, ODD_NUMBERS, ODD_TEXTS, nested, same, short, trees, values

Pair = namedtuple("Pair", "one two")


class Colour(Enum):
    RED = 1
    BLUE = "azure"


class Level(IntEnum):
    LOW = 7


class Word(StrEnum):
    YES = "ja"


class Text(str):
    """A subclass of str."""


class Count(int):
    """A subclass of a number."""


@dataclass
class Thing:
    number: int = 1


def refused(value: Any, path: str = "result") -> str:
    """The message."""
    with pytest.raises(ValueNotStorable) as caught:
        storable(value, path)
    return str(caught.value)


# -- stored -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, True, False, *ODD_NUMBERS, *ODD_TEXTS], ids=short)
def test_plain_values_are_themselves(value: Any) -> None:
    assert same(storable(value, "x"), value)
    assert same(from_text(to_text(value)), value)


@given(value=values)
def test_any_plain_value_is_kept_and_read_back_the_same(value: Any) -> None:
    kept = storable(value, "x")

    assert same(kept, value)
    assert same(from_text(to_text(kept)), value)


@given(tree=trees)
def test_a_tree_is_one_line_of_text(tree: dict[str, Any]) -> None:
    text = to_text(storable(tree, "x"))

    assert "\n" not in text and "\r" not in text and "\0" not in text
    text.encode("utf-8")


@pytest.mark.parametrize(("given", "kept"), [
    ((1, (2.5, "x")), [1, [2.5, "x"]]),
    (Pair(1, 2), [1, 2]),
    (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    (MappingProxyType({"a": (1,)}), {"a": [1]}),
    (PurePosixPath("/data/x y"), "/data/x y"),
    (PureWindowsPath(r"C:\data"), r"C:\data"),
    (Path("relative"), "relative"),
    (Colour.RED, "RED"), (Colour.BLUE, "BLUE"), (Level.LOW, "LOW"), (Word.YES, "YES"),
    (datetime(2026, 1, 2, 3, 4, 5, 600, UTC), "2026-01-02T03:04:05.000600+00:00"),
    (datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T00:00:00+02:00"),
    (Text("mine"), "mine"), (Count(3), 3), (np.str_("numpy's"), "numpy's"),
    ({"a": {"b": [Path("x"), {"c": Colour.RED}]}}, {"a": {"b": ["x", {"c": "RED"}]}}),
], ids=short)
def test_values_with_a_plain_form_are_converted(given: Any, kept: Any) -> None:
    assert same(storable(given, "x"), kept)


@pytest.mark.parametrize(("given", "kept"), [
    (np.float64(0.1), 0.1), (np.float32(0.5), 0.5), (np.float16(0.25), 0.25), (np.int64(HIGHEST), HIGHEST),
    (np.int8(-3), -3), (np.uint64(7), 7), (np.bool_(True), True), (np.array(1.5), 1.5), (np.array(3), 3),
    (np.array(False), False), (np.float64("nan"), math.nan), (np.float32("-inf"), -math.inf),
    (np.float64(-0.0), -0.0),
], ids=repr)
def test_a_scalar_of_an_array_library_is_the_number_in_it(given: Any, kept: Any) -> None:
    assert same(storable(given, "x"), kept)
    assert same(storable({"a": [given]}, "x"), {"a": [kept]})


def test_a_tensor_of_one_number_is_that_number() -> None:
    torch = pytest.importorskip("torch")

    assert same(storable({"a": torch.tensor(1.5)}, "x"), {"a": 1.5})


@pytest.mark.parametrize("key", ODD_KEYS, ids=short)
def test_any_key_is_kept(key: str) -> None:
    tree = {key: {key: 1}}

    assert same(from_text(to_text(storable(tree, "x"))), tree)


def test_keys_become_plain_text() -> None:
    kept = storable({Text("mine"): 1, Word.YES: 2}, "x")

    assert same(kept, {"mine": 1, "ja": 2})
    assert {type(key) for key in kept} == {str}


def test_the_stored_value_is_a_copy() -> None:
    inner = [1]
    kept = storable({"a": inner, "b": inner}, "x")
    inner.append(2)
    kept["a"].append(3)

    assert kept == {"a": [1, 3], "b": [1]}


def test_the_same_part_twice_is_not_a_cycle() -> None:
    part = {"n": [1]}

    assert storable([part, part, {"again": part}], "x") == [part, part, {"again": part}]


# -- refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", [HIGHEST + 1, LOWEST - 1, 2**64, 10**4999, -(10**4999), Count(2**70)],
    ids=["above", "below", "unsigned", "5000 digits", "minus 5000 digits", "of a subclass"])
def test_an_integer_beyond_64_bit_is_refused(number: int) -> None:
    assert refused(number, "seed") == "seed: integer too large (limit 64 bit)"
    assert refused({"loss": [0, number]}, "metrics") == "metrics.loss[1]: integer too large (limit 64 bit)"


def test_an_unsigned_numpy_integer_is_stored() -> None:
    assert refused(np.uint64(2**63), "seed") == "seed: integer too large (limit 64 bit)"


def test_64_levels_are_kept_and_65_refused() -> None:
    assert MAX_DEPTH == 64
    assert same(from_text(to_text(storable(nested(64), "config"))), nested(64))
    assert refused(nested(65), "config").startswith("nested deeper than 64 levels at config.a.a.a")


@pytest.mark.parametrize("levels", [1_000, 100_000])
def test_very_deep_nesting_is_refused_in_one_line(levels: int) -> None:
    value: Any = []
    for _ in range(levels):
        value = [value]

    message = refused(value, "config")
    assert message.startswith("nested deeper than 64 levels at config[0][0]")
    assert len(message) < 150


def test_a_value_that_contains_itself_is_refused() -> None:
    tree: dict[str, Any] = {"a": {}}
    tree["a"]["self"] = tree
    circle: list[Any] = []
    circle.append((circle,))

    assert refused(tree, "result") == "result.a.self: refers to itself"
    assert refused(circle, "result") == "result[0][0]: refers to itself"


@pytest.mark.parametrize(("key", "shown"), [
    (1, "1 is int"), (None, "None is NoneType"), (True, "True is bool"), ((1, 2), "(1, 2) is tuple"),
    (b"a", "b'a' is bytes"), (1.5, "1.5 is float"), (Colour.RED, "<Colour.RED: 1> is Colour"),
], ids=str)
def test_a_key_that_is_not_text_is_refused(key: Any, shown: str) -> None:
    message = refused({"table": {"fine": 1, key: 2}}, "config")

    assert message == f"config.table: key {shown}; keys must be strings"


def test_a_key_with_nul_is_refused_and_a_text_with_nul_is_kept() -> None:
    assert refused({"a": {"b\0c": 1}}, "info") == (
        "info.a: key 'b\\x00c' holds a NUL character; leave it out")
    assert storable({"a": "b\0c"}, "info") == {"a": "b\0c"}


@pytest.mark.parametrize("half", ["\ud800", "\udfff", "name\udce9.txt"], ids=ascii)
def test_half_of_a_surrogate_pair_is_refused_in_texts_and_keys(half: str) -> None:
    position = next(index for index, letter in enumerate(half) if letter >= "\ud800")

    message = refused({"files": ["fine", half]}, "info")
    assert message.startswith(f"info.files[1]: text holds half of a surrogate pair at position {position} ")
    assert "os.fsencode" in message
    assert refused({"a": {half: 1}}, "info").startswith(
        f"info.a: key {half!a} holds half of a surrogate pair at position {position} ")
    assert refused(Path(half), "path").startswith("path: text holds half of a surrogate pair")
    message.encode("utf-8")


@pytest.mark.parametrize(("value", "said"), [
    (np.zeros(5_000_000), "ndarray of 40 MB; log it with log_artifact(), or keep a list of numbers"),
    (np.zeros((2, 2)), "ndarray of 3.2e-05 MB; log it with log_artifact(), or keep a list of numbers"),
    (np.zeros(1), "ndarray of 8e-06 MB; log it with log_artifact(), or keep a list of numbers"),
    (b"raw", "3 bytes; log them with log_artifact()"),
    (bytearray(b"more"), "4 bytes; log them with log_artifact()"),
], ids=["40 MB", "small", "one number in a list", "bytes", "bytearray"])
def test_large_values_are_refused_with_a_hint_to_artifacts(value: Any, said: str) -> None:
    assert refused({"preds": value}) == f"result.preds: {said}"


ONLY = "cannot be stored; use None, bool, int, float, str, or lists and dicts of these"


@pytest.mark.parametrize(("value", "shown"), [
    ({1}, "set {1}"), (frozenset(), "frozenset frozenset()"), (Decimal("0.1"), "Decimal Decimal('0.1')"),
    (timedelta(1), "timedelta datetime.timedelta(days=1)"), (1j, "complex 1j"),
    (Fraction(1, 2), "Fraction Fraction(1, 2)"),
    (Thing(), "Thing Thing(number=1)"), (date(2026, 1, 2), "date datetime.date(2026, 1, 2)"),
    (range(2), "range range(0, 2)"), (int, "type <class 'int'>"), (np.complex64(1j), "complex 1j"),
], ids=short)
def test_other_values_are_refused_with_path_and_remedy(value: Any, shown: str) -> None:
    assert refused({"a": [{"b": value}]}) == f"result.a[0].b: {shown} {ONLY}"


def test_a_moment_without_a_time_zone_is_refused() -> None:
    assert refused({"when": datetime(2026, 1, 2)}, "info") == (
        "info.when: a datetime without a time zone is ambiguous; use datetime.now(UTC)")


def test_a_value_with_a_failing_repr_is_refused_in_one_line() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    assert refused([Broken()]) == f"result[0]: Broken … {ONLY}"
    assert "\n" not in refused(type("Lines", (), {"__repr__": lambda self: "a\nb"})())
    assert len(refused(type("Long", (), {"__repr__": lambda self: "x" * 10_000})())) < 250


def test_a_refusal_is_a_user_s_mistake() -> None:
    assert ValueNotStorable.exit_code is ExitCode.INPUT
