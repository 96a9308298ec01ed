"""A store, its project, a task file and a config that were written before features became plugins.

`tests/stores/fixtures/written_before` has them; each test works on a copy.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_hyperspace.project import ProjectFolder
from support.commands import Answer

BEFORE = Path(__file__).parents[1] / "stores/fixtures/written_before"
PROJECT = "orchard"
FILES = {str(path.relative_to(BEFORE / PROJECT)): path.read_text(encoding="utf-8")
         for path in sorted((BEFORE / PROJECT).rglob("*")) if path.suffix in (".py", ".json")}

Typed = Callable[..., Answer]


@pytest.fixture
def before(typed: Typed, url: str, monkeypatch: pytest.MonkeyPatch,
           hyperspace_project: Callable[..., ProjectFolder]) -> Typed:
    """Type a command on a copy of the store."""
    hyperspace_project(FILES, name=PROJECT)
    monkeypatch.setenv("HYPERSPACE_PROJECT", PROJECT)
    path = Path(url.removeprefix("sqlite:///"))
    shutil.copy(BEFORE / "runs.db", path)
    shutil.copytree(BEFORE / "runs.db.artifacts", path.with_name("runs.db.artifacts"))
    return typed


def ids(answer: Answer) -> list[int]:
    return [run["id"] for run in answer.json]


def test_all_runs_are_listed_and_shown(before: Typed) -> None:
    listed = before("runs", "list", "--json")
    states = {run["id"]: run["state"] for run in listed.json}

    assert states == dict.fromkeys(range(1, 9), "COMPLETED") | {4: "FAILED", 8: "QUEUED"}
    assert "from a file" in before("runs", "show", 1).out
    assert "ValueError: worms" in before("runs", "show", 4).out
    assert "3 parameters" in before("searches", "show", 1).out


@pytest.mark.parametrize(("words", "found"), [
    (("--status", "failed,queued"), [4, 8]),
    (("--tag", "old"), [1]),
    (("--search", 1), [5, 6, 7]),
    (("--where", "tree.branches>=5"), [1, 7]),
    (("--where", "info.weather=fair", "--where", "result>=9"), [1, 6, 7]),
], ids=lambda value: " ".join(map(str, value)))
def test_filters_find_what_they_found(before: Typed, words: tuple[object, ...], found: list[int]) -> None:
    assert sorted(ids(before("runs", "list", "--json", *words))) == found


def test_results_metrics_and_files_are_read(before: Typed, tmp_path: Path) -> None:
    assert ids(before("results", "harvest", "--json")) == [6, 7, 1, 2, 3, 5]
    assert before("runs", "metrics", 1, "--name", "fruit", "--json").json
    before("store", "check")
    before("runs", "export", 1, "--to", tmp_path / "exported")

    assert [path.read_text() for path in (tmp_path / "exported").rglob("basket.txt")] == ["9 fruit\n"]


def test_a_worker_executes_the_queued_run_and_a_rerun(before: Typed) -> None:
    before("rerun", 1, "-s", "tree.branches=9")
    before("worker", "--drain")

    results = {run["id"]: run["result"] for run in before("runs", "list", "--json").json}
    assert (results[8], results[9]) == (18.0, 13.0)


def test_the_search_is_resumed(before: Typed) -> None:
    before("tune", "--resume", 1, "--runs", 5)
    before("worker", "--drain")

    assert ids(before("runs", "list", "--json", "--search", 1, "--status", "completed")) == [10, 9, 7, 6, 5]


def test_the_task_file_and_the_config_are_read(before: Typed) -> None:
    before("submit", "harvest", "--config", BEFORE / "config.json")
    shown = before("tasks", "harvest").out

    submitted, first = before("runs", "show", 9, "--json").json, before("runs", "show", 1, "--json").json
    assert submitted["config"] == first["config"]
    assert submitted["scenario"] == first["scenario"]
    assert "days" in shown


def test_without_the_tuner_s_plugin_it_is_named(before: Typed) -> None:
    before("tune", "--resume", 1, "--runs", 5)
    worker = before("worker", "--drain", "--no-plugin", "tuning")

    assert ("warning: search 1 of task 'harvest': its runs cannot be proposed here: Random is in "
            "hyperspace-tuning: pip install ") in worker.err
