"""`hyperspace results`: a table of runs, best first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hyperspace_core.cli.commands import results as command
from hyperspace_core.records.run import Finish, Metric
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.results import results
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import Harness
from support.commands import Answer
from support.editing import Editing

Typed = Callable[..., Answer]


def done(harness: Harness, result: float, config: dict[str, Any], *, task: str = "holdout",
         goal: Any = "maximize", seed: int = 1, **metrics: float) -> int:
    """A completed run, judged by its accuracy."""
    lease = harness.start(task=task, submitted=config, config=config, seed=seed,
                          metric=Metric(name="accuracy", goal=goal))
    returned = {"accuracy": result} | metrics
    harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=result, metrics=returned))
    return lease.run


def forest(trees: int, **others: Any) -> dict[str, Any]:
    return {"classifier": {"className": "Forest", "trees": trees}, **others}


def test_the_best_run_is_first_and_equal_columns_left_out(typed: Typed, harness: Harness) -> None:
    worse = done(harness, 0.5, forest(10, depth=3), log_loss=2.0)
    best = done(harness, 0.75, forest(20, depth=3), log_loss=1.0)
    lost = done(harness, float("nan"), forest(30, depth=3), log_loss=3.0)

    heads, *rows = typed("results", "holdout").columns

    assert heads == ["run", "accuracy", "trees", "log_loss", "time"]
    assert [row[:4] for row in rows] == [[str(best), "0.75", "20", "1"], [str(worse), "0.5", "10", "2"],
                                         [str(lost), "nan", "30", "3"]]


def test_minimize_sorts_lower_first(typed: Typed, harness: Harness) -> None:
    worse, best = (done(harness, loss, forest(1), goal="minimize") for loss in (2.0, 1.0))

    assert [row[0] for row in typed("results", "holdout").columns[1:]] == [str(best), str(worse)]


def test_all_columns_shows_every_column(typed: Typed, harness: Harness) -> None:
    for trees in (10, 20):
        done(harness, 0.5, forest(trees, depth=3))

    assert {"task", "state", "classifier", "depth", "seed"} <= set(
        typed("results", "holdout", "--all-columns").columns[0])


def test_only_completed_runs_are_shown_by_default(typed: Typed, harness: Harness) -> None:
    completed = done(harness, 0.5, forest(1))
    failed = harness.in_state(State.FAILED, task="holdout")
    harness.submit(task="holdout")

    assert [run["id"] for run in typed("results", "holdout", "--json").json] == [completed]
    assert [run["id"] for run in typed("results", "--status", "failed", "--json").json] == [failed]


def test_each_task_has_a_table_of_its_own(typed: Typed, harness: Harness) -> None:
    a = [done(harness, accuracy, forest(1), task="a") for accuracy in (0.1, 0.2, 0.3)]
    b = [done(harness, accuracy, forest(1), task="b", goal="minimize") for accuracy in (0.1, 0.2, 0.3)]

    page = typed("results", "--limit", 2).lines

    assert (page[0], page[4], page[5]) == ("a:", "", "b:")
    assert [line.split()[0] for line in page if line.lstrip()[:1].isdigit()] == [
        str(run) for run in (a[2], a[1], b[0], b[1])]


def test_limit_and_filter_give_the_best_matching_runs(typed: Typed, harness: Harness) -> None:
    runs = [done(harness, trees / 100, forest(trees)) for trees in (10, 20, 30, 40)]

    listed = typed("results", "holdout", "--where", "classifier.trees<40", "--limit", 2, "--json").json

    assert [run["id"] for run in listed] == [runs[2], runs[1]]
    best, = typed("results", "--task", "holdout", "--limit", 1, "--json").json
    assert best["id"] == runs[3]


def test_without_completed_runs_the_states_are_counted(typed: Typed, harness: Harness) -> None:
    harness.submit_many(2, task="holdout")

    of_all = "; all runs of holdout: 2 queued\n"
    assert typed("results", "holdout").err == f"no run of holdout has completed yet{of_all}"
    assert typed("results", "holdout", "--tag", "x").err == f"no run of holdout matches{of_all}"
    assert typed("results", "holdout", "--json").json == []


def test_a_misspelt_task_gets_a_suggestion(typed: Typed, project: ProjectFolder) -> None:
    assert "no task 'behav' in project 'behaving'; did you mean 'behave'?" in typed(
        "results", "behav", expect=5).err


def test_a_task_without_runs_is_reported(typed: Typed, project: ProjectFolder) -> None:
    assert "no runs of behave yet; `hyperspace submit" in typed("results", "behave").err


def test_a_task_is_named_once(typed: Typed, harness: Harness) -> None:
    assert "a and --task b contradict each other" in typed("results", "a", "--task", "b", expect=2).err


def test_a_terminal_shows_the_best_runs_only(at_terminal: Callable[..., Any], harness: Harness) -> None:
    best = [done(harness, trees / 100, forest(trees)) for trees in range(50)][-1]

    terminal = at_terminal("results", "holdout")

    assert terminal.ended() == 0
    lines = terminal.text.splitlines()
    assert lines[1].split()[0] == str(best)
    assert len(lines) == 42
    assert lines[-1] == "10 more; --limit shows more of them"


def test_a_terminal_leaves_out_columns_without_room(at_terminal: Callable[..., Any],
                                                    harness: Harness) -> None:
    for trees in (10, 20):
        done(harness, 0.5, forest(trees, long_name="x" * 50 + str(trees), other_name="y" * 50 + str(trees)))

    terminal = at_terminal("results", "holdout", columns=80)

    assert terminal.ended() == 0
    lines = terminal.text.splitlines()
    assert lines[0].split() == ["run", "accuracy", "trees", "long_name"]
    assert lines[1].endswith("x" * 50 + "10")
    assert "no room for other_name, time: widen the terminal, or pipe it into `less -S`" in lines


def test_numbers_of_parts_are_shown_with_all_columns_only(typed: Typed, harness: Harness) -> None:
    parts = {"accuracy/sd": 0.1, "accuracy/fold-1": 0.4, "accuracy/fold-2": 0.6, "val/loss": 1.0}
    for number, trees in enumerate((10, 20)):
        done(harness, 0.5 + number, forest(trees), **parts)

    assert typed("results", "holdout").columns[0] == ["run", "accuracy", "trees", "accuracy/sd", "val/loss",
                                                      "time"]
    assert set(parts) <= set(typed("results", "holdout", "--all-columns").columns[0])


# -- of thousands of runs ------------------------------------------------------------------------------------

@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than two runs count as many, which are not grouped by default."""
    for module in (results, command):
        monkeypatch.setattr(module, "MANY", 2)
        monkeypatch.setattr(module, "GROUPED", 2)
    monkeypatch.setattr(results, "SAMPLE", 2)


