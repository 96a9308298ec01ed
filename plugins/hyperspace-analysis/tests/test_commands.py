"""The commands `compare` and `effects`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from analysis_runs import forest
from hyperspace_core.records.run import Finish, Metric
from hyperspace_core.records.states import Outcome, State
from pytest_hyperspace.project import ProjectFolder, forget
from pytest_hyperspace.stores.harness import Harness

Typed = Callable[..., Any]


def done(harness: Harness, result: float, config: dict[str, Any], seed: int, *, task: str = "holdout",
         goal: Any = "maximize") -> int:
    lease = harness.start(task=task, submitted=config, config=config, seed=seed,
                       metric=Metric(name="accuracy", goal=goal))
    harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=result,
                                       metrics={"accuracy": result}))
    return lease.run


@pytest.fixture
def filled(harness: Harness) -> Harness:
    """Runs 1 to 3 of ten trees, 4 to 6 of fifty, on the seeds 0 to 2."""
    for trees, results in ((10, (0.5, 0.6, 0.55)), (50, (0.6, 0.71, 0.64))):
        for seed, result in enumerate(results):
            done(harness, result, forest(trees), seed)
    return harness


# -- compare -------------------------------------------------------------------------------------------------


def test_two_runs_are_compared_with_their_repeats(typed: Typed, filled: Harness) -> None:
    lines = typed("compare", 1, 5).lines

    assert lines[:2] == ["a  classifier.trees=10; 3 runs: 1 to 3", "b  classifier.trees=50; 3 runs: 4 to 6"]
    assert [line.split() for line in lines[3:7]] == [
        ["seed", "a", "b", "b", "-", "a"], ["0", "0.5", "0.6", "0.1"], ["1", "0.6", "0.71", "0.11"],
        ["2", "0.55", "0.64", "0.09"]]
    assert lines[-1] == ("b is better: accuracy of b is 0.1 higher (95 % interval 0.0751586 to 0.124841), "
                         "3 pairs")


def test_conditions_select_the_runs_of_a_side(typed: Typed, filled: Harness) -> None:
    message = typed("compare", "classifier.trees=50 and classifier=Forest", "trees=1", expect=5).err
    assert "no completed run matches trees=1" in message

    words = ("classifier.trees=50 and classifier=Forest", "classifier.trees<50")
    answer = typed("compare", *words, "--json").json
    assert (answer["a"]["runs"], answer["b"]["runs"], answer["better"]) == ([4, 5, 6], [1, 2, 3], "a")
    assert [pair["seed"] for pair in answer["pairs"]] == [0, 1, 2]


@pytest.mark.parametrize(("a", "b", "code", "message"), [
    ("1", "2", 2, "a and b mean the same runs (1 to 3); name two different configs"),
    ("1", "77", 5, "no run 77 in this store"),
    ("1", "better", 2, "expected PATH OP VALUE"),
    ("0", "1", 2, "not a run id"),
    ("1", "7", 2, "a and b differ in task or metric"),
])
def test_invalid_sides(typed: Typed, filled: Harness, a: str, b: str, code: int, message: str) -> None:
    done(filled, 0.5, forest(1), 0, task="other")

    assert message in typed("compare", a, b, "--task", "holdout", "--task", "other", expect=code).err


def test_a_run_of_other_code_is_named_as_left_out(typed: Typed, project: ProjectFolder) -> None:
    first = typed("run", "first", "--json").json["id"]
    text = (project.package / "things.py").read_text()
    project.write("things.py", text.replace("+ noise +", "- noise +"))
    forget(project.package.name)
    second = typed("run", "first", "--json").json["id"]

    message = typed("compare", first, second, expect=5).err

    assert f"run {first} is not comparable: Grow had other code; add --comparable all to compare" in message


def test_more_pairs_are_queued_with_the_missing_seeds(typed: Typed, project: ProjectFolder) -> None:
    for noise, repeats in ((0.25, 2), (0.5, 1)):
        typed("submit", "first", "--set", f"noise={noise}", "--repeats", repeats)
    typed("worker", "--drain", "--isolation", "inline")

    planned = typed("compare", 1, 3, "--queue", 2, "--dry-run", "--json").json
    assert [(run["config"]["noise"], run["seed"]) for run in planned] == [(0.5, 6), (0.25, 7), (0.5, 7)]
    assert "queued 3 runs for 2 more pairs of first: 4 to 6" in typed("compare", 1, 3, "--queue", 2).out
    queued = typed("runs", "list", "--status", "queued", "--json").json
    assert {run["state"] for run in queued} == {State.QUEUED} and {run["parent"] for run in queued} == {2, 3}
    typed("worker", "--drain", "--isolation", "inline")

    assert [pair["seed"] for pair in typed("compare", 1, 3, "--json").json["pairs"]] == [5, 6, 7]


# -- effects -------------------------------------------------------------------------------------------------


def test_the_effect_of_a_hyper_parameter(typed: Typed, filled: Harness) -> None:
    heads, row = typed("effects", "trees").columns

    assert heads == ["trees", "to", "pairs", "effect", "low", "high", "verdict"]
    assert row == ["10", "50", "3", "0.1", "0.0751586", "0.124841", "better"]
    change, = typed("effects", "trees", "--json").json
    assert (change["old"], change["new"], change["pairs"]) == (10, 50, [[1, 4], [2, 5], [3, 6]])
    assert change["verdict"] == "better"


def test_invalid_effects_arguments(typed: Typed, filled: Harness) -> None:
    assert "did you mean 'trees'?" in typed("effects", "tree", expect=2).err
    assert "did you mean 'classifier.trees'?" in typed("effects", "classifier", "--where", "trees=1",
                                                       expect=2).err
    assert typed("effects", "classifier", "--where", "classifier.trees=1").err == "no completed run matches\n"
    assert typed("effects", "classifier", "--where", "classifier.trees=10").err == (
        "no two runs differ in classifier alone\n")
