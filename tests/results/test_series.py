"""Summaries of metric series, and differences between two runs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from hyperspace_core.config.tree import MISSING
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import Attempt
from hyperspace_core.results.diff import (
    MetricSummary,
    RunDifference,
    SeriesRow,
    differences,
    series_rows,
    summarize,
)
from support.records import FOREST, completed, queued


def points(*logged: tuple[str, int | None, float]) -> list[Point]:
    return [Point(seq=seq, name=name, step=step, value=value, at=0.0)
            for seq, (name, step, value) in enumerate(logged)]


def test_a_series_is_summarized() -> None:
    logged = points(("loss", 0, 0.9), ("accuracy", None, 0.5), ("loss", 1, 0.2), ("loss", 2, 0.4))

    assert summarize(logged, {"accuracy": 0.6}) == [
        MetricSummary(name="accuracy", returned=0.6, points=1, last=0.5, min=0.5, max=0.5),
        MetricSummary(name="loss", points=3, last=0.4, last_step=2, min=0.2, max=0.9),
    ]


@pytest.mark.parametrize(("values", "least", "most"), [
    ([math.nan, 0.5, math.nan], 0.5, 0.5), ([math.inf, 1.0], 1.0, math.inf), ([0.5, math.nan], 0.5, 0.5),
])
def test_minimum_and_maximum_ignore_nan(values: list[float], least: float, most: float) -> None:
    summary, = summarize(points(*(("loss", None, value) for value in values)))

    assert (summary.min, summary.max, summary.points) == (least, most, len(values))


def test_the_minimum_of_only_nan_is_nan() -> None:
    summary, = summarize(points(("loss", 0, math.nan)))

    assert summary.min is not None and math.isnan(summary.min)


def test_a_returned_metric_without_series_has_no_points() -> None:
    assert summarize([], {"accuracy": 0.5, "val": {"f1": 0.4}}) == [
        MetricSummary(name="accuracy", returned=0.5), MetricSummary(name="val.f1", returned=0.4)]


def test_series_side_by_side_are_joined_by_step() -> None:
    logged = points(("loss", 1, 0.5), ("accuracy", 0, 0.1), ("loss", 0, 0.9), ("accuracy", 1, 0.2),
                    ("other", 0, 9.0))

    assert series_rows(logged, ["accuracy", "loss"]) == [
        SeriesRow(0, (0.1, 0.9)), SeriesRow(1, (0.2, 0.5))]


def test_a_step_that_was_logged_twice_has_two_rows() -> None:
    logged = points(("loss", 0, 0.9), ("loss", 0, 0.8), ("accuracy", 0, 0.1))

    assert series_rows(logged, ["loss", "accuracy"]) == [SeriesRow(0, (0.9, 0.1)), SeriesRow(0, (0.8, None))]


def test_points_without_a_step_are_numbered_and_last() -> None:
    logged = points(("loss", None, 0.9), ("loss", None, 0.8), ("accuracy", 5, 0.1))

    assert series_rows(logged, ["loss", "accuracy"]) == [
        SeriesRow(5, (None, 0.1)), SeriesRow(None, (0.9, None)), SeriesRow(None, (0.8, None))]


# -- two runs ------------------------------------------------------------------------------------------------


def ran(number: int, result: float, provenance: dict[str, Any], **others: Any) -> Any:
    return replace(completed(number, result, **others), attempts=(Attempt(number=1, provenance=provenance),))


def test_equal_runs_have_no_differences() -> None:
    assert differences(completed(1, 0.5), completed(2, 0.5)) == []


def test_differences_are_ordered_from_request_to_result() -> None:
    one = {"host": {"name": "a"}, "packages": {"numpy": "1"}, "git": {"commit": "x"}, "seeds": {"a": 1}}
    two = {"git": {"commit": "y"}, "packages": {"numpy": "2"}, "host": {"name": "b"}, "seeds": {"a": 2}}
    first = ran(1, 0.5, one)
    second = ran(2, 0.6, two, config={"classifier": FOREST | {"trees": 5}}, task="other", seed=3)

    assert differences(first, second) == [
        RunDifference("task", "task", "holdout", "other"),
        RunDifference("config", "classifier.trees", 100, 5),
        RunDifference("seed", "seed", 0, 3),
        RunDifference("code", "git.commit", "x", "y"),
        RunDifference("packages", "packages.numpy", "1", "2"),
        RunDifference("host", "host.name", "a", "b"),
        RunDifference("metrics", "accuracy", 0.5, 0.6),
    ]


def test_a_queued_run_is_compared_by_its_request_only() -> None:
    done = ran(1, 0.5, {"git": {"commit": "x"}})
    waiting = queued(2, submitted={"classifier": "Forest"}, seed=0)

    assert [(each.section, each.path) for each in differences(done, waiting)] == [
        ("config", "classifier.className"), ("config", "classifier.trees"), ("config", "classifier"),
        ("metrics", "accuracy")]
    assert differences(done, waiting)[-1].second is MISSING