@pytest.mark.usefixtures("many")
def test_the_first_page_of_many_runs_has_a_row_per_run(typed: Typed, harness: Harness) -> None:
    runs = [done(harness, trees / 100, forest(trees), seed=seed) for trees in (10, 20, 30) for seed in (1, 2)]

    page = typed("results", "holdout", "--limit", 2)

    assert [row[0] for row in page.columns[1:]] == [str(runs[4]), str(runs[5])]
    assert page.err == ("the best 2 of 6 runs; add `--by config` to read all of them and group the repeats "
                        "of each config\n")
    assert typed("results", "holdout", "--limit", 2, "--by", "run").err == "the best 2 of 6 runs\n"
    assert typed("results", "holdout", "--limit", 2, "--where", "classifier.trees<30", "--by", "run").err == (
        "the best 2 runs\n")
    grouped = typed("results", "holdout", "--limit", 2, "--by", "config")
    assert [row[1] for row in grouped.columns[1:]] == ["2", "2"]
    assert typed("results", "holdout").columns[0][:2] == ["runs", "n"]


@pytest.mark.usefixtures("many")
def test_repeats_among_thousands_are_one_row_too(typed: Typed, harness: Harness,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "GROUPED", 6)
    for trees in (10, 20, 30):
        for seed in (1, 2):
            done(harness, trees / 100 + seed / 1000, forest(trees), seed=seed)

    page = typed("results", "holdout", "--limit", 2)
    assert (page.columns[0][:3], page.columns[1][:3]) == (["runs", "n", "accuracy"], ["5, 6", "2", "0.3015"])
    done(harness, 0.1, forest(40))
    assert typed("results", "holdout", "--limit", 2).columns[0][0] == "run"
    single = [done(harness, trees / 100, forest(trees), task="single") for trees in (1, 2, 3)]
    assert typed("results", "single", "--limit", 1).columns[1][0] == str(single[2])


