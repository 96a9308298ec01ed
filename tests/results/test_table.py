"""Tables: best first, without constant columns, with short unique names."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from hyperspace_core.config.tree import MISSING
from hyperspace_core.records.states import State
from hyperspace_core.results.export import SHOWN, text_of
from hyperspace_core.results.results import Results
from hyperspace_core.results.table import best_first, parameters_of, seconds_of, shortest_names, tabulate
from support.records import completed, queued


def forest(trees: int, **others: Any) -> dict[str, Any]:
    return {"classifier": {"className": "Forest", "trees": trees} | others}


def support(c: float) -> dict[str, Any]:
    return {"classifier": {"className": "Support", "C": c}}


# -- order ---------------------------------------------------------------------------------------------------


def test_the_best_is_first_in_the_direction_of_each_task() -> None:
    runs = [
        completed(1, 0.5), completed(2, 0.9), completed(3, math.nan), completed(4, None), completed(5, 0.9),
        completed(6, math.inf), completed(7, 3.0, task="error", goal="minimize"),
        completed(8, 1.0, task="error", goal="minimize"),
        completed(9, -math.inf, task="error", goal="minimize"),
    ]

    assert [run.id for run in best_first(runs)] == [8, 7, 9, 2, 5, 1, 3, 6, 4]


@given(st.lists(st.none() | st.floats(), max_size=8), st.sampled_from(["maximize", "minimize"]))
def test_sorting_keeps_all_runs_finite_ones_first(results: list[float | None], goal: Any) -> None:
    runs = [completed(number, result, goal=goal) for number, result in enumerate(results)]
    ordered = best_first(runs)

    assert sorted(run.id for run in ordered) == [run.id for run in runs]
    kinds = [2 if run.result is None else 0 if math.isfinite(run.result) else 1 for run in ordered]
    assert kinds == sorted(kinds)
    numbers = [run.result for run in ordered if run.result is not None and math.isfinite(run.result)]
    assert numbers == sorted(numbers, reverse=goal == "maximize")


# -- columns -------------------------------------------------------------------------------------------------


def test_constant_values_have_no_column() -> None:
    table = tabulate([completed(1, 0.5, forest(10, depth=3)), completed(2, 0.9, forest(20, depth=3))])

    assert table.names == ("run", "accuracy", "trees")
    assert table.rows == [(2, 0.9, 20), (1, 0.5, 10)]


def test_constant_columns_are_kept_on_request() -> None:
    runs = [completed(1, 0.5, forest(10), scenario={"className": "Holdout"})]
    table = tabulate(runs, constant=True)

    assert table.names == ("run", "task", "state", "accuracy", "scenario", "classifier", "trees", "seed")
    assert table.rows == [(1, "holdout", "COMPLETED", 0.5, "Holdout", "Forest", 10, 0)]


def test_a_constant_parameter_of_one_class_has_no_column() -> None:
    same = tabulate([completed(1, 0.5, forest(10)), completed(2, 0.9, support(1.0))])
    other = tabulate([completed(1, 0.5, forest(10)), completed(2, 0.9, support(1.0)),
                      completed(3, 0.7, support(2.0))])

    assert same.names == ("run", "accuracy", "classifier")
    assert other.names == ("run", "accuracy", "classifier", "C")
    assert other.columns[-1].values == (1.0, 2.0, MISSING)
    assert other.columns[-1].shown == (1.0, 2.0, None)


def test_a_parameter_missing_in_older_runs_has_a_column() -> None:
    table = tabulate([completed(1, 0.5, forest(10)), completed(2, 0.9, forest(10, depth=3))])

    assert table.names == ("run", "accuracy", "depth")
    assert table.rows == [(2, 0.9, 3), (1, 0.5, None)]


def test_equal_values_of_different_types_differ() -> None:
    table = tabulate([completed(n, 0.5, {"x": value}) for n, value in enumerate((1, 1.0, True))])

    assert "x" in table.names


def test_repeats_have_their_own_rows_with_seeds() -> None:
    table = tabulate([completed(1, 0.5, seed=1), completed(2, 0.9, seed=2)])

    assert table.names == ("run", "accuracy", "seed")


def test_states_and_tasks_have_a_column_if_they_differ() -> None:
    failed = replace(completed(2, None), state=State.FAILED)
    assert tabulate([completed(1, 0.5), failed]).names == ("run", "state", "accuracy")
    assert tabulate([failed]).names == ("run", "state", "accuracy")
    assert tabulate([completed(1, 0.5), completed(2, 0.5, task="other")]).names == ("run", "task", "accuracy")


def test_tasks_with_different_metrics_share_the_column_result() -> None:
    table = tabulate([completed(1, 0.5), completed(2, 30.0, task="error", metric="mae", goal="minimize")])

    assert table.names == ("run", "task", "result", "mae", "accuracy")
    assert table.rows == [(2, "error", 30.0, 30.0, None), (1, "holdout", 0.5, None, 0.5)]


def test_every_returned_metric_has_a_column() -> None:
    table = tabulate([completed(1, 0.5, metrics={"accuracy": 0.5, "log_loss": 0.2, "val": {"f1": 0.4}}),
                      completed(2, 0.4, metrics={"accuracy": 0.4})])

    assert table.names == ("run", "accuracy", "log_loss", "val.f1")
    assert table.rows[1] == (2, 0.4, None, None)


@pytest.mark.parametrize("name", [
    "run", "task", "state", "seed", "seconds", "result", "trees", "metrics.seed",
])
def test_a_metric_with_a_taken_name_is_qualified(name: str) -> None:
    metrics = {name: 0.5, "seed": 7.0, "metrics.seed": 8.0}
    runs = [completed(n, 0.5, forest(n), metric=name, metrics=metrics, seed=n, seconds=1.0) for n in (1, 2)]
    table = tabulate([*runs, queued(3, "other")])

    assert len(set(table.names)) == len(table.names)
    assert {column.path for column in table.columns} >= {"id", "task", "state", "result", "seed", "seconds"}


def test_the_time_is_that_of_the_last_attempt() -> None:
    run = completed(1, 0.5, seconds=12.5)
    clock_set_back = completed(2, 0.5, seconds=-3.0)

    assert seconds_of(run) == 12.5
    assert seconds_of(clock_set_back) == 0.0
    assert seconds_of(queued(3)) is MISSING
    assert tabulate([run, queued(3)]).names[-1] == "seconds"


def test_a_run_without_completed_config_shows_the_submitted() -> None:
    waiting = queued(1, submitted={"classifier": "Forest"})

    assert parameters_of(waiting) == {"config.classifier": "Forest"}


def test_no_runs_make_an_empty_table() -> None:
    assert tabulate([]).rows == [] and tabulate([]).records == ()


# -- names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("paths", "names"), [
    (["config.classifier.trees"], ["trees"]),
    (["config.classifier.trees", "config.scaler.trees"], ["classifier.trees", "scaler.trees"]),
    (["config.classifier.className", "config.classifier.trees"], ["classifier", "trees"]),
    (["config.a.className", "config.b.a.className"], ["config.a", "b.a"]),
    (["scenario.className", "config.className"], ["scenario", "config"]),
    (["config.a", "config.b.a", "config.c.b.a"], ["config.a", "config.b.a", "c.b.a"]),
    (["config.x.className", "config.x"], ["config.x.className", "config.x"]),
])
def test_a_name_is_the_shortest_unique_suffix_of_the_path(paths: list[str], names: list[str]) -> None:
    assert list(shortest_names(paths).values()) == names


def test_a_name_that_is_taken_is_avoided() -> None:
    assert shortest_names(["config.model.accuracy"], taken={"accuracy"}) == {
        "config.model.accuracy": "model.accuracy"}


STEPS = st.lists(st.sampled_from(["a", "b", "c", "className"]), min_size=1, max_size=4)
PATHS = st.lists(STEPS.map(".".join), unique=True, max_size=8)


@given(PATHS)
def test_no_two_paths_ever_share_a_name(paths: list[str]) -> None:
    names = shortest_names(paths)

    assert list(names) == paths
    assert len(set(names.values())) == len(paths)


# -- text and HTML -------------------------------------------------------------------------------------------


def test_results_are_shown_as_a_table_at_a_prompt() -> None:
    results = Results([completed(1, 0.5, forest(10), seconds=65.0),
                       completed(2, 0.98765432, forest(200), seconds=2.0)])

    assert repr(results) == (
        "run  accuracy  trees       time\n"
        "  2  0.987654    200       2.0s\n"
        "  1       0.5     10  1 min 5 s")


def test_a_long_result_counts_the_remaining_rows() -> None:
    results = Results([completed(number, 0.5) for number in range(SHOWN + 12)])

    assert repr(results).splitlines()[-1] == "… 12 more"
    assert len(repr(results).splitlines()) == SHOWN + 2
    assert "<p>… 12 more</p>" in results._repr_html_()
    assert results._repr_html_().count("<tr>") == SHOWN + 1


def test_stored_text_is_escaped_in_a_notebook() -> None:
    bad = '<script>alert("x")</script>'
    html = Results([completed(1, 0.5, {bad: bad}), completed(2, 0.9, {bad: 1})])._repr_html_()

    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 2


def test_stored_text_is_escaped_on_a_terminal() -> None:
    bad = "\x1b]0;owned\x07\x1b[2J\nrm -rf\r"
    results = Results([completed(1, 0.5, {"a": bad}), completed(2, 0.9, {"a": 1, bad: 2})])
    for text in (repr(results), results._repr_html_()):
        assert "\x1b" not in text and "\r" not in text and "\x07" not in text
    assert len(repr(results).splitlines()) == 3


def test_results_are_a_sequence_whose_slices_are_results() -> None:
    runs = [completed(number, number / 10) for number in range(5)]
    results = Results(iter(runs))

    assert [run.id for run in results] == [4, 3, 2, 1, 0]
    assert results[0] is runs[4] and results[-1] is runs[0]
    assert results[:2] == Results([runs[4], runs[3]]) and isinstance(results[:2], Results)
    assert len(results) == 5 and runs[2] in results and results.index(runs[2]) == 2
    assert results != runs
    assert results.table(constant=True).records == tuple(results)
    with pytest.raises(IndexError):
        results[5]


def test_empty_results_are_shown_as_no_runs() -> None:
    assert repr(Results()) == "no runs" and Results()._repr_html_() == "<p>no runs</p>"
    assert not Results()


def test_cells_are_empty_where_a_run_has_no_value() -> None:
    runs = [completed(1, 0.5, support(1.0), seconds=1.0), completed(2, None, forest(10))]
    head, rows = text_of(tabulate(runs))

    assert head == ["run", "accuracy", "classifier", "time"]
    assert rows == [["1", "0.5", "Support", "1.0s"], ["2", "", "Forest", ""]]


def test_metrics_of_parts_are_in_the_table_but_not_shown() -> None:
    parts = {"accuracy/sd": 0.1, "accuracy/fold-0": 0.4, "accuracy/fold-1": 0.6}
    metrics = {"accuracy": 0.5, "a/b": 1.0} | parts
    results = Results([completed(number, 0.5, metrics=metrics) for number in (1, 2)])

    assert set(metrics) <= set(results.table().names)
    for shown in (repr(results), repr(results.grouped())):
        assert "accuracy/sd" in shown and "a/b" in shown
        assert "fold" not in shown
