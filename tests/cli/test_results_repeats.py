"""`hyperspace results`: repeats in one row, and files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.records.run import Finish, Metric
from hyperspace_core.records.states import Outcome
from pytest_hyperspace.stores.harness import Harness
from support.commands import Answer

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
