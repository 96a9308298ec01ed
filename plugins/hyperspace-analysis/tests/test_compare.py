"""Paired comparison of two configs, and the runs that add pairs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from analysis_runs import LARGE, SMALL, completed, folds, forest, in_parts, repeats, runs_of
from hyperspace_analysis.compare import compare_results, compare_runs, next_pairs, numbers_needed
from hyperspace_core.errors import NotFound, UsageError
from hyperspace_core.records.info import Rescored
from hyperspace_core.records.run import Attempt
from hyperspace_core.records.states import PRUNED, State
from hyperspace_core.results.repeats import estimate
from hyperspace_core.results.results import Results

A = in_parts(1, 10, folds(0.5, 0.6, 0.7))
B = in_parts(2, 50, folds(0.6, 0.75, 0.8))


def test_the_sample_size_matches_the_textbook() -> None:
    assert numbers_needed(1.0, 1.0) == 10          # the textbook's answer for one sample, 80 % power
    assert numbers_needed(-1.0, 1.0) == 10
    assert numbers_needed(0.0, 1.0) is None and numbers_needed(1e-6, 1.0) is None



# -- two configs ---------------------------------------------------------------------------------------------


def test_two_configs_are_paired_by_seed() -> None:
    paired = compare_runs([*SMALL, *LARGE], 2, 13)

    assert [(pair.seed, pair.a, pair.b) for pair in paired.pairs] == [
        (0, 0.50, 0.60), (1, 0.60, 0.71), (2, 0.55, 0.64), (3, 0.58, 0.69)]
    assert paired.better == "b" and paired.more_pairs == 0
    assert paired.verdict == ("b is better: accuracy of b is 0.1025 higher "
                              "(95 % interval 0.0872652 to 0.117735), 4 pairs")
    assert repr(paired).startswith("a  classifier.trees=10; 4 runs: 1 to 4\nb  classifier.trees=50; ")


def test_swapping_the_sides_gives_the_same_answer() -> None:
    paired = compare_runs([*SMALL, *LARGE], 11, 1)

    assert paired.better == "a"
    assert paired.verdict.startswith("a is better: accuracy of a is 0.1025 higher (95 % interval 0.0872652")


def test_the_goal_decides_which_side_is_better() -> None:
    losses = [*runs_of(1, forest(1), 2.0, 3.0, 2.5, goal="minimize"),
              *runs_of(5, forest(2), 1.0, 2.1, 1.4, goal="minimize")]

    paired = compare_runs(losses, 1, 5)

    assert paired.better == "b" and "accuracy of b is 1 lower (95 % interval 0.7" in paired.verdict


def test_an_open_comparison_names_the_needed_pairs() -> None:
    runs = [*runs_of(1, forest(1), 0.5, 0.6, 0.7), *runs_of(5, forest(2), 0.55, 0.58, 0.78)]

    paired = compare_runs(runs, 1, 5)

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
    paired = compare_runs([*runs_of(1, forest(1), *a), *runs_of(5, forest(2), *b)], 1, 5)

    assert (paired.verdict, paired.more_pairs) == (verdict, more)


def test_seeds_of_one_side_only_are_not_paired() -> None:
    runs = [*runs_of(1, forest(1), 0.1, 0.2), *runs_of(5, forest(2), 0.1, 0.2, seed=7)]

    assert compare_runs(runs, 1, 5).verdict == "cannot tell: no run of a has the seed of a run of b"


def test_runs_that_differ_in_unnamed_parameters_do_not_pair() -> None:
    runs = [*runs_of(1, forest(10, scaler="none"), 0.1, 0.2),
            *runs_of(5, forest(50, scaler="some"), 0.3, 0.4)]

    paired = compare_runs(runs, "classifier.trees=10", "classifier.trees=50")

    assert paired.verdict == (
        "cannot tell: at equal seeds a and b differ in other hyper-parameters, too; let the conditions name "
        "these as well, or compare two runs by their ids")
    assert len(compare_runs(runs, ["classifier.trees=10", "scaler=none"],
                       ["classifier.trees=50", "scaler=some"]).pairs) == 2


def test_several_runs_of_a_seed_count_as_their_mean() -> None:
    runs = [completed(1, 0.2, forest(1)), completed(2, 0.4, forest(1)), completed(3, 0.5, forest(2))]
    paired = compare_runs(runs, 1, 3)

    assert [(pair.a, pair.b) for pair in paired.pairs] == [(pytest.approx(0.3), 0.5)]


def test_conditions_pair_runs_with_equal_unnamed_parameters() -> None:
    runs = [run for first, trees, scaler, results in (
        (1, 10, "none", (0.1, 0.2)), (3, 10, "some", (0.2, 0.3)),
        (5, 50, "none", (0.5, 0.6)), (7, 50, "some", (0.7, 0.8)),
    ) for run in runs_of(first, forest(trees, scaler=scaler), *results)]

    paired = compare_runs(runs, "scaler=none", ["scaler=some", "classifier=Forest"])

    # the family is named, too, and so are its trees: both sizes count as their mean
    assert [(pair.a, pair.b) for pair in paired.pairs] == [
        (pytest.approx(0.3), pytest.approx(0.45)), (pytest.approx(0.4), pytest.approx(0.55))]
    assert [round(pair.difference, 3) for pair in compare_runs(runs, "scaler=none", "scaler=some").pairs] == [
        0.1, 0.2, 0.1, 0.2]


def test_folds_pair_with_folds() -> None:
    runs = [completed(10 * side + fold, side / 10 + fold, forest(side, fold=fold))
            for side in (1, 2) for fold in range(3)]

    assert [pair.difference for pair in compare_runs(runs, 10, 20).pairs] == pytest.approx([0.1] * 3)


def test_sides_that_cannot_be_compared_are_refused() -> None:
    runs = [*SMALL, *LARGE, completed(30, 1.0, task="other")]

    with pytest.raises(UsageError, match=r"a and b mean the same runs \(1 to 4\); name two"):
        compare_runs(runs, 1, 2)
    with pytest.raises(UsageError, match=r"a and b differ in task or metric: holdout \(accuracy\) and other"):
        compare_runs(runs, 1, 30)
    with pytest.raises(NotFound, match="run 99 is not among the completed runs"):
        compare_runs(runs, 1, 99)
    with pytest.raises(NotFound, match="no completed run matches classifier=Support"):
        compare_runs(runs, 1, "classifier=Support")
    with pytest.raises(UsageError, match="expected the id of a run or conditions, got none"):
        compare_runs(runs, 1, [])


# -- more pairs ----------------------------------------------------------------------------------------------


def test_more_pairs_fill_gaps_first_and_then_take_new_seeds() -> None:
    large = LARGE[:2]
    wanted = next_pairs(compare_runs([*SMALL, *large], 1, 11), [*SMALL, *large], 3)

    assert [(record.id, seed) for record, seed in wanted] == [(12, 2), (12, 3), (4, 4), (12, 4)]


def test_queued_seeds_are_not_queued_again() -> None:
    waiting = [replace(run, id=run.id + 100, seed=4, result=None, state=State.QUEUED)
               for run in (SMALL[0], LARGE[0])]
    wanted = next_pairs(compare_runs([*SMALL, *LARGE], 1, 11), [*SMALL, *LARGE, *waiting], 1)

    assert [seed for _, seed in wanted] == [5, 5]


def test_a_new_seed_is_run_on_each_fold() -> None:
    runs = [completed(10 * side + fold, 0.5, forest(side, fold=fold)) for side in (1, 2) for fold in range(2)]
    wanted = next_pairs(compare_runs(runs, 10, 20), runs, 2)

    assert [(record.id, seed) for record, seed in wanted] == [(10, 1), (20, 1), (11, 1), (21, 1)]


def test_more_pairs_of_several_configs_are_refused() -> None:
    runs = [*SMALL, *LARGE, *runs_of(21, {"classifier": "Line"}, 0.1)]
    paired = compare_runs(runs, "classifier=Forest", 21)

    with pytest.raises(UsageError, match=r"need one config on each side, but a holds 2 \(runs 1, 11\)"):
        next_pairs(paired, [], 1)


# -- runs in parts: each part counts once --------------------------------------------------------------------


def test_two_runs_are_paired_part_by_part() -> None:
    paired = compare_runs([A, B], 1, 2)

    assert [(pair.seed, pair.part, pair.a, pair.b) for pair in paired.pairs] == [
        (0, "fold-0", 0.5, 0.6), (0, "fold-1", 0.6, 0.75), (0, "fold-2", 0.7, 0.8)]
    assert paired.better == "b" and paired.per_run == 3
    assert paired.effect is not None and paired.effect.mean == pytest.approx(0.35 / 3)
    assert paired.verdict.endswith("3 pairs")


def test_only_parts_of_one_name_are_paired() -> None:
    paired = compare_runs([A, in_parts(2, 50, {"fold-1": 0.8, "fold-2": 0.9, "fold-7": 0.1})], 1, 2)

    assert [pair.part for pair in paired.pairs] == ["fold-1", "fold-2"]


def test_without_common_parts_whole_runs_are_paired() -> None:
    for other in (completed(2, 0.9, {"classifier": {"className": "Forest", "trees": 50}}),
                  in_parts(2, 50, {"R1": 0.8, "R2": 1.0})):
        paired = compare_runs([A, other], 1, 2)

        [pair] = paired.pairs
        assert (pair.part, pair.a) == ("", A.result) and pair.b == pytest.approx(0.9)
        assert paired.per_run == 1


def test_parts_with_own_seeds_are_paired_by_seed() -> None:
    one = [in_parts(1, 10, repeats(0.5, 0.6), drawn=True),
           in_parts(2, 10, repeats(0.6, 0.7), seed=1, drawn=True)]
    other = [in_parts(3, 50, repeats(0.65, 0.75), seed=1, drawn=True)]
    paired = compare_runs([*one, *other], 1, 3)

    assert [(pair.seed, pair.part, pair.a, pair.b) for pair in paired.pairs] == [
        (1, "", 0.6, 0.65), (2, "", 0.7, 0.75)]


def test_an_open_comparison_names_the_needed_runs() -> None:
    paired = compare_runs([A, in_parts(2, 50, folds(0.55, 0.75, 0.7))], 1, 2)

    assert paired.more_pairs == 10
    assert "; 10 more pairs (4 more runs of each) would do" in paired.verdict


@pytest.mark.parametrize(("drawn", "seeds"), [(False, [1, 2]), (True, [3, 6])])
def test_more_pairs_plan_enough_runs_with_new_seeds(drawn: bool, seeds: list[int]) -> None:
    runs = [in_parts(number, trees, folds(0.5, 0.6, 0.7), drawn=drawn)
            for number, trees in ((1, 10), (2, 50))]
    wanted = next_pairs(compare_runs(runs, 1, 2), runs, 4)

    assert [(record.id, seed) for record, seed in wanted] == [
        (1, seeds[0]), (2, seeds[0]), (1, seeds[1]), (2, seeds[1])]


def test_a_diverged_part_leaves_the_verdict_open() -> None:
    broken = in_parts(2, 50, folds(0.5, math.nan))

    assert "a result is not a finite number" in compare_runs([A, broken], 1, 2).verdict


# -- which runs count ----------------------------------------------------------------------------------------


def test_pruned_runs_are_not_paired() -> None:
    pruned = completed(20, 0.1, forest(50), seed=1, reason=PRUNED,
                       info={PRUNED: {"series": "accuracy", "values": 3, "step": 3}})

    found = compare_runs([*SMALL, *LARGE, pruned], 1, 11)

    assert (found.b.ids, len(found.pairs)) == ((11, 12, 13, 14), 4)


def test_a_rescored_metric_replaces_the_returned_one() -> None:
    runs = [replace(run, attempts=(Attempt(number=1),), info={"rescored": {"accuracy": Rescored(
        name="accuracy", value=value, goal="maximize", attempt=1).tree()}})
        for run, value in ((SMALL[0], 0.5), (LARGE[0], 0.7))]

    assert [(pair.a, pair.b) for pair in compare_runs(runs, 1, 11).pairs] == [(0.5, 0.7)]


def test_results_are_compared_with_what_was_left_out() -> None:
    assert compare_results(Results([*SMALL, *LARGE]), 1, 11).better == "b"
