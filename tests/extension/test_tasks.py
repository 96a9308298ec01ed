"""Tasks: names, files, and errors that name their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperspace_core.errors import ProjectError, TaskError
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.project import Project, TaskShelf, open_project
from hyperspace_core.records.run import Metric
from hyperspace_core.records.task import Task, check_task_name, parse_task
from support.world import EMPTY, World

# -- names (B31) ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["holdout", "imdb_1k_sample_single", "3d", "a.b-c_d", "x" * 100, "CON"])
def test_b31_names_that_are_allowed(name: str) -> None:
    assert check_task_name(name) == name


@pytest.mark.parametrize(("name", "shown"), [
    ("cafe\u0301", r"'cafe\u0301'"), ("café", r"'caf\xe9'"), ("a\u200fb", r"'a\u200fb'"), ("a\nb", r"'a\nb'"),
    ("x" * 101, "'" + "x" * 100), ("", "''"), ("-rf", "'-rf'"), (".hidden", "'.hidden'"), ("a b", "'a b'"),
    ("a/b", "'a/b'"), ("..", "'..'"), ("\U0001f600", r"'\U0001f600'"), ("a\0", r"'a\x00'"), (7, "7"),
    (None, "None"),
])
def test_b31_names_that_are_refused_are_shown_with_escapes(name: object, shown: str) -> None:
    with pytest.raises(TaskError) as caught:
        check_task_name(name)
    assert str(caught.value).startswith(f"task name {shown}")
    assert str(caught.value).isascii() or "…" in str(caught.value) or len(str(name)) > 100


# -- content -------------------------------------------------------------------------------------------------


def test_a_whole_task() -> None:
    tree = {"scenario": {"className": "Holdout", "share": 0.5}, "seed": 3,
            "metric": {"name": "loss", "goal": "minimize"}}
    assert parse_task("t", tree, "t.json") == Task(
        name="t", scenario={"className": "Holdout", "share": 0.5}, seed=3, origin="t.json",
        metric=Metric(name="loss", goal="minimize"))


def test_optional_keys_of_a_task() -> None:
    assert parse_task("t", {"scenario": "Holdout"}) == Task(name="t", scenario={"className": "Holdout"})
    task = parse_task("t", {"scenario": "H", "metric": {"goal": "minimize"}})
    assert task.metric == Metric(goal="minimize")


def test_the_ancestor_s_spelling_is_read() -> None:
    tree = {"Scenario": {"className": "SmallTrainSample", "Dataset": {"className": "Imdb"}}, "seed": 1}
    assert parse_task("t", tree).scenario == tree["Scenario"]


def test_the_tree_is_copied() -> None:
    tree = {"scenario": {"className": "Holdout", "layers": [1, 2]}}
    task = parse_task("t", tree)
    tree["scenario"]["layers"].append(3)
    assert task.scenario == {"className": "Holdout", "layers": [1, 2]}


@pytest.mark.parametrize(("tree", "problem"), [
    ([], "a task is a JSON object with the key `scenario`, found list"),
    ({}, "`scenario`: missing; name the scenario's class"),
    ({"scenario": "H", "sede": 1}, "`sede`: a task has no such key; did you mean `seed`?"),
    ({"scenario": "H", "xyz": 1}, "`xyz`: a task has no such key; it has `scenario`, `metric`, `seed`"),
    ({"scenario": "H", "Scenario": "H"}, "`Scenario`: the same key as `scenario`; keep one"),
    ({"scenario": 3}, "`scenario`: expected a section with className, found int 3"),
    ({"scenario": {"x": 1}}, "`scenario.className`: missing"),
    ({"scenario": {"className": 3}}, "`scenario.className`: expected a class name, found int 3"),
    ({"scenario": "H", "metric": "loss"}, "`metric`: expected {\"name\": …, \"goal\": …}, found str 'loss'"),
    ({"scenario": "H", "metric": {"nam": "x"}},
     "`metric.nam`: a metric has no such key; did you mean `metric.name`?"),
    ({"scenario": "H", "metric": {"name": ""}}, "`metric.name`: expected 1 to 200 printable characters"),
    ({"scenario": "H", "metric": {"name": "x", "goal": "minimise"}},
     "`metric.goal`: expected maximize or minimize, found str 'minimise'; did you mean 'minimize'?"),
    ({"scenario": "H", "seed": -1}, "`seed`: expected a whole number from 0 to 4294967295, found -1"),
    ({"scenario": "H", "seed": True}, "`seed`: expected a whole number"),
])
def test_a_task_error_names_place_and_cure(tree: object, problem: str) -> None:
    with pytest.raises(TaskError) as caught:
        parse_task("t", tree, "tasks/t.json")
    assert str(caught.value).startswith(f"tasks/t.json: {problem}")


def test_all_problems_of_a_task_are_reported_together() -> None:
    with pytest.raises(TaskError) as caught:
        parse_task("t", {"seed": "x", "metric": 1})
    assert len(str(caught.value).splitlines()) == 3


def test_depth_is_limited() -> None:
    tree: dict[str, object] = {"scenario": {"className": "H"}}
    inner = tree["scenario"]
    for _ in range(70):
        inner["x"] = {}  # type: ignore[index]
        inner = inner["x"]  # type: ignore[index]
    with pytest.raises(TaskError, match="nested deeper than 64 levels"):
        parse_task("t", tree)


# -- files ---------------------------------------------------------------------------------------------------


@pytest.fixture
def project_with(world: World, tmp_path: Path):
    entry = """
        from hyperspace_core import hookimpl

        def train(lr: float = 0.1): return lr
        def other(lr: float = 0.1): return lr

        @hookimpl
        def hyperspace_register(register):
            register.scenario(train)
            register.tasks("lab_package.tasks")
    """

    def opened(files: dict[str, str], tasks_dir: dict[str, str] | None = None) -> Project:
        folder = world.project("lab", entry)
        tasks = folder / "lab_package" / "tasks"
        tasks.mkdir()
        for name, text in files.items():
            (tasks / name).write_text(text)
        if tasks_dir is None:
            return open_project("lab", build_manager())
        more = tmp_path / "more"
        more.mkdir()
        for name, text in tasks_dir.items():
            (more / name).write_text(text)
        return open_project("lab", build_manager(), tasks_dir=str(more))

    return opened


def test_a_broken_task_file_is_reported_on_request(project_with) -> None:
    project = project_with({"good.json": '{"scenario": "train"}', "bad.json": '{"scenario": train}',
                            "notes.txt": "no task", ".hidden.json": "{"})
    assert set(project.tasks) == {"train", "good"}
    assert set(project.task_errors) == {"bad"}
    with pytest.raises(TaskError, match=r"bad\.json:1:14: "):
        project.task("bad")
    with pytest.raises(TaskError, match="Known: bad, good, train"):
        project.task("worse")


def test_a_file_with_an_invalid_task_name(project_with) -> None:
    project = project_with({"a b.json": '{"scenario": "train"}'})
    assert "task name 'a b'" in project.task_errors["a b"]


def test_a_file_and_a_function_of_one_name_are_both_named(project_with) -> None:
    project = project_with({"train.json": '{"scenario": "train"}'})
    said = r"two tasks named 'train': train \(project lab\) and .*train\.json; rename one"
    with pytest.raises(TaskError, match=said):
        project.task("train")


def test_names_that_differ_only_in_case(project_with) -> None:
    project = project_with({"Holdout.json": '{"scenario": "train"}', "holdout.json": '{"scenario": "train"}'})
    assert "Holdout" in project.tasks
    with pytest.raises(TaskError, match="differ only in case"):
        project.task("holdout")


def test_tasks_dir_adds_and_replaces_tasks(project_with) -> None:
    project = project_with({"good.json": '{"scenario": "train"}', "bad.json": "{"},
                           {"good.json": '{"scenario": "train", "seed": 9}',
                            "bad.json": '{"scenario": "train"}', "more.json": '{"scenario": "train"}'})
    assert project.task("good").seed == 9
    assert {"good", "bad", "more", "train"} == set(project.tasks)
    assert project.task_errors == {}


def test_a_broken_file_in_tasks_dir_hides_the_project_s_task(project_with) -> None:
    project = project_with({"good.json": '{"scenario": "train"}'}, {"good.json": "{"})
    with pytest.raises(TaskError, match=r"more/good\.json"):
        project.task("good")


def test_a_folder_that_does_not_exist(world: World, tmp_path: Path) -> None:
    world.project("lab", EMPTY)
    with pytest.raises(TaskError, match="there is no such folder of task files"):
        open_project("lab", build_manager(), tasks_dir=tmp_path / "nowhere")
    with pytest.raises(ProjectError):
        open_project("labb", build_manager())


def test_three_files_for_one_name_stay_an_error() -> None:
    shelf = TaskShelf()
    shelf.add_all([Task(name="t", scenario={}, origin=str(number)) for number in range(3)])
    assert shelf.tasks == {}
    assert "two tasks named 't'" in shelf.errors["t"]
