"""Plots of a search and of a task: history of the best, importance."""

from __future__ import annotations

from typing import Any

import pytest

from analysis_runs import completed
from hyperspace_analysis.history import history, importance
from hyperspace_core.errors import UsageError
from hyperspace_core.records.run import Finish, Metric
from hyperspace_core.records.search import Budget, NewSearch
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import new_token
from hyperspace_core.study import Study
from pytest_hyperspace.stores.harness import Harness, new_run

pytest.importorskip("plotly", reason="pictures need plotly")

LESS = Metric(name="loss", goal="minimize")
MORE = Metric(name="accuracy")


def lines(figure: Any) -> dict[str, list[tuple[float, float]]]:
    return {line.name: list(zip(line.x, line.y, strict=True)) for line in figure.data}


def test_the_best_so_far_extends_to_the_last_run() -> None:
    runs = [completed(number, result) for number, result in ((4, 0.5), (7, 0.7), (9, 0.6))]

    shown = lines(history(runs, MORE, "a search"))

    assert shown == {"completed": [(1, 0.5), (2, 0.7), (3, 0.6)],
                     "best so far": [(1, 0.5), (2, 0.7), (3, 0.7), (3, 0.7)]}


def test_history_respects_a_minimized_metric() -> None:
    runs = [completed(number, result) for number, result in enumerate((3.0, 1.0, 2.0), 1)]

    assert lines(history(runs, LESS, "a search"))["best so far"] == [(1, 3.0), (2, 1.0), (3, 1.0), (3, 1.0)]


def test_a_run_stopped_early_is_hollow_and_not_the_best() -> None:
    runs = [completed(1, 0.5), completed(2, 0.9, reason="pruned")]

    shown = lines(history(runs, MORE, "a search"))

    assert shown["stopped early"] == [(2, 0.9)]
    assert [y for _, y in shown["best so far"]] == [0.5, 0.5]


def test_a_failed_run_is_drawn_at_the_rim() -> None:
    runs = [completed(1, 0.5), completed(2, None, state=State.FAILED, reason="on purpose"), completed(3, 0.6)]

    (x, y), = lines(history(runs, MORE, "a search"))["failed"]

    assert x == 2 and y < 0.5


def test_an_outlier_is_clipped_to_the_rim() -> None:
    runs = [completed(number, 0.9 + number / 1000) for number in range(1, 20)] + [completed(20, -500.0)]

    shown = lines(history(runs, MORE, "a search"))

    (x, y), = shown["worse than shown"]
    assert x == 20 and 0.8 < y < 0.901


def test_stored_text_is_escaped() -> None:
    run = completed(1, 0.5, submitted={"name": "<b>x</b>"})

    assert "<b>" not in history([run], MORE, "<b>task</b>").to_json()


def test_the_most_important_bar_is_on_top() -> None:
    bars, = importance({"C": 0.75, "scaler": 0.25}, "what mattered").data

    assert (list(bars.y), list(bars.text)) == (["scaler", "C"], ["25%", "75%"])


def test_an_empty_plot_is_refused_with_the_cure() -> None:
    with pytest.raises(UsageError, match="no run has a result yet"):
        history([completed(1, None)], MORE, "search 1")
    with pytest.raises(UsageError, match="a tuner that computes them, such as TPE"):
        importance({}, "search 1")


# -- of a study ----------------------------------------------------------------------------------------------


def searched(harness: Harness, *results: float) -> int:
    """A search whose runs had these results."""
    number = harness.store.add_search(NewSearch(
        uid=new_token(), project=harness.project, task="first", scenario={"className": "Grow"},
        tuner={"className": "Random"}, budget=Budget(runs=5), metrics=(Metric(name="score"),)))
    for place, result in enumerate(results):
        record = harness.store.get_search(number)
        run = new_run(uid=record.run_uid(place), search=record.uid, project=harness.project, task="first")
        made = harness.store.propose(number, place, run)
        harness.store.finish(harness.take(made).lease,
                          Finish(outcome=Outcome.COMPLETED, result=result, metrics={"score": result}))
    return number


def test_the_history_of_a_search_has_every_run_in_order(study: Study) -> None:
    number = searched(Harness(study.store, study.name), 0.5, 0.7, 0.6)

    figure = study.plot.history(search=number)

    points, best = figure.data
    assert (list(points.x), list(points.y)) == ([1, 2, 3], [0.5, 0.7, 0.6])
    assert list(best.y)[:3] == [0.5, 0.7, 0.7]
    assert figure.layout.title.text == f"search {number} of first: 3 results of 3 runs"


def test_the_history_of_a_task_has_its_completed_runs(study: Study) -> None:
    study.run("first", {"model": {"className": "Tree", "depth": 3}}, echo=False)
    study.run("first", {"model": {"className": "Tree", "depth": 4}}, echo=False)

    points, _ = study.plot.history("first").data

    assert list(points.y) == [3.05, 4.05]
    assert list(study.results("first").plot.history().data[0].y) == [3.05, 4.05]


def test_a_picture_of_neither_a_task_nor_a_search_is_refused(study: Study) -> None:
    with pytest.raises(UsageError, match="name a task or a search"):
        study.plot.history()
