"""`hyperspace tasks`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_hyperspace.project import ProjectFolder
from support.commands import Answer
from support.growing import THINGS

Typed = Callable[..., Answer]


def test_the_tasks_are_listed_by_name(typed: Typed, growing: ProjectFolder) -> None:
    heads, first, second = typed("tasks").columns

    assert heads == ["task", "scenario", "metric", "goal", "seed", "from"]
    assert first[:5] == ["first", "Grow(rows=20)", "score", "maximize", "5"]
    assert second[:4] == ["second", "Grow", "score", "minimize"]
    assert first[5] == str(growing.package / "tasks" / "first.json")


def test_a_broken_task_file_gives_a_warning(typed: Typed, growing: ProjectFolder) -> None:
    growing.write("tasks/broken.json", '{"scenario": }')

    answer = typed("tasks")

    assert [row[0] for row in answer.columns] == ["task", "first", "second"]
    assert answer.err.startswith("warning: ")
    assert "broken.json:1:14: expected a value" in answer.err


def test_a_task_shows_scenario_and_hyper_parameters(typed: Typed, growing: ProjectFolder) -> None:
    answer = typed("tasks", "first")

    assert "  metric  score, maximize" in answer.lines
    assert "scenario Grow  Pretends to fit." in answer.lines
    assert "  rows: 20" in answer.lines
    assert [row for row in answer.columns if row and row[0] in ("model", "noise", "layers")] == [
        ["model", "Model", "default Tree(depth=3, split=best)", "one of Line, Tree"],
        ["noise", "float", "default 0"],
        ["layers", "list[int]", "default [1, 2]"],
    ]


def test_a_plain_dataclass_has_a_line_per_field(typed: Typed, growing: ProjectFolder) -> None:
    growing.write("things.py", THINGS.replace("@dataclass\nclass Grow", """@dataclass
class Schedule:
    epochs: int = 3


@dataclass
class Grow""").replace("noise: float = 0.0", "schedule: Schedule = Schedule(), noise: float = 0.0"))

    columns = typed("tasks", "first").columns

    assert ["schedule", "Schedule", "defaults below"] in columns
    assert ["schedule.epochs", "int", "default 3"] in columns


def test_a_scenario_s_defaults_are_marked(typed: Typed, growing: ProjectFolder) -> None:
    assert "  rows: 10  (default)" in typed("tasks", "second").lines


def test_json_of_the_list_and_of_one_task(typed: Typed, growing: ProjectFolder) -> None:
    listed, shown = typed("tasks", "--json").json, typed("tasks", "first", "--json").json

    assert [task["name"] for task in listed] == ["first", "second"]
    assert listed[0]["metric"] == {"name": "score", "goal": "maximize"}
    assert shown["scenario"] == {"className": "Grow", "rows": 20}
    assert [parameter["name"] for parameter in shown["parameters"]] == ["model", "noise", "layers"]
    assert shown["parameters"][0]["choices"] == ["Line", "Tree"]


def test_a_missing_task_is_refused(typed: Typed, growing: ProjectFolder) -> None:
    assert typed("tasks", "frist", expect=5).err == (
        "error: no task 'frist' in project 'growing'; did you mean 'first'? Known: first, second.\n")


def test_showing_a_broken_task_is_an_error(typed: Typed, growing: ProjectFolder) -> None:
    growing.write("tasks/broken.json", '{"scenario": {"className": "Gorw"}}')

    said = typed("tasks", "broken", expect=3).err
    assert ("`scenario.className`: no scenario 'Gorw'. Known: Grow, PerSeries, Pipeline, Repeated, Rolling. "
            "Did you mean 'Grow'?") in said


def test_tasks_dir_replaces_the_project_s_tasks(typed: Typed, growing: ProjectFolder,
                                                tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("mine")
    (folder / "first.json").write_text('{"scenario": {"className": "Grow", "rows": 7}}')

    assert typed("tasks", "--tasks-dir", folder).columns[1][:2] == ["first", "Grow(rows=7)"]


def test_a_project_of_one_function_has_its_task(typed: Typed, url: str,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    answer = typed("tasks", "train", "--project", "diabetes")

    assert "  metric  result, minimize" in answer.lines
    assert "  seed    drawn for each run" in answer.lines