@pytest.mark.usefixtures("many")
def test_each_task_has_its_own_first_page(typed: Typed, harness: Harness) -> None:
    a = [done(harness, trees / 100, forest(trees), task="a") for trees in (10, 20, 30)]
    b = [done(harness, trees / 100, forest(trees), task="b") for trees in (5, 15)]

    page = typed("results", "--limit", 1, "--task", "a", "--task", "b")

    assert page.err == "a: the best 1 of 3 runs\n"
    assert [line for line in page.lines if line.endswith(":")] == ["a:", "b:"]
    assert [line.split()[0] for line in page.lines if line.lstrip()[:1].isdigit()] == [str(a[2]), str(b[1])]
    assert typed("results", "--limit", 1).out == page.out


@pytest.mark.usefixtures("many")
def test_tasks_are_taken_from_the_project_and_the_store(typed: Typed, harness: Harness,
                                                        project: ProjectFolder) -> None:
    runs = [done(harness, trees / 100, forest(trees), task="behave") for trees in (10, 20, 30)]

    page = typed("results", "--limit", 1)
    assert (page.lines[2].split()[0], page.err) == (str(runs[2]), "behave: the best 1 of 3 runs\n")

    gone = done(harness, 0.5, forest(1), task="gone")
    page = typed("results", "--limit", 1)
    firsts = [line.split()[0] for line in page.lines if line.lstrip()[:1].isdigit()]
    assert (firsts, page.err) == ([str(runs[2]), str(gone)], "")


@pytest.mark.usefixtures("many")
def test_json_of_many_runs_is_exact(typed: Typed, harness: Harness) -> None:
    runs = [done(harness, trees / 100, forest(trees)) for trees in (10, 20, 30)]

    answer = typed("results", "holdout", "--limit", 1, "--json")

    assert ([run["id"] for run in answer.json], answer.err) == ([runs[2]], "")


# -- what may be compared ------------------------------------------------------------------------------------

DEPTH = ('"depth", 0) + noise', '"depth", 1) + noise')


def test_runs_of_other_code_are_left_out_with_a_cure(typed: Typed, editing: Editing) -> None:
    first = editing.run()
    editing.edit(DEPTH)
    assert [run["id"] for run in typed("results", "first", "--json").json] == [first]
    second = editing.run()

    answer = typed("results", "first", "--json")

    assert [run["id"] for run in answer.json] == [second]
    assert answer.err.startswith("1 run left out: Grow had other code; --comparable all shows it; "
                                 '`register.same_behaviour("Grow", "')
    everything = typed("results", "first", "--comparable", "all")
    assert [row[0] for row in everything.columns[1:]] == [str(first), str(second)]
    assert everything.err == ""
    assert len(typed("runs", "list", "--json").json) == 2


def test_left_out_runs_are_reported_per_task(typed: Typed, editing: Editing) -> None:
    editing.run()
    editing.edit(DEPTH)
    editing.run()

    assert typed("results").err.startswith("first: 1 run left out: Grow had other code; ")


def test_runs_of_a_broken_project_are_still_compared(typed: Typed, editing: Editing) -> None:
    editing.run()
    editing.edit(DEPTH)
    second = editing.run()
    editing.write("things.py", "import nothing_of_this_name\n")

    answer = typed("results", "first", "--json")

    assert [run["id"] for run in answer.json] == [second]
    assert "warning: runs are compared with the newest runs, not with the current code: " in answer.err
    assert "1 run left out: Grow had other code" in answer.err
