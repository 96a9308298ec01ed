"""The results that single_run may return."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
import pytest

from hyperspace_core.execution.result import BadResult, in_bytes, numbers_of


class Level(IntEnum):
    HIGH = 3


async def coroutine():
    return 1.0


def generator():
    yield 1.0


@pytest.mark.parametrize(("returned", "expected"), [
    (0.5, 0.5), (3, 3.0), (np.float32(0.25), 0.25), (np.int64(7), 7.0), (np.array(1.5), 1.5),
    (Level.HIGH, 3.0), (-0.0, 0.0),
])
def test_a_number_is_the_metric(returned, expected):
    result, metrics, left_out = numbers_of(returned, "accuracy")
    assert result == expected
    assert type(result) is float and left_out == ""
    assert list(metrics) == ["accuracy"]
    assert type(metrics["accuracy"]) in (int, float)


def test_a_dict_may_hold_the_metric_and_others():
    result, metrics, left_out = numbers_of({"accuracy": np.float64(0.9), "epochs": np.int32(3)}, "accuracy")
    assert result == 0.9
    assert metrics == {"accuracy": 0.9, "epochs": 3} and left_out == ""
    assert [type(value) for value in metrics.values()] == [float, int]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinities_are_kept(value):
    result, metrics, left_out = numbers_of({"loss": value}, "loss")
    assert repr(result) == repr(value) and left_out == ""
    assert repr(metrics["loss"]) == repr(value)


@pytest.mark.parametrize(("returned", "says"), [
    (None, "single_run returned None; expected a number or a dict"),
    (True, "single_run returned True"),
    (np.bool_(True), "single_run returned True"),
    ((0.9, 0.1), "single_run returned tuple"),
    ("0.9", "single_run returned str '0.9'"),
    (1j, "single_run returned complex"),
    (float, "the class float (did you forget to call it?)"),
    (np.zeros(5_000_000), "ndarray of 40.0 MB; log it with log_artifact()"),
    (2**70, "beyond 64 bit"),
])
def test_other_return_values_are_named(returned, says):
    with pytest.raises(BadResult) as caught:
        numbers_of(returned, "result")
    assert says in str(caught.value)


def test_a_coroutine_asks_for_await():
    with pytest.raises(BadResult, match="did you forget await"):
        numbers_of(coroutine(), "result")


def test_a_generator_is_recognised():
    with pytest.raises(BadResult, match="a generator"):
        numbers_of(generator(), "result")


def test_a_dict_without_the_metric_keeps_its_numbers():
    with pytest.raises(BadResult) as caught:
        numbers_of({"accuracy": 0.9, "loss": 0.1}, "acuracy")
    assert str(caught.value) == (
        "single_run returned accuracy, loss, but not the task's metric 'acuracy'; did you mean 'accuracy'?")
    assert caught.value.metrics == {"accuracy": 0.9, "loss": 0.1}


def test_a_missing_metric_without_a_near_name_has_a_cure():
    with pytest.raises(BadResult) as caught:
        numbers_of({"acc": 0.9}, "result")
    assert str(caught.value) == ("single_run returned acc, but not the task's metric 'result'; return it "
                                 "too, or name another as the task's metric")


def test_wrong_entries_are_named_and_numbers_are_kept():
    returned = {"accuracy": 0.9, "preds": np.zeros(10), "ok": True, 3: 1.0, "": 1.0, "none": None}
    result, metrics, text = numbers_of(returned, "accuracy")
    with pytest.raises(BadResult) as caught:
        numbers_of(returned, "ok")
    for part in ("result.preds: expected a number, found ndarray of 80 bytes",
                 "result.ok: expected a number, found True", "result.none: expected a number, found None",
                 "key 3 is int; keys must be strings", "a name is one line"):
        assert part in text and part in str(caught.value)
    assert (result, metrics) == (0.9, {"accuracy": 0.9})
    assert caught.value.metrics == {"accuracy": 0.9}


@pytest.mark.parametrize(("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (23_100_000, "23.1 MB"),
                                            (5e12, "5000.0 GB")])
def test_sizes_are_readable(size, text):
    assert in_bytes(size) == text
