"""`hyperspace rerun`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.stores.sqlite import open_store
from pytest_hyperspace.project import ProjectFolder
from support.commands import Answer
from support.growing import PROJECT

Typed = Callable[..., Answer]


@pytest.fixture(autouse=True)
def first(typed: Typed, growing: ProjectFolder) -> None:
    """Run 1: a tree with its own seed."""
    typed("submit", "first", "--set", "model=Tree", "--set", "model.depth=7", "--seed", 33)


def stored(url: str, run: int) -> RunRecord:
    with open_store(url) as store:
        return store.get(run)


def count(url: str) -> int:
    with open_store(url) as store:
        return len(list(store.find(RunFilter(project=PROJECT), order=ORDER_OLDEST)))


def test_rerun_with_a_change_keeps_the_rest_and_the_parent(typed: Typed, url: str) -> None:
    answer = typed("rerun", 1, "--set", "noise=0.5", "--tag", "again")

    assert answer.out == "queued run 2 of first, like run 1\n"
    record = stored(url, 2)
    assert record.config == {"model": {"className": "Tree", "depth": 7, "split": "best"}, "noise": 0.5,
                             "layers": [1, 2]}
    assert (record.parent, record.seed, record.tags) == (1, 33, ("again",))


def test_rerun_uses_the_past_run_s_scenario(typed: Typed, url: str, growing: ProjectFolder) -> None:
    growing.write("tasks/first.json", '{"scenario": {"className": "Grow", "rows": 99}}')

    typed("rerun", 1)

    assert stored(url, 2).scenario == {"className": "Grow", "rows": 20}


def test_a_dry_run_shows_only_the_changes(typed: Typed, url: str) -> None:
    answer = typed("rerun", 1, "--set", "model.depth=8", "--seed", 34, "--dry-run")

    assert answer.lines == ["would queue 1 run of first like run 1, seed 34 instead of 33",
                            "  model.depth  7  ->  8"]
    assert count(url) == 1


def test_a_dry_run_without_changes_says_so(typed: Typed) -> None:
    assert typed("rerun", 1, "--repeats", 2, "--dry-run").lines == [
        "would queue 2 runs of first like run 1, seed 33", "  with the same config"]


def test_another_class_drops_and_names_the_old_parameters(typed: Typed, url: str) -> None:
    answer = typed("rerun", 1, "--set", "model=Line")

    assert answer.err.startswith(
        "warning: another class is chosen, so `model.depth`, `model.split` of run 1 do not carry over\n")
    config = stored(url, 2).config
    assert config is not None and config["model"] == {"className": "Line", "slope": 1.0}


def test_here_executes_the_run_at_once(typed: Typed, url: str) -> None:
    answer = typed("rerun", 1, "--here", "--json")

    assert (answer.json["state"], answer.json["parent"], answer.json["result"]) == ("COMPLETED", 1, 7.33)


def test_repeats_get_the_seeds_that_follow(typed: Typed, url: str) -> None:
    assert typed("rerun", 1, "--repeats", 3, "--json").json == [2, 3, 4]
    assert [stored(url, run).seed for run in (2, 3, 4)] == [33, 34, 35]


def test_here_and_repeats_contradict_each_other(typed: Typed, url: str) -> None:
    assert "--here and --repeats contradict each other" in typed("rerun", 1, "--here", "--repeats", 2,
                                                                 expect=2).err
    assert count(url) == 1


def test_an_invalid_change_is_refused_and_nothing_is_queued(typed: Typed, url: str) -> None:
    line = typed("rerun", 1, "--set", "model.dept=3", expect=3).err

    assert line == "error: `model.dept`: Tree has no such parameter; did you mean `depth`?\n"
    assert count(url) == 1


def test_a_section_that_would_replace_a_value_is_refused(typed: Typed, url: str) -> None:
    line = typed("rerun", 1, "--set", "noise.deep=3", expect=3).err

    assert "`noise`: cannot replace a value by a section" in line
    assert count(url) == 1
