"""Names of data: equal for equal data, different for different ones, honest about what was not read."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperspace_core.capture import fingerprint as module
from hyperspace_core.capture.fingerprint import fingerprint

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12)


@given(plain)
def test_plain_data_are_named_whole_and_the_same_each_time(data: Any) -> None:
    name = fingerprint(data)
    assert name.startswith("sha256:")
    assert len(name) == len("sha256:") + 64
    assert fingerprint(data) == name


@given(plain, plain)
def test_different_data_have_different_names(one: Any, other: Any) -> None:
    if repr(one) != repr(other):
        same_mapping = isinstance(one, dict) and one == other
        same = same_mapping or sorted_repr(one) == sorted_repr(other)
        assert same or fingerprint([one]) != fingerprint([other])


def sorted_repr(data: Any) -> str:
    if isinstance(data, dict):
        return repr(sorted((repr(key), sorted_repr(value)) for key, value in data.items()))
    if isinstance(data, list):
        return repr([sorted_repr(item) for item in data])
    return repr(data)


@dataclass
class Split:
    train: Any
    test: Any


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize(("one", "other"), [
    (["ab", "c"], ["a", "bc"]), ([1, [2]], [[1], 2]), (1, 1.0), (1, True), ("1", 1), (b"1", "1"), (0.0, -0.0),
    ({"a": 1}, {"a": 2}), ({"a": 1}, {"b": 1}), ({1, 2}, {1, 3}), (Split(1, 2), Split(2, 1)),
    (Path("a"), "a"), (None, 0), ([], None), (Colour.RED, 1), (2**70, 2**71), (1j, 2j),
    ([[1], [2]], [[1, 2]]),
])
def test_what_differs_in_value_type_or_shape_differs_in_name(one: Any, other: Any) -> None:
    assert fingerprint(one) != fingerprint(other)
    assert not fingerprint(one).startswith("partial:")


def test_order_counts_only_where_there_is_one() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"x", "y", "z"}) == fingerprint({"z", "y", "x"})
    assert fingerprint([1, 2]) != fingerprint([2, 1])


@pytest.mark.parametrize("data", [
    object(), [1, object()], {"a": lambda: 1}, (x for x in "a"), datetime.date(2020, 1, 1),
])
def test_what_cannot_be_read_is_said_to_be_partial(data: Any) -> None:
    assert fingerprint(data).startswith("partial:sha256:")


def test_cycles_and_depth_end() -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    assert fingerprint(cycle).startswith("partial:")
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]
    assert fingerprint(deep).startswith("partial:")


def test_the_same_list_twice_is_no_cycle() -> None:
    shared = [1]
    assert fingerprint([shared, shared]) == fingerprint([[1], [1]])


def test_large_data_are_sampled_and_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT_BYTES", 100_000)
    data = bytearray(1 << 20)
    first = fingerprint(data)
    assert first.startswith("partial:")
    data[-1] = 1
    assert fingerprint(data) != first
    assert not fingerprint(bytes(1000)).startswith("partial:")


def test_many_items_are_sampled_and_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ITEMS", 10)
    assert fingerprint(list(range(11))).startswith("partial:")
    assert not fingerprint(list(range(10))).startswith("partial:")


# -- libraries -----------------------------------------------------------------------------------------------


def test_arrays_by_value_shape_and_type_whatever_their_memory_looks_like() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(12.0).reshape(3, 4)
    name = fingerprint(array)
    assert not name.startswith("partial:")
    assert fingerprint(numpy.asfortranarray(array)) == name
    assert fingerprint(array.astype(">f8")) == name
    assert fingerprint(numpy.repeat(array, 2, axis=1)[:, ::2]) == name
    different = [array.reshape(4, 3), array.astype("f4"), array + 1, array[:0], numpy.float64(1),
                 array.tolist()]
    assert len({name, *map(fingerprint, different)}) == len(different) + 1


def test_odd_arrays_are_read_too() -> None:
    numpy = pytest.importorskip("numpy")
    arrays = [numpy.array(["a", "bc"]), numpy.array([], dtype="f4"), numpy.array(3), numpy.float16([1]),
              numpy.array(["2020-01-01"], dtype="M8[D]"), numpy.array([(1, 2.0)], dtype="i4,f8"),
              numpy.array([True, False]), numpy.array([1, "a", None], dtype=object)]
    names = [fingerprint(array) for array in arrays]
    assert len(set(names)) == len(arrays)
    assert not [name for name in names if name.startswith("partial:")]
    assert fingerprint(numpy.int64(3)) == fingerprint(numpy.array(3)) != fingerprint(3)


def test_tables_by_columns_and_index() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    name = fingerprint(frame)
    assert not name.startswith("partial:")
    assert fingerprint(frame.copy()) == name
    others = [frame.rename(columns={"a": "c"}), frame.set_index("b"), frame.assign(a=[1, 3]), frame["a"],
              frame.index]
    assert len({name, *map(fingerprint, others)}) == len(others) + 1


def test_sparse_matrices() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    one, other = sparse.csr_matrix([[0, 1], [2, 0]]), sparse.csr_matrix([[0, 1], [3, 0]])
    assert fingerprint(one) == fingerprint(one.copy()) != fingerprint(other)
    assert not fingerprint(one).startswith("partial:")
