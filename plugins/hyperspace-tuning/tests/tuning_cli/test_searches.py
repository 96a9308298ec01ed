"""`hyperspace searches`: the list, and one search."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import ExitCode
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.storage import Store
from pytest_hyperspace.project import ProjectFolder, forget
from pytest_hyperspace.stores.harness import Harness
from support.commands import Answer
from support.searching import new_search, proposed, work

Typed = Callable[..., Answer]


@pytest.fixture
def searched(typed: Typed, store: Store, growing: ProjectFolder) -> Store:
    """A search of 3 runs that a worker has done."""
    typed("tune", "first", "--runs", 3, "--tuner", "Random", "--space", '{"model": "Tree"}')
    work(store)
    return store


def test_without_searches_the_list_is_empty(typed: Typed, harness: Harness) -> None:
    harness.submit()

    assert typed("searches").out == ""
    assert typed("searches", "--json").json == []


def test_searches_are_listed_newest_first(typed: Typed, searched: Store) -> None:
    typed("tune", "second", "--hours", 1, "--tuner", "Grid")

    heads, new, old = typed("searches").columns

    assert heads == ["search", "task", "tuner", "state", "runs", "best", "run", "age", "reason"]
    assert (new[:5], new[-1]) == (["2", "second", "Grid", "OPEN", "0"], "no worker is running")
    assert (old[:5], old[-1]) == (["1", "first", "Random", "ENDED", "3/3"], "all 3 runs have been proposed")
    assert len(typed("searches", "--limit", 1, "--json").json) == 1
    assert [row[:5] for row in typed("searches", "list").columns] == [row[:5] for row in (heads, new, old)]


def test_the_page_of_a_search(typed: Typed, searched: Store) -> None:
    best = max(searched.find(RunFilter(project="growing")), key=lambda run: run.result or 0.0)

    page = typed("searches", "show", 1).out

    assert page.startswith("search 1 of first by Random: 3 of 3 runs done; "
                           "ended: all 3 runs have been proposed\n")
    assert f"  best score {best.result:.6g} (run {best.id}" in page
    assert "  space    2 parameters searched, 3 fixed\n" in page
    assert "  history  3 past runs used\n" in page
    assert "Improvements\n  run 1 " in page


def test_json_of_a_search(typed: Typed, searched: Store) -> None:
    report = typed("searches", "show", 1, "--json").json

    assert (report["id"], report["state"], report["counts"]) == (1, "ENDED", {"COMPLETED": 3})
    assert report["best"]["run"] == report["improvements"][-1]["run"]
    assert report["history"] == "3 past runs used"


def test_the_page_shows_running_runs(typed: Typed, harness: Harness) -> None:
    search = new_search(harness.store, harness.project)
    run = proposed(harness, search)
    harness.take(run)

    page = typed("searches", "show", search).out

    assert f"Running\n  run {run}  task  for " in page
    assert "search 1 of task by Random: 0 of 5 runs done  no worker is running\n" in page


def test_without_the_project_the_page_has_no_space(typed: Typed, harness: Harness) -> None:
    search = new_search(harness.store, harness.project)

    answer = typed("searches", "show", search)

    assert "tuner  Random" in answer.out and "space" not in answer.out
    assert answer.err == ""


def test_a_search_that_does_not_fit_the_code_is_still_shown(typed: Typed, searched: Store,
                                                            growing: ProjectFolder) -> None:
    growing.write("hyperspace.py", "from hyperspace_core.markers import hookimpl\n@hookimpl\n"
                                   "def hyperspace_register(register): ...\n")
    forget(growing.package.name)

    answer = typed("searches", "show", 1)

    assert "3 of 3 runs done" in answer.out and "space" not in answer.out
    assert answer.err.startswith("search space and history are not shown: the current code does not fit: ")


def test_the_best_config_is_written_as_a_runnable_file(typed: Typed, searched: Store, tmp_path: Path) -> None:
    file = tmp_path / "best.json"

    assert typed("searches", "show", 1, "--best", file).out == f"{file}\n"

    best = typed("searches", "show", 1, "--json").json["best"]
    assert json.loads(file.read_text()) == best["config"]
    again = typed("run", "first", "--config", file, "--json").json
    assert again["result"] == pytest.approx(best["result"])
    twice = typed("searches", "show", 1, "--best", file, expect=ExitCode.USAGE)
    assert "the file exists already" in twice.err


def test_without_a_completed_run_there_is_no_best_config(typed: Typed, harness: Harness,
                                                         tmp_path: Path) -> None:
    search = new_search(harness.store, harness.project)

    answer = typed("searches", "show", search, "--best", tmp_path / "best.json", expect=ExitCode.REFUSED)

    assert answer.err == "error: search 1 has no completed run yet\n"
    assert not (tmp_path / "best.json").exists()


def test_the_history_is_plotted(typed: Typed, searched: Store, tmp_path: Path) -> None:
    pytest.importorskip("plotly", reason="pictures need plotly")
    file = tmp_path / "history.html"

    assert typed("searches", "show", 1, "-o", file).out == f"{file}\n"
    assert "plotly" in file.read_text(encoding="utf-8")


def test_watch_follows_a_search(at_terminal: Callable[..., Any], harness: Harness) -> None:
    search = new_search(harness.store, harness.project)
    terminal = at_terminal("searches", "show", search, "--watch", columns=100)
    terminal.wait_for("no runs yet")

    proposed(harness, search)
    terminal.wait_for("1 queued")
    terminal.interrupt()

    assert terminal.ended() == 0


@pytest.mark.parametrize(("words", "code", "cure"), [
    (("show", "9"), ExitCode.NOT_FOUND, "no search 9 in this store (project 'behaving' has 1)"),
    (("show", "last"), ExitCode.USAGE, "not a search id: expected a whole number, got 'last'"),
    (("--watch",), ExitCode.USAGE, "--watch needs a search, as in `hyperspace searches show 1 --watch`"),
    (("--best", "x.json"), ExitCode.USAGE, "--best needs a search"),
    (("lst",), ExitCode.USAGE, "no command 'lst'. Did you mean 'list'?"),
    (("1",), ExitCode.USAGE, "`hyperspace searches 1` is now `hyperspace searches show 1`"),
    (("-p", "behaving", "1", "--watch"), ExitCode.USAGE,
     "now `hyperspace searches show 1 -p behaving --watch`"),
    (("show", "1", "--watch", "--json"), ExitCode.USAGE, "contradict each other"),
    (("show", "1", "-o", "x.doc"), ExitCode.USAGE, "ends in .html, .png"),
    (("show", "1", "--best", "no/such/folder/x.json"), ExitCode.REFUSED, "no completed run yet"),
])
def test_a_usage_error_is_one_line_with_a_cure(typed: Typed, harness: Harness, words: tuple[str, ...],
                                               code: ExitCode, cure: str) -> None:
    new_search(harness.store, harness.project)

    answer = typed("searches", *words, expect=code)

    assert answer.out == "" and cure in answer.err
    assert answer.err.count("\n") == 1
