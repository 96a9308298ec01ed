"""A rescored metric of the task replaces the returned result in rankings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hyperspace_core.records.info import Rescored
from hyperspace_core.records.run import Attempt, RunRecord
from hyperspace_core.results import results as first_page
from hyperspace_core.results.repeats import Grouped
from hyperspace_core.results.results import Results
from hyperspace_core.results.table import ordered
from hyperspace_core.study import Study
from support.openings import Open
from support.records import completed


def mended(record: RunRecord, value: float, name: str = "accuracy") -> RunRecord:
    entry = Rescored(name=name, value=value, goal="maximize", attempt=1).tree()
    return replace(record, attempts=(Attempt(number=1),),
                   info={"rescored": record.info.get("rescored", {}) | {name: entry}})


def forest(number: int, trees: int, returned: float, counts: float, **others: Any) -> RunRecord:
    config = {"classifier": {"className": "Forest", "trees": trees}}
    return mended(completed(number, returned, config, **others), counts)


RUNS = [forest(1, 10, 0.9, 0.5), forest(2, 50, 0.8, 0.7), forest(3, 90, 0.7, 0.6)]


def ids(records: Any) -> list[int]:
    return [record.id for record in records]


def test_a_rescored_metric_decides_the_best_run() -> None:
    results = Results(RUNS)
    table = results.table()

    assert ids(results) == [2, 3, 1]
    assert results.best() is not None and results.best().id == 2  # type: ignore[union-attr]
    assert table.names[:3] == ("run", "accuracy", "rescored.accuracy")
    assert table.rows[0][:3] == (2, 0.8, 0.7)


def test_a_run_without_rescoring_counts_by_its_returned_value() -> None:
    assert ids(Results([*RUNS, completed(4, 0.65), completed(5, None)])) == [2, 4, 3, 1, 5]


@pytest.mark.parametrize(("order_by", "first"), [
    ("accuracy", [1, 3, 2]), ("-accuracy", [2, 3, 1]), ("rescored.accuracy", [1, 3, 2]),
    ("result", [3, 2, 1]), ("-metrics.accuracy", [1, 2, 3]),
])
def test_runs_sort_by_rescored_and_by_returned_metric(order_by: str, first: list[int]) -> None:
    assert ids(ordered(RUNS, order_by)) == first


def test_a_new_metric_sorts_with_runs_that_returned_it() -> None:
    runs = [mended(completed(1, 0.5), 0.3, "f1"), mended(completed(2, 0.4), 0.1, "f1"),
            completed(3, 0.3, metrics={"accuracy": 0.3, "f1": 0.2}), completed(4, 0.2)]

    assert ids(ordered(runs, "-f1")) == [1, 3, 2, 4]
    assert ids(Results(runs)) == [1, 2, 3, 4]          # it is not the task's metric


def test_a_rescored_run_is_not_compared_by_parts() -> None:
    parts = {f"part/fold-{fold}": {"seed": 0} for fold in range(2)}
    record = completed(1, 0.5, metrics={"accuracy": 0.5, "accuracy/fold-0": 0.4, "accuracy/fold-1": 0.6},
                       info=parts)
    anew = mended(record, 0.9)
    anew = replace(anew, info=record.info | anew.info)

    assert Grouped([record])[0].results == (0.4, 0.6)
    assert Grouped([anew])[0].results == (0.9,)


def test_repeats_have_means_of_returned_and_rescored_values() -> None:
    runs = [forest(1, 10, 0.9, 0.4), forest(2, 10, 0.7, 0.6, seed=1), forest(3, 50, 0.1, 0.8)]
    grouped = Grouped([mended(run, run.id / 10, "f1") for run in runs])
    table = grouped.table()

    assert [group.ids for group in grouped] == [(3,), (1, 2)]
    assert table.names[:7] == ("runs", "n", "accuracy", "rescored.accuracy", "sd", "low", "high")
    assert table.rows[1][2:4] == (pytest.approx(0.8), pytest.approx(0.5))
    assert table.rows[1][table.names.index("rescored.f1")] == pytest.approx(0.15)


def test_partly_rescored_repeats_have_the_mean_of_all() -> None:
    [group] = Grouped([forest(1, 10, 0.9, 0.4), replace(forest(2, 10, 0.6, 0, seed=1), info={})])

    assert group.as_one.result == pytest.approx(0.5)


@pytest.mark.parametrize("comparable", ["strict", "all"])
def test_the_first_page_is_sorted_by_the_rescored_metric(opened: Open, monkeypatch: pytest.MonkeyPatch,
                                                         comparable: Any) -> None:
    for name in ("SAMPLE", "BEST"):
        monkeypatch.setattr(first_page, name, 3)
    monkeypatch.setattr(first_page, "MANY", 5)
    study: Study = opened()
    record = study.run("holdout", {"classifier": "Forest"}, echo=False)
    study.store.restore([replace(record, uid=f"{number}", seed=number, result=number / 100)
                         for number in range(30)])
    for number in range(2, 32):
        entry = Rescored(name=record.metric.name, value=-number, goal="maximize", attempt=1)
        study.store.amend(number, entry.name, entry.tree())
    study.store.delete([1])

    assert ids(study.results("holdout", limit=3, comparable=comparable)) == [2, 3, 4]

    for number in range(2, 32):
        study.store.amend(number, record.metric.name, None)
    assert ids(study.results("holdout", limit=3, comparable=comparable)) == [31, 30, 29]
