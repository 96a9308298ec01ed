"""Thinned series: which points are kept, and what is computed from them."""

from __future__ import annotations

import math
import random

import pytest

from hyperspace_tuning.pruner import EXACT, curve_of


def test_a_short_series_is_kept_whole() -> None:
    curve = curve_of([(1, 0.5), (2, 0.75), (10, 0.25)])

    assert curve.points == ((1, 0.5), (2, 0.75), (10, 0.25))
    assert (curve.count, curve.step, curve.value, curve.high, curve.low) == (3, 10, 0.25, 0.75, 0.25)


def test_before_the_first_value_there_is_nothing() -> None:
    curve = curve_of([])

    assert (curve.count, curve.step, curve.first_from(0), curve.mean_until(5)) == (0, -1, None, None)
    assert all(map(math.isnan, (curve.value, curve.high, curve.low)))


def test_values_without_a_step_are_counted() -> None:
    assert curve_of([(None, 0.1), (None, 0.2)]).points == ((0, 0.1), (1, 0.2))


def test_the_last_value_of_a_step_counts() -> None:
    curve = curve_of([(3, 0.1), (5, 0.2), (5, 0.3), (4, 9.0), (6, 0.4)])

    assert curve.points == ((3, 0.1), (5, 0.3), (6, 0.4))
    assert (curve.count, curve.high) == (5, 9.0)


def test_nan_is_a_value_but_neither_the_highest_nor_the_lowest() -> None:
    curve = curve_of([(1, math.nan), (2, 1.0), (3, math.nan), (4, -1.0), (5, math.nan)])

    assert (curve.high, curve.low, len(curve.points)) == (1.0, -1.0, 5)


@pytest.mark.parametrize("last", [1_000, 54_321, 1_000_000])
def test_about_a_thousand_points_of_a_long_series_are_kept(last: int) -> None:
    curve = curve_of((step, float(step)) for step in range(1, last + 1))

    assert len(curve.points) <= EXACT + 64 * (math.log2(last / EXACT) + 1) + 1
    assert curve.points[-1] == (last, float(last))
    assert curve.points[:255] == tuple((step, float(step)) for step in range(1, EXACT))
    assert (curve.count, curve.high, curve.low) == (last, float(last), 1.0)


def test_the_first_point_from_any_step_on_comes_soon() -> None:
    curve = curve_of((step, float(step)) for step in range(200_000))

    for step in random.Random(0).sample(range(200_000), 2_000):
        found = curve.first_from(step)
        assert found is not None
        assert step <= found <= step * (1 + 1 / 64) + 1
    for power in range(18):
        assert curve.first_from(2**power) == 2**power


def test_the_kept_points_do_not_depend_on_the_time_of_reading() -> None:
    points = [(step, float(step % 7)) for step in range(0, 3000, 3)]
    whole, half = curve_of(points), curve_of(points[:500])

    assert half.points[:-1] == whole.points[:len(half.points) - 1]
    assert curve_of(whole.points).points == whole.points


def test_each_value_weighs_as_much_as_the_steps_before_it() -> None:
    even, uneven = curve_of([(1, 1.0), (2, 3.0), (3, 5.0)]), curve_of([(10, 1.0), (20, 3.0), (50, 5.0)])

    assert [even.mean_until(step) for step in (0, 1, 2, 3, 9)] == [None, 1.0, 2.0, 3.0, 3.0]
    assert [uneven.mean_until(step) for step in (10, 49, 50)] == [1.0, 2.0, (10 + 30 + 150) / 50]
    assert curve_of([(7, 4.0)]).mean_until(7) == 4.0


def test_the_mean_of_a_thinned_series_is_near_that_of_the_whole() -> None:
    points = [(step, math.log(step)) for step in range(1, 50_001)]
    exact = sum(value for _, value in points) / len(points)

    assert curve_of(points).mean_until(50_000) == pytest.approx(exact, rel=0.002)
