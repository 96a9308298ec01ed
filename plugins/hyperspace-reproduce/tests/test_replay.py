"""Comparison of two executions, number by number."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_reproduce.replay import Likeness, judge

IDENTICAL, EQUAL, DIVERGED = Likeness


def record(metrics: dict[str, Any] | None = None, **fields: Any) -> RunRecord:
    values = {"result": None if metrics is None else metrics.get("score"), "metrics": metrics or {}}
    return RunRecord(id=1, uid="u", project="p", task="t", **({"state": State.COMPLETED} | values | fields))


def points(*values: float, name: str = "loss") -> list[Point]:
    return [Point(seq=step, name=name, step=step, value=value, at=float(step))
            for step, value in enumerate(values)]


@pytest.mark.parametrize("value", [0.1, math.nan, math.inf, -0.0, 2**53, 0])
def test_equal_numbers_are_identical_at_any_time(value: float) -> None:
    later = [Point(seq=7, name="loss", step=0, value=value, at=99.0)]

    found = judge(record({"score": value}), points(value), record({"score": value}), later)

    assert (found.likeness, found.first, found.compared) == (IDENTICAL, None, 3)


@pytest.mark.parametrize(("before", "now"), [
    (0.1, 0.1 + 2**-56), (math.nan, 1.0), (math.inf, -math.inf), (True, 1), (1.0, None),
])
def test_a_difference_of_one_bit_is_a_divergence(before: Any, now: Any) -> None:
    found = judge(record({"score": before}), [], record({"score": now}), [])

    assert found.likeness is DIVERGED
    assert found.first is not None and found.first.where == "metric score"
    assert repr((found.first.before, found.first.now)) == repr((before, now))


@pytest.mark.parametrize(("before", "now"), [(0.0, -0.0), (1, 1.0)])
def test_int_and_float_of_one_value_are_equal_not_identical(before: Any, now: Any) -> None:
    assert judge(record({"score": before}), [], record({"score": now}), []).likeness is EQUAL


def test_a_tolerance_is_relative_and_below_one_absolute() -> None:
    def with_tolerance(before: float, now: float) -> Likeness:
        return judge(record({"score": before}), [], record({"score": now}), [], tolerance=1e-3).likeness

    assert with_tolerance(1000.0, 1000.9) is EQUAL
    assert with_tolerance(1000.0, 1002.0) is DIVERGED
    assert with_tolerance(0.0, 0.0009) is EQUAL
    assert with_tolerance(math.nan, 0.0) is DIVERGED
    assert with_tolerance(0.0, -0.0) is EQUAL


def test_the_first_difference_within_tolerance_is_reported() -> None:
    same = record({"score": 1.0})
    found = judge(same, points(1, 2, 3), same, points(1, 2.0001, 3), tolerance=0.1)

    assert found.likeness is EQUAL and found.same
    assert found.first is not None and found.first.where == "loss, point 2 (step 1)"


@pytest.mark.parametrize(("old", "new", "where"), [
    (points(1, 2), points(1), "loss, point 2 (step 1)"),
    (points(1), points(1, 2), "loss, point 2 (step 1)"),
    (points(1), points(1, name="cost"), "loss, point 1 (step 0)"),
    (points(1, 2)[1:], points(2), "loss, point 1 (step 1)"),
])
def test_missing_and_different_points_are_named(old: list[Point], new: list[Point], where: str) -> None:
    found = judge(record({}), old, record({}), new, tolerance=9)

    assert found.likeness is DIVERGED and found.first is not None and found.first.where == where


def test_points_are_compared_before_metrics_and_result() -> None:
    before, now = record({"a": 1.0, "score": 1.0}), record({"a": 2.0, "score": 2.0})

    assert str(judge(before, points(1), now, points(2)).first) == "loss, point 1 (step 0): 1 then, 2 now"
    assert str(judge(before, [], now, []).first) == "metric a: 1.0 then, 2.0 now"


def test_ignored_series_may_differ() -> None:
    mixed = [*points(1.0), *points(0.2, name="seconds/train")]
    other = [*points(1.0), *points(0.3, name="seconds/train"), *points(0.1, name="seconds/score")]

    before, now = record({"score": 1.0, "seconds": 3.0}), record({"score": 1.0, "seconds": 4.0})
    found = judge(before, mixed, now, other, ignore=("seconds/*", "seconds"))

    assert found.likeness is IDENTICAL


def test_a_different_outcome_is_the_first_difference() -> None:
    failed = record(None, state=State.FAILED, reason="ValueError: no")

    first = judge(record({"score": 1.0}), [], failed, []).first
    assert str(first) == "outcome: COMPLETED then, FAILED (ValueError: no) now"
    assert judge(failed, points(1), failed, points(1)).likeness is IDENTICAL
    assert not judge(failed, [], record(None, state=State.FAILED, reason="KeyError: 1"), []).same
