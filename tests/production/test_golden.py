"""Tests of golden data: stored by a run, exported, and compared with a service."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperspace_core import GoldenDiffers, Run, check_golden
from hyperspace_core.errors import HyperspaceError, NotFound, UsageError, ValueNotStorable
from hyperspace_core.production.load import first_difference, golden
from hyperspace_core.records.golden import assembled, golden_files
from hyperspace_core.run import Memory
from hyperspace_core.study import Study


def back(value: Any) -> Any:
    """Store a value and read it back."""
    files = golden_files("default", value, None)
    return assembled("inputs", lambda file: files[f"golden/default/{file}"])


@pytest.mark.parametrize("value", [
    None, True, 3, -0.0, "größe\n", [], {}, [1, [2.5, None]], {"a": {"b": [False]}}, float("inf"),
])
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    assert back(value) == value and type(back(value)) is type(value)


@pytest.mark.parametrize("array", [
    np.arange(6.0).reshape(2, 3), np.array([1, 2], dtype=np.uint8), np.zeros((0, 4), dtype=np.float32),
    np.array(["a", "bc"]), np.array([True, False]), np.array([1 + 2j]), np.array([np.nan, -0.0]),
    np.array(["2024-01-01"], dtype="datetime64[D]"), np.asfortranarray(np.arange(6).reshape(2, 3)),
])
def test_arrays_come_back_as_they_were(array: Any) -> None:
    for found in (back(array), back({"deep": [1, {"down": array}]})["deep"][1]["down"]):
        assert found.dtype == array.dtype and found.shape == array.shape
        np.testing.assert_array_equal(found, array)


def test_numpy_scalars_are_restored_as_numbers() -> None:
    assert back({"n": np.float32(0.5), "k": np.int64(3), "z": np.array(2.0)}) == {"n": 0.5, "k": 3, "z": 2.0}


def recursive() -> list[Any]:
    inside: list[Any] = []
    inside.append(inside)
    return inside


class Odd:
    dtype, shape = "odd", (2, 2)


@pytest.mark.parametrize(("value", "says"), [
    ({"a": [1, object()]}, "golden inputs.a[1]: "),
    ({"a": np.array([object()])}, "golden inputs.a: an array of Python objects cannot be stored"),
    (np.zeros(2, dtype=[("o", object)]), "golden inputs: an array of Python objects cannot be stored"),
    (np.ma.masked_array([1, 2], mask=[0, 1]), "golden inputs: MaskedArray cannot be stored"),
    ([Odd()], "golden inputs[0]: Odd cannot be stored; convert it to a numpy array"),
    ({1: 2}, "golden inputs: key 1 is int"),
    (b"x", "golden inputs: 1 bytes"),
    (recursive(), "golden inputs: nested too deep, or refers to itself"),
])
def test_values_that_cannot_be_restored_are_refused(value: Any, says: str) -> None:
    run = Run.local(seed=0)

    with pytest.raises(ValueNotStorable) as caught:
        run.log_golden(value, 1)

    assert str(caught.value).startswith(says)
    assert isinstance(run.sink, Memory) and run.sink.artifacts == {}


@pytest.mark.parametrize("name", ["", "a/b", "..", "a\\b", None, 3, "x" * 300])
def test_a_golden_name_must_be_plain(name: Any) -> None:
    with pytest.raises(ValueNotStorable):
        Run.local(seed=0).log_golden(1, 2, name)


def test_no_pickle_is_ever_read(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import pickle

    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
            return (sys.exit, ("the bomb went off",))

    buffer = io.BytesIO()
    np.save(buffer, np.array([Bomb()], dtype=object), allow_pickle=True)
    for content in (buffer.getvalue(), pickle.dumps(Bomb())):
        files = {"inputs.json": b'{"value": null, "arrays": [[]]}', "inputs.0.npy": content}
        with pytest.raises(ValueError, match=r"allow_pickle=False|pickled"):
            assembled("inputs", files.__getitem__)


# -- an exported run -----------------------------------------------------------------------------------------

def total(given: dict[str, Any]) -> dict[str, Any]:
    return {"total": 2.5 * sum(given["numbers"]), "note": "read"}


def test_equal_outputs_pass(model: Path) -> None:
    check_golden(model, total)


def test_golden_data_can_be_read(model: Path) -> None:
    assert golden(model) == ({"numbers": [0, 1, 2, 3]}, {"total": 15.0, "note": "read"})


@pytest.mark.parametrize(("change", "says"), [
    ({"total": 15.5}, "outputs.total: expected 15.0, got 15.5"),
    ({"note": "raed"}, "outputs.note: expected 'read', got 'raed'"),
    ({"note": None}, "outputs.note: expected str 'read', got None"),
    ({"more": 1}, "outputs: 'more' was not expected"),
])
def test_a_wrong_output_is_named_with_the_first_difference(
        model: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(GoldenDiffers) as caught:
        check_golden(model, lambda given: total(given) | change)

    assert str(caught.value) == f"{model}: golden data 'default' does not match: {says}"


def test_numbers_may_differ_by_the_tolerance(model: Path) -> None:
    def nearly(given: dict[str, Any]) -> dict[str, Any]:
        return total(given) | {"total": 15.0 + 1e-9}

    check_golden(model, nearly, tolerance=1e-6)
    with pytest.raises(GoldenDiffers, match=r"does not match: outputs\.total"):
        check_golden(model, nearly)
    with pytest.raises(GoldenDiffers, match=r"does not match within 1e-12: outputs\.total"):
        check_golden(model, nearly, tolerance=1e-12)
    with pytest.raises(UsageError, match="tolerance must be a number >= 0"):
        check_golden(model, nearly, tolerance=float("nan"))


def test_an_exception_of_the_function_is_raised(model: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        check_golden(model, lambda given: 1 / 0)


def test_missing_golden_data_is_refused(study: Study, model: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no golden data 'defualt' was exported; did you mean 'default'"):
        check_golden(model, total, name="defualt")
    bare = study.export(study.run("bare", echo=False).id, tmp_path / "bare")
    with pytest.raises(NotFound, match=r"the scenario logs none with run\.log_golden"):
        check_golden(bare, total)


def test_changed_golden_data_is_refused(model: Path) -> None:
    (model / "golden/default/outputs.json").write_text('{"value": 1, "arrays": []}')

    with pytest.raises(HyperspaceError, match="was changed after the export"):
        check_golden(model, total)


# -- comparing -----------------------------------------------------------------------------------------------

NAN = float("nan")


@pytest.mark.parametrize(("one", "other", "tolerance"), [
    (1, 1.0, 0), (NAN, NAN, 0), (float("inf"), float("inf"), 0.1), ([1, 2], (1, 2), 0), (1e9, 1e9 + 1, 1e-8),
    (0.0, 1e-9, 1e-8), (np.array([1, 2]), [1, 2], 0), (np.array([NAN, 1]), np.array([NAN, 1]), 0),
    ([1.0, 2.0], np.array([1, 2]), 0), (np.array(["a"]), np.array(["a"]), 0), (2.0, np.float32(2.0), 0),
    (np.array([1.0, np.inf]), np.array([1.0 + 1e-9, np.inf]), 1e-6), ({}, {}, 0),
    (np.zeros((0, 2)), np.zeros((0, 2)), 0),
])
def test_equal_values_have_no_difference(one: Any, other: Any, tolerance: float) -> None:
    assert first_difference(one, other, tolerance, "outputs") is None


@pytest.mark.parametrize(("one", "other", "says"), [
    (1, True, "outputs: expected int 1, got bool True"),
    (1.0, NAN, "outputs: expected 1.0, got nan"),
    ({"a": 1}, {}, "outputs: 'a' is missing"),
    ([1, 2], [1], "outputs: expected 2 items, got 1"),
    ([1], None, "outputs: expected a list, got None"),
    ({"a": 1}, [1], "outputs: expected a dict, got list [1]"),
    ([{"a": [0, 1]}], [{"a": [0, 2]}], "outputs[0].a[1]: expected 1, got 2"),
    (np.zeros((2, 2)), np.zeros((2, 3)), "outputs: expected an array of shape (2, 2), got (2, 3)"),
    (np.zeros(2), [[1], [1, 2]], "outputs: expected an array of shape (2,), got list [[1], [1, 2]]"),
    (np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.5], [3.0, 4.5]]),
     "outputs[0, 1]: expected 2.0, got 2.5 (2 of 4 values differ)"),
    (np.array([1.0]), np.array(["1.0"]), "outputs[0]: expected float 1.0, got str '1.0'"),
    (np.array(["a", "b"]), np.array(["a", "c"]), "outputs[1]: expected 'b', got 'c'"),
])
def test_the_first_difference_is_one_line(one: Any, other: Any, says: str) -> None:
    assert first_difference(one, other, 0.0, "outputs") == says
