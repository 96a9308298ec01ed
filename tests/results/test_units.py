"""Runs in parts (folds, seeds, series, windows): each part counts once."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.repeats import Grouped, has_repeats, measurements
from support.records import completed


def in_parts(number: int, trees: int, values: dict[str, float], *, seed: int = 0, drawn: bool = False,
             **others: Any) -> RunRecord:
    """A run in parts, as `Repeated` stores it; `drawn`: each part has its own seed."""
    info = {f"part/{name}": {"metrics": {"accuracy": value}, "seed": seed + place if drawn else seed}
            for place, (name, value) in enumerate(values.items())}
    mean = sum(values.values()) / len(values)
    metrics = {"accuracy": mean, "accuracy/sd": 0.1}
    values: dict[str, Any] = {
        "info": info, "metrics": metrics | {f"accuracy/{name}": value for name, value in values.items()}}
    return completed(number, mean, {"classifier": {"className": "Forest", "trees": trees}}, seed=seed,
                     **values | others)


def folds(*values: float) -> dict[str, float]:
    return {f"fold-{place}": value for place, value in enumerate(values)}


def repeats(*values: float) -> dict[str, float]:
    return {f"repeat-{place}": value for place, value in enumerate(values)}


A = in_parts(1, 10, folds(0.5, 0.6, 0.7))
B = in_parts(2, 50, folds(0.6, 0.75, 0.8))


def test_the_parts_of_one_run_are_its_repeats() -> None:
    assert has_repeats([A]) and not has_repeats([completed(1, 0.5)])
    [group] = Grouped([A])
    table = Grouped([A, B]).table()

    assert group.estimate is not None
    assert group.estimate.n == 3 and group.estimate.mean == pytest.approx(0.6)
    assert group.estimate.sd == pytest.approx(0.1)
    assert table.folded().names == ("runs", "n", "accuracy", "sd", "low", "high", "trees")
    assert [column.values for column in table.columns if column.name == "n"] == [(3, 3)]


def test_a_seed_that_two_runs_share_is_counted_once() -> None:
    [group] = Grouped([in_parts(1, 10, repeats(0.5, 0.6), drawn=True),
                       in_parts(2, 10, repeats(0.6, 0.7), seed=1, drawn=True)])

    assert sorted(group.results) == [0.5, 0.6, 0.7]


def test_a_diverged_part_and_a_single_part_are_no_repeats() -> None:
    broken = in_parts(2, 50, folds(0.5, math.nan))

    assert not math.isfinite(Grouped([broken])[0].estimate.mean)  # type: ignore[union-attr]
    assert list(measurements(in_parts(1, 10, folds(0.5))).values()) == [0.5]


@pytest.mark.parametrize("info", [
    {"part/fold-0": "mine", "part/fold-1": 3}, {"part/fold-0": {}, "part/x": {}}])
def test_notes_of_user_code_are_not_parts(info: dict[str, Any]) -> None:
    assert list(measurements(in_parts(1, 10, folds(0.5, 0.6), info=info)).values()) == [0.55]


def test_a_run_without_a_result_has_no_measurements() -> None:
    assert measurements(completed(1, None)) == {}
