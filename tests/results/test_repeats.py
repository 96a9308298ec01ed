"""Grouped repeats, paired comparison of configs, effects of a hyper-parameter."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperspace_core.errors import NotFound, UsageError
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.results.effects import effects
from hyperspace_core.results.next_pairs import next_pairs
from hyperspace_core.results.pairs import compare
from hyperspace_core.results.repeats import (
    Grouped,
    estimate,
    grouped,
    has_repeats,
    numbers_needed,
    t_quantile,
)
from hyperspace_core.results.results import Results

from .records import completed


def forest(trees: int, **others: Any) -> dict[str, Any]:
    return {"classifier": {"className": "Forest", "trees": trees}, **others}


def runs_of(first: int, config: dict[str, Any], *results: float, seed: int = 0,
            **others: Any) -> list[RunRecord]:
    """Runs of a config at consecutive seeds."""
    return [completed(first + place, result, config, seed=seed + place, **others)
            for place, result in enumerate(results)]


SMALL = runs_of(1, forest(10), 0.50, 0.60, 0.55, 0.58)
LARGE = runs_of(11, forest(50), 0.60, 0.71, 0.64, 0.69)


# -- means and intervals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("probability", "freedom", "known"), [
    # from a textbook table
    (0.975, 1, 12.706), (0.975, 2, 4.303), (0.975, 4, 2.776), (0.975, 10, 2.228), (0.975, 30, 2.042),
    (0.995, 5, 4.032), (0.8, 3, 0.978), (0.95, 1000, 1.646), (0.975, 100_000, 1.960), (0.5, 7, 0.0),
])
def test_quantiles_of_t_are_those_of_the_tables(probability: float, freedom: int, known: float) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(known, abs=5e-4)


def test_the_interval_is_that_of_a_worked_example() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0, 5.0])

    assert (found.n, found.mean) == (5, 3.0)
    assert found.sd == pytest.approx(1.5811388)
    assert found.low == pytest.approx(3 - 2.7764451 * 1.5811388 / math.sqrt(5))
    assert found.high == pytest.approx(3 + 1.9632432)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_the_mean_lies_in_its_interval(values: list[float]) -> None:
    found = estimate(values)

    assert found.low is not None and found.high is not None
    assert found.low <= found.mean <= found.high


def test_one_number_has_no_spread_and_nan_has_no_mean() -> None:
    assert (estimate([0.5]).sd, estimate([0.5]).low) == (None, None)
    assert math.isnan(estimate([0.5, math.nan]).mean)
    assert not estimate([0.5, math.nan]).differs


def test_the_sample_size_matches_the_textbook() -> None:
    assert numbers_needed(1.0, 1.0) == 10          # the textbook's answer for one sample, 80 % power
    assert numbers_needed(-1.0, 1.0) == 10
    assert numbers_needed(0.0, 1.0) is None and numbers_needed(1e-6, 1.0) is None


def test_a_few_equal_numbers_are_not_significant() -> None:
    assert not estimate([0.1] * 5).differs
    assert estimate([0.1] * 6).differs and not estimate([0.0] * 6).differs


# -- one row a config ----------------------------------------------------------------------------------------


def test_repeats_are_one_row_with_the_best_mean_first() -> None:
    table = Grouped([*SMALL, *LARGE]).table()

    assert table.names == ("runs", "n", "accuracy", "sd", "low", "high", "trees")
    (runs, count, mean, sd, low, high, trees), second = table.rows
    assert (runs, count, trees) == ("11 to 14", 4, 50)
    assert mean == pytest.approx(0.66) and low < mean < high and sd == pytest.approx(0.0496655)
    assert second[0] == "1 to 4"


def test_the_lowest_mean_is_first_where_lower_is_better() -> None:
    groups = grouped([*runs_of(1, forest(1), 2.0, 3.0, goal="minimize"),
                      *runs_of(5, forest(2), 1.0, 2.0, goal="minimize")])

    assert [group.ids for group in groups] == [(5, 6), (1, 2)]


def test_folds_count_as_repeats_and_have_no_column() -> None:
    runs = [completed(fold + 1, 0.5 + fold / 10, forest(1, fold=fold)) for fold in range(3)]

    assert has_repeats(runs)
    assert [group.ids for group in grouped(runs)] == [(1, 2, 3)]
    assert Grouped(runs).table(constant=True).names == (
        "runs", "n", "task", "state", "accuracy", "sd", "low", "high", "classifier", "trees")


def test_a_seed_parameter_of_single_run_counts_as_seed() -> None:
    runs = [completed(seed + 1, 0.5, {"lr": 1, "seed": seed}, seed=seed) for seed in range(2)]

    assert [group.ids for group in grouped(runs)] == [(1, 2)]


def test_different_problems_and_tasks_are_not_repeats() -> None:
    runs = [completed(1, 0.5), completed(2, 0.5, seed=1, scenario={"className": "Holdout", "share": 0.5}),
            completed(3, 0.5, task="other", seed=2)]

    assert len(grouped(runs)) == 3
    assert not has_repeats(runs)


def test_a_config_with_a_diverged_run_is_last() -> None:
    lost = runs_of(1, forest(1), 0.99, math.nan)
    fine = [replace(run, metrics={"accuracy": run.result, "loss": loss, "note": "x"})
            for run, loss in zip(runs_of(5, forest(2), 0.1, 0.2), (1.0, 2.0), strict=True)]

    table = Grouped([*lost, *fine]).table()

    assert [row[0] for row in table.rows] == ["5, 6", "1, 2"]
    assert dict(zip(table.names, table.rows[0], strict=True))["loss"] == 1.5
    assert "note" not in table.names


def test_a_parameter_keeps_a_name_that_a_column_uses() -> None:
    table = Grouped([*runs_of(1, {"n": 5, "sd": 1}, 0.1), *runs_of(2, {"n": 6, "sd": 2}, 0.2)]).table()

    assert {"n", "sd", "n_", "sd_"} <= set(table.names) and len(set(table.names)) == len(table.names)


def test_groups_are_shown_as_a_table_with_the_rest_counted() -> None:
    shown = Grouped(run for n in range(35) for run in runs_of(2 * n + 1, forest(n), n / 100, n / 50))

    assert len(repr(shown).splitlines()) == 32 and repr(shown).endswith("… 5 more")
    assert "<td>69, 70</td>" in shown._repr_html_()
    assert len(shown[:2]) == 2 and shown[0].ids == (69, 70)
    assert repr(Grouped()) == "no runs"


# -- two configs ---------------------------------------------------------------------------------------------


def test_two_configs_are_paired_by_seed() -> None:
    paired = compare([*SMALL, *LARGE], 2, 13)

    assert [(pair.seed, pair.a, pair.b) for pair in paired.pairs] == [
        (0, 0.50, 0.60), (1, 0.60, 0.71), (2, 0.55, 0.64), (3, 0.58, 0.69)]
    assert paired.better == "b" and paired.more_pairs == 0
    assert paired.verdict == ("b is better: accuracy of b is 0.1025 higher "
                              "(95 % interval 0.0872652 to 0.117735), 4 pairs")
    assert repr(paired).startswith("a  classifier.trees=10; 4 runs: 1 to 4\nb  classifier.trees=50; ")


def test_swapping_the_sides_gives_the_same_answer() -> None:
    paired = compare([*SMALL, *LARGE], 11, 1)

    assert paired.better == "a"
    assert paired.verdict.startswith("a is better: accuracy of a is 0.1025 higher (95 % interval 0.0872652")


def test_the_goal_decides_which_side_is_better() -> None:
    losses = [*runs_of(1, forest(1), 2.0, 3.0, 2.5, goal="minimize"),
              *runs_of(5, forest(2), 1.0, 2.1, 1.4, goal="minimize")]

    paired = compare(losses, 1, 5)

    assert paired.better == "b" and "accuracy of b is 1 lower (95 % interval 0.7" in paired.verdict


def test_an_open_comparison_names_the_needed_pairs() -> None:
    paired = compare([*runs_of(1, forest(1), 0.5, 0.6, 0.7), *runs_of(5, forest(2), 0.55, 0.58, 0.78)], 1, 5)

    assert paired.better is None
    assert paired.verdict.startswith("cannot tell yet: accuracy of b is 0.0366667 higher (95 % interval -0.0")
    assert paired.more_pairs is not None and f"; {paired.more_pairs} more pairs would do" in paired.verdict
    assert paired.more_pairs + 3 == numbers_needed(0.11 / 3, estimate([0.05, -0.02, 0.08]).sd or 0)


@pytest.mark.parametrize(("a", "b", "verdict", "more"), [
    ((0.5,), (0.6,), ("cannot tell yet: accuracy of b is 0.1 higher, 1 pair; one pair is not enough to "
                      "judge; at least 2 more are needed"), 2),
    ((0.5, 0.5), (0.5, 0.5), "no difference: accuracy is the same in each of 2 pairs", None),
    ((0.5,), (0.5,), ("cannot tell yet: accuracy of b is the same in the mean, 1 pair; one pair is not "
                      "enough to judge; at least 2 more are needed"), 2),
    ((0.5, math.nan), (0.5, 0.5), "cannot tell: a result is not a finite number; 2 pairs", None),
    ((0.5, 0.5), (0.75, 0.75), ("cannot tell yet: accuracy of b is 0.25 higher (95 % interval 0.25 to 0.25), "
                                "2 pairs; 4 more pairs would do if effect and spread stay as they are"), 4),
    ((0.1, 0.3), (0.3 + 1e-7, 0.1), (
        "cannot tell yet: accuracy of b is 5e-08 higher (95 % interval -2.54124 to 2.54124), 2 pairs; "
        "if there is a difference, a thousand pairs would not show it"), None),
])
def test_verdicts_of_few_pairs_are_cautious(a: tuple[float, ...], b: tuple[float, ...], verdict: str,
                                            more: int | None) -> None:
    paired = compare([*runs_of(1, forest(1), *a), *runs_of(5, forest(2), *b)], 1, 5)

    assert (paired.verdict, paired.more_pairs) == (verdict, more)


def test_seeds_of_one_side_only_are_not_paired() -> None:
    runs = [*runs_of(1, forest(1), 0.1, 0.2), *runs_of(5, forest(2), 0.1, 0.2, seed=7)]

    assert compare(runs, 1, 5).verdict == "cannot tell: no run of a has the seed of a run of b"


def test_runs_that_differ_in_unnamed_parameters_do_not_pair() -> None:
    runs = [*runs_of(1, forest(10, scaler="none"), 0.1, 0.2),
            *runs_of(5, forest(50, scaler="some"), 0.3, 0.4)]

    paired = compare(runs, "classifier.trees=10", "classifier.trees=50")

    assert paired.verdict == (
        "cannot tell: at equal seeds a and b differ in other hyper-parameters, too; let the conditions name "
        "these as well, or compare two runs by their ids")
    assert len(compare(runs, ["classifier.trees=10", "scaler=none"],
                       ["classifier.trees=50", "scaler=some"]).pairs) == 2


def test_several_runs_of_a_seed_count_as_their_mean() -> None:
    runs = [completed(1, 0.2, forest(1)), completed(2, 0.4, forest(1)), completed(3, 0.5, forest(2))]
    paired = compare(runs, 1, 3)

    assert [(pair.a, pair.b) for pair in paired.pairs] == [(pytest.approx(0.3), 0.5)]


def test_conditions_pair_runs_with_equal_unnamed_parameters() -> None:
    runs = [run for first, trees, scaler, results in (
        (1, 10, "none", (0.1, 0.2)), (3, 10, "some", (0.2, 0.3)),
        (5, 50, "none", (0.5, 0.6)), (7, 50, "some", (0.7, 0.8)),
    ) for run in runs_of(first, forest(trees, scaler=scaler), *results)]

    paired = compare(runs, "scaler=none", ["scaler=some", "classifier=Forest"])

    # the family is named, too, and so are its trees: both sizes count as their mean
    assert [(pair.a, pair.b) for pair in paired.pairs] == [
        (pytest.approx(0.3), pytest.approx(0.45)), (pytest.approx(0.4), pytest.approx(0.55))]
    assert [round(pair.difference, 3) for pair in compare(runs, "scaler=none", "scaler=some").pairs] == [
        0.1, 0.2, 0.1, 0.2]


def test_folds_pair_with_folds() -> None:
    runs = [completed(10 * side + fold, side / 10 + fold, forest(side, fold=fold))
            for side in (1, 2) for fold in range(3)]

    assert [pair.difference for pair in compare(runs, 10, 20).pairs] == pytest.approx([0.1] * 3)


def test_sides_that_cannot_be_compared_are_refused() -> None:
    runs = [*SMALL, *LARGE, completed(30, 1.0, task="other")]

    with pytest.raises(UsageError, match=r"a and b mean the same runs \(1 to 4\); name two"):
        compare(runs, 1, 2)
    with pytest.raises(UsageError, match=r"a and b differ in task or metric: holdout \(accuracy\) and other"):
        compare(runs, 1, 30)
    with pytest.raises(NotFound, match="run 99 is not among the completed runs"):
        compare(runs, 1, 99)
    with pytest.raises(NotFound, match="no completed run matches classifier=Support"):
        compare(runs, 1, "classifier=Support")
    with pytest.raises(UsageError, match="expected the id of a run or conditions, got none"):
        compare(runs, 1, [])


# -- more pairs ----------------------------------------------------------------------------------------------


def test_more_pairs_fill_gaps_first_and_then_take_new_seeds() -> None:
    large = LARGE[:2]
    wanted = next_pairs(compare([*SMALL, *large], 1, 11), [*SMALL, *large], 3)

    assert [(record.id, seed) for record, seed in wanted] == [(12, 2), (12, 3), (4, 4), (12, 4)]


def test_queued_seeds_are_not_queued_again() -> None:
    waiting = [replace(run, id=run.id + 100, seed=4, result=None, state=State.QUEUED)
               for run in (SMALL[0], LARGE[0])]
    wanted = next_pairs(compare([*SMALL, *LARGE], 1, 11), [*SMALL, *LARGE, *waiting], 1)

    assert [seed for _, seed in wanted] == [5, 5]


def test_a_new_seed_is_run_on_each_fold() -> None:
    runs = [completed(10 * side + fold, 0.5, forest(side, fold=fold)) for side in (1, 2) for fold in range(2)]
    wanted = next_pairs(compare(runs, 10, 20), runs, 2)

    assert [(record.id, seed) for record, seed in wanted] == [(10, 1), (20, 1), (11, 1), (21, 1)]


def test_more_pairs_of_several_configs_are_refused() -> None:
    paired = compare([*SMALL, *LARGE, *runs_of(21, {"classifier": "Line"}, 0.1)], "classifier=Forest", 21)

    with pytest.raises(UsageError, match=r"need one config on each side, but a holds 2 \(runs 1, 11\)"):
        next_pairs(paired, [], 1)


# -- one hyper-parameter -------------------------------------------------------------------------------------


def test_effects_use_pairs_that_differ_in_one_parameter() -> None:
    runs = [*SMALL, *LARGE, *runs_of(21, forest(100), 0.61, 0.70, 0.66, 0.66),
            *runs_of(31, forest(50, scaler="none"), 0.9)]

    found = effects(runs, "trees")

    assert [(one.old, one.new, one.effect.n, one.verdict) for one in found] == [
        (10, 50, 4, "better"), (10, 100, 4, "better"), (50, 100, 4, "cannot tell")]
    assert found[0].pairs == ((1, 11), (2, 12), (3, 13), (4, 14))
    assert found[0].effect.mean == pytest.approx(0.1025)
    assert found.table().names == ("trees", "to", "pairs", "effect", "low", "high", "verdict")
    assert "cannot tell" in repr(found)


def test_an_effect_upwards_is_worse_where_lower_is_better() -> None:
    runs = [replace(run, metric=replace(run.metric, goal="minimize")) for run in (*SMALL, *LARGE)]

    assert [one.verdict for one in effects(runs, "classifier.trees")] == ["worse"]


def test_a_component_changes_as_a_whole() -> None:
    line = {"classifier": {"className": "Line", "slope": 1}}
    runs = [*runs_of(1, forest(5) | {"scaler": "a"}, 0.1, 0.2), *runs_of(3, line | {"scaler": "a"}, 0.3, 0.5),
            *runs_of(5, forest(5) | {"scaler": "b"}, 0.2, 0.1), *runs_of(7, line | {"scaler": "b"}, 0.4, 0.4)]

    one, = effects(runs, "classifier")

    assert ({one.old["className"], one.new["className"]}, one.effect.n) == ({"Forest", "Line"}, 4)


def test_runs_with_another_seed_or_problem_do_not_pair() -> None:
    other = [replace(run, scenario={"className": "Holdout", "share": 0.1}) for run in LARGE]

    assert len(effects([*SMALL, *other], "trees")) == 0
    assert repr(effects([SMALL[0], LARGE[1]], "trees")) == "no two runs differ in trees alone"


def test_an_unknown_parameter_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="no run has a hyper-parameter 'tres'; did you mean 'trees'"):
        effects(SMALL, "tres")


# -- the same from `Results` ---------------------------------------------------------------------------------


def test_results_offer_groups_comparison_and_effects() -> None:
    results = Results([*SMALL, *LARGE])

    assert results.best() == LARGE[1]
    assert results.compare(1, 11).better == "b"
    assert len(results.grouped()) == 2 and len(results.effects("trees")) == 1
    assert Results().best() is None
    with pytest.raises(UsageError, match="best of holdout, other: several tasks cannot be ranked"):
        Results([*SMALL, completed(30, 1.0, task="other")]).best()


def test_the_best_run_does_not_depend_on_the_order() -> None:
    results = Results([*SMALL, *LARGE], order_by="accuracy")

    assert results[0] == SMALL[0] and results.best() == LARGE[1] and results[:3].best() == SMALL[3]
