"""`hyperspace compare` and `effects`, and repeats and files in `results`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.records.run import Finish, Metric
from hyperspace_core.records.states import Outcome, State
from pytest_hyperspace.stores.harness import Harness

from .changing import Editing
from .conftest import Answer
from .test_results import DEPTH

Typed = Callable[..., Answer]


def done(harness: Harness, result: float, config: dict[str, Any], seed: int, *, task: str = "holdout",
         goal: Any = "maximize") -> int:
    lease = harness.start(task=task, submitted=config, config=config, seed=seed,
                          metric=Metric(name="accuracy", goal=goal))
    harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=result,
                                       metrics={"accuracy": result}))
    return lease.run


def forest(trees: int, **others: Any) -> dict[str, Any]:
    return {"classifier": {"className": "Forest", "trees": trees}, **others}


@pytest.fixture
def filled(harness: Harness) -> Harness:
    """Runs 1 to 3 of ten trees, 4 to 6 of fifty, on the seeds 0 to 2."""
    for trees, results in ((10, (0.5, 0.6, 0.55)), (50, (0.6, 0.71, 0.64))):
        for seed, result in enumerate(results):
            done(harness, result, forest(trees), seed)
    return harness


# -- results -------------------------------------------------------------------------------------------------


def test_repeats_are_grouped_by_default(typed: Typed, filled: Harness) -> None:
    heads, *rows = typed("results", "holdout").columns

    assert heads == ["runs", "n", "accuracy", "sd", "low", "high", "trees", "time"]
    assert [row[:3] for row in rows] == [["4 to 6", "3", "0.65"], ["1 to 3", "3", "0.55"]]


def test_by_run_shows_single_runs(typed: Typed, filled: Harness) -> None:
    assert [row[0] for row in typed("results", "holdout", "--by", "run").columns[1:]] == list("562431")
    assert [row[0] for row in typed("results", "--by", "run", "--comparable", "all", "--limit", "2",
                                    "--task", "holdout").columns[2:]] == ["5", "6"]
    assert [row[0] for row in typed("results", "holdout", "--order-by=-run", "--limit", 2).columns[1:]] == [
        "6", "5"]


def test_groups_can_be_printed_as_json(typed: Typed, filled: Harness) -> None:
    best, second = typed("results", "holdout", "--by", "config", "--json").json

    assert (best["runs"], best["config"], best["result"]["n"]) == ([4, 5, 6], forest(50), 3)
    assert second["result"]["mean"] == pytest.approx(0.55)
    assert [run["id"] for run in typed("results", "holdout", "--json").json] == [5, 6, 2, 4, 3, 1]


def test_a_table_is_written_to_a_file(typed: Typed, filled: Harness, tmp_path: Path) -> None:
    answer = typed("results", "holdout", "-o", tmp_path / "a.csv", "--limit", 2)
    typed("results", "-o", tmp_path / "a.jsonl", "--by", "config", "--all-columns")

    assert (answer.out, answer.err) == ("", f"2 rows written to {tmp_path / 'a.csv'}\n")
    with (tmp_path / "a.csv").open(newline="") as file:
        assert [row[:3] for row in csv.reader(file)] == [
            ["run", "accuracy", "seed"], ["5", "0.71", "1"], ["6", "0.64", "2"]]
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [(row["runs"], row["classifier"]) for row in rows] == [("4 to 6", "Forest"), ("1 to 3", "Forest")]


def test_formulas_in_a_file_are_escaped_unless_raw(typed: Typed, harness: Harness, tmp_path: Path) -> None:
    for seed, text in enumerate(("=1+1", "harmless")):
        done(harness, seed / 10, {"text": text}, seed)
    typed("results", "-o", tmp_path / "a.csv")
    typed("results", "-o", tmp_path / "b.csv", "--raw")

    assert "'=1+1" in (tmp_path / "a.csv").read_text() and "'=1+1" not in (tmp_path / "b.csv").read_text()


@pytest.mark.parametrize(("words", "code", "message"), [
    (("-o", "a.xls"), 2, "a.xls: expected a name that ends with .csv, .jsonl, .parquet"),
    (("-o", "a.csv", "--json"), 2, "--output and --json contradict each other"),
    (("--by", "config", "--order-by", "trees"), 2, "--by config and --order-by contradict each other"),
    (("--order-by", "tress"), 2, "order by 'tress': no run has such a column; did you mean 'trees'"),
    (("-o", "/nowhere/a.csv"), 2, "/nowhere/a.csv: cannot be written: No such file or directory"),
])
def test_invalid_table_options_are_refused(typed: Typed, filled: Harness, words: tuple[str, ...], code: int,
                                           message: str) -> None:
    assert message in typed("results", "holdout", *words, expect=code).err


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


def test_a_run_of_other_code_is_named_as_left_out(typed: Typed, editing: Editing) -> None:
    first = editing.run()
    editing.edit(DEPTH)
    second = editing.run()

    message = typed("compare", first, second, expect=5).err

    assert f"run {first} is not comparable: Grow had other code; add --comparable all to compare" in message


def test_more_pairs_are_queued_with_the_missing_seeds(typed: Typed, editing: Editing) -> None:
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
    assert typed("effects", "classifier", "--where", "trees=1").err == "no completed run matches\n"
    assert typed("effects", "classifier", "--where", "classifier.trees=10").err == (
        "no two runs differ in classifier alone\n")
