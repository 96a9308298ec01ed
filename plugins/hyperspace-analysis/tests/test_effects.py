"""The effect of one hyper-parameter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis_runs import LARGE, SMALL, completed, folds, forest, in_parts, runs_of
from hyperspace_analysis.effects import effects
from hyperspace_core.errors import UsageError
from hyperspace_core.records.info import Rescored
from hyperspace_core.records.run import Attempt
from hyperspace_core.records.states import PRUNED


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


def test_an_effect_counts_each_part() -> None:
    runs = [in_parts(1, 10, folds(0.5, 0.6, 0.7)), in_parts(2, 50, folds(0.6, 0.75, 0.8))]

    [change] = effects(runs, "trees")

    assert (change.effect.n, change.pairs, change.verdict) == (3, ((1, 2),), "better")


def test_pruned_runs_have_no_effect() -> None:
    pruned = completed(20, 0.1, forest(50), seed=1, reason=PRUNED,
                       info={PRUNED: {"series": "accuracy", "values": 3, "step": 3}})

    found = effects([*SMALL, *LARGE, pruned], "trees")

    assert [change.effect.n for change in found] == [4]
    assert found[0].effect.mean == effects([*SMALL, *LARGE], "trees")[0].effect.mean


def test_a_rescored_metric_replaces_the_returned_one() -> None:
    runs = [replace(run, attempts=(Attempt(number=1),), info={"rescored": {"accuracy": Rescored(
        name="accuracy", value=value, goal="maximize", attempt=1).tree()}})
        for run, value in ((SMALL[0], 0.5), (LARGE[0], 0.7))]

    assert effects(runs, "trees")[0].effect.mean == pytest.approx(0.2)
