"""Runs in parts (folds, seeds, series, windows): each part counts once."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.effects import effects
from hyperspace_core.results.next_pairs import next_pairs
from hyperspace_core.results.pairs import compare
from hyperspace_core.results.repeats import Grouped, has_repeats, measured

from .records import completed


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


def test_two_runs_are_paired_part_by_part() -> None:
    paired = compare([A, B], 1, 2)

    assert [(pair.seed, pair.part, pair.a, pair.b) for pair in paired.pairs] == [
        (0, "fold-0", 0.5, 0.6), (0, "fold-1", 0.6, 0.75), (0, "fold-2", 0.7, 0.8)]
    assert paired.better == "b" and paired.per_run == 3
    assert paired.effect is not None and paired.effect.mean == pytest.approx(0.35 / 3)
    assert paired.verdict.endswith("3 pairs")


def test_only_parts_of_one_name_are_paired() -> None:
    paired = compare([A, in_parts(2, 50, {"fold-1": 0.8, "fold-2": 0.9, "fold-7": 0.1})], 1, 2)

    assert [pair.part for pair in paired.pairs] == ["fold-1", "fold-2"]


def test_without_common_parts_whole_runs_are_paired() -> None:
    for other in (completed(2, 0.9, {"classifier": {"className": "Forest", "trees": 50}}),
                  in_parts(2, 50, {"R1": 0.8, "R2": 1.0})):
        paired = compare([A, other], 1, 2)

        [pair] = paired.pairs
        assert (pair.part, pair.a) == ("", A.result) and pair.b == pytest.approx(0.9)
        assert paired.per_run == 1


def test_parts_with_own_seeds_are_paired_by_seed() -> None:
    one = [in_parts(1, 10, repeats(0.5, 0.6), drawn=True),
           in_parts(2, 10, repeats(0.6, 0.7), seed=1, drawn=True)]
    other = [in_parts(3, 50, repeats(0.65, 0.75), seed=1, drawn=True)]
    paired = compare([*one, *other], 1, 3)

    assert [(pair.seed, pair.part, pair.a, pair.b) for pair in paired.pairs] == [
        (1, "", 0.6, 0.65), (2, "", 0.7, 0.75)]


def test_an_open_comparison_names_the_needed_runs() -> None:
    paired = compare([A, in_parts(2, 50, folds(0.55, 0.75, 0.7))], 1, 2)

    assert paired.more_pairs == 10
    assert "; 10 more pairs (4 more runs of each) would do" in paired.verdict


@pytest.mark.parametrize(("drawn", "seeds"), [(False, [1, 2]), (True, [3, 6])])
def test_more_pairs_plan_enough_runs_with_new_seeds(drawn: bool, seeds: list[int]) -> None:
    runs = [in_parts(number, trees, folds(0.5, 0.6, 0.7), drawn=drawn)
            for number, trees in ((1, 10), (2, 50))]
    wanted = next_pairs(compare(runs, 1, 2), runs, 4)

    assert [(record.id, seed) for record, seed in wanted] == [
        (1, seeds[0]), (2, seeds[0]), (1, seeds[1]), (2, seeds[1])]


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


def test_an_effect_counts_each_part() -> None:
    [change] = effects([A, B], "trees")

    assert (change.effect.n, change.pairs, change.verdict) == (3, ((1, 2),), "better")


def test_a_diverged_part_and_a_single_part_are_no_repeats() -> None:
    broken = in_parts(2, 50, folds(0.5, math.nan))

    assert not math.isfinite(Grouped([broken])[0].estimate.mean)  # type: ignore[union-attr]
    assert "a result is not a finite number" in compare([A, broken], 1, 2).verdict
    assert list(measured(in_parts(1, 10, folds(0.5))).values()) == [0.5]


@pytest.mark.parametrize("info", [
    {"part/fold-0": "mine", "part/fold-1": 3}, {"part/fold-0": {}, "part/x": {}}])
def test_notes_of_user_code_are_not_parts(info: dict[str, Any]) -> None:
    assert list(measured(in_parts(1, 10, folds(0.5, 0.6), info=info)).values()) == [0.55]


def test_a_run_without_a_result_has_no_measurements() -> None:
    assert measured(completed(1, None)) == {}
