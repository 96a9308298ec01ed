"""Fingerprints of data: equal only for equal data, and partial where values are not read."""

from __future__ import annotations

import array
import datetime
import enum
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from hyperspace_core.capture import data_fingerprint as module
from hyperspace_core.capture.data_fingerprint import fingerprint

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12)


@given(plain)
def test_plain_data_has_a_stable_complete_fingerprint(data: Any) -> None:
    name = fingerprint(data)
    assert name.startswith("sha256:")
    assert len(name) == len("sha256:") + 64
    assert fingerprint(data) == name


@given(plain, plain)
def test_different_data_has_different_fingerprints(one: Any, other: Any) -> None:
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
def test_value_type_and_shape_change_the_fingerprint(one: Any, other: Any) -> None:
    assert fingerprint(one) != fingerprint(other)
    assert not fingerprint(one).startswith("partial:")


def test_order_counts_only_where_there_is_one() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"x", "y", "z"}) == fingerprint({"z", "y", "x"})
    assert fingerprint([1, 2]) != fingerprint([2, 1])


@pytest.mark.parametrize("data", [
    object(), [1, object()], {"a": lambda: 1}, (x for x in "a"), datetime.date(2020, 1, 1),
])
def test_unreadable_values_are_partial(data: Any) -> None:
    assert fingerprint(data).startswith("partial:sha256:")


def test_cycles_and_depth_end() -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    assert fingerprint(cycle).startswith("partial:")
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]
    assert fingerprint(deep).startswith("partial:")


def test_the_same_list_twice_is_not_a_cycle() -> None:
    shared = [1]
    assert fingerprint([shared, shared]) == fingerprint([[1], [1]])


def test_large_data_is_sampled_and_partial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT_BYTES", 100_000)
    data = bytearray(1 << 20)
    first = fingerprint(data)
    assert first.startswith("partial:")
    data[-1] = 1
    assert fingerprint(data) != first
    assert not fingerprint(bytes(1000)).startswith("partial:")


def test_many_items_are_sampled_and_partial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ITEMS", 10)
    assert fingerprint(list(range(11))).startswith("partial:")
    assert not fingerprint(list(range(10))).startswith("partial:")


# -- libraries -----------------------------------------------------------------------------------------------


def test_arrays_by_value_shape_and_type_not_by_memory_layout() -> None:
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


def test_unusual_arrays_are_read() -> None:
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


def test_polars_tables_and_columns() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, None, 3], "b": ["x", None, "y"],
                              "d": [datetime.date(2020, 1, 1), None, datetime.date(2020, 1, 2)]})
    name = fingerprint(frame)
    assert not name.startswith("partial:")
    assert fingerprint(frame.clone()) == name
    others = [frame.rename({"a": "c"}), frame.with_columns(a=polars.Series([1, 0, 3])), frame["a"],
              frame.with_columns(a=polars.col("a").cast(polars.Float64)), frame["b"], frame.reverse(),
              frame.select("b", "a")]
    assert len({name, *map(fingerprint, others)}) == len(others) + 1
    assert fingerprint(frame.lazy()).startswith("partial:")


def test_images_by_their_pixels() -> None:
    image = pytest.importorskip("PIL.Image")
    one = image.new("RGB", (2, 3))
    other = one.copy()
    other.putpixel((1, 1), (1, 2, 3))
    name = fingerprint(one)
    assert not name.startswith("partial:")
    assert fingerprint(one.copy()) == name
    others = [other, one.convert("L"), one.resize((3, 2))]
    assert len({name, *map(fingerprint, others)}) == len(others) + 1


def test_objects_with_numpy_s_array_interface() -> None:
    numpy = pytest.importorskip("numpy")

    class Shown:
        def __init__(self, values: list[float]) -> None:
            self._held = numpy.array(values)

        @property
        def __array_interface__(self) -> Any:
            return self._held.__array_interface__

    assert fingerprint(Shown([1.0, 2.0])) == fingerprint(Shown([1.0, 2.0])) != fingerprint(Shown([1.0, 3.0]))
    assert not fingerprint(Shown([1.0])).startswith("partial:")


def test_arrays_of_the_standard_library() -> None:
    names = {fingerprint(array.array(code, [1, 2])) for code in "bhiqd"}
    assert len(names) == 5
    assert fingerprint(array.array("d", [1, 2])) in names


def test_an_iterator_is_not_consumed() -> None:
    numbers = iter([1, 2, 3])
    lazy = (number for number in range(3))
    assert fingerprint([numbers, lazy]).startswith("partial:")
    assert (list(numbers), list(lazy)) == ([1, 2, 3], [0, 1, 2])


# -- files and folders ---------------------------------------------------------------------------------------


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_path_counts_by_its_content(tmp_path: Path) -> None:
    one = tree(tmp_path / "one", {"a.csv": "1"})
    other = tree(tmp_path / "other", {"b.csv": "1", "c.csv": "2"})
    assert fingerprint(one / "a.csv") == fingerprint(other / "b.csv") != fingerprint(other / "c.csv")
    assert not fingerprint(one / "a.csv").startswith("partial:")
    before = fingerprint({"train": one / "a.csv"})
    (one / "a.csv").write_text("2")
    assert fingerprint({"train": one / "a.csv"}) != before


def test_a_folder_counts_by_the_names_and_contents_below_it(tmp_path: Path) -> None:
    files = {"a.csv": "1", "sub/b.csv": "2", "sub/deep/c.csv": "3"}
    folder = tree(tmp_path / "data", files)
    name = fingerprint(folder)
    assert not name.startswith("partial:")
    assert fingerprint(tree(tmp_path / "copy", dict(reversed(files.items())))) == name
    for changed in ({**files, "a.csv": "9"}, {**files, "d.csv": ""}, {"a.csv": "1", "sub/b.csv": "2"},
                    {"a.csv": "1", "sub/c.csv": "2", "sub/deep/c.csv": "3"}):
        assert fingerprint(tree(tmp_path / str(len(list(tmp_path.iterdir()))), changed)) != name


def test_a_missing_path_is_marked_as_missing(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "gone") != fingerprint(tmp_path / "away")
    assert not fingerprint(tmp_path / "gone").startswith("partial:")
    before = fingerprint(tmp_path / "gone")
    (tmp_path / "gone").write_text("")
    assert fingerprint(tmp_path / "gone") != before


def test_pipes_cycles_and_unreadable_files_are_partial(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert fingerprint(tmp_path / "pipe").startswith("partial:")
    circle = tree(tmp_path / "circle", {"a": "1"})
    (circle / "back").symlink_to(circle)
    assert fingerprint(circle).startswith("partial:")
    assert fingerprint(Path("/proc/self/mem")).startswith("partial:") or not Path("/proc/self/mem").exists()


def test_large_files_are_sampled_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT_BYTES", 100_000)
    file = tmp_path / "large"
    file.write_bytes(bytes(1 << 20))
    first = fingerprint(file)
    assert first.startswith("partial:")
    with file.open("r+b") as opened:
        opened.seek(-1, os.SEEK_END)
        opened.write(b"x")
    assert fingerprint(file) != first
    small = tree(tmp_path / "small", {str(number): "x" * 20_000 for number in range(10)})
    assert fingerprint(small).startswith("partial:")


def test_folders_with_too_many_files_are_partial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ITEMS", 10)
    assert fingerprint(tree(tmp_path / "many", {str(n): "" for n in range(11)})).startswith("partial:")
    assert not fingerprint(tree(tmp_path / "few", {str(n): "" for n in range(10)})).startswith("partial:")
