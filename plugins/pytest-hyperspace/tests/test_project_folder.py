"""A project made from a dict of files."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.project import open_project
from pytest_hyperspace.project import ProjectFolder, make_project

FILES = {
    "hyperspace.py": """
        from hyperspace_core.markers import hookimpl

        @hookimpl
        def hyperspace_register(register):
            from made_up import train
            register.scenario(train.train)
            register.tasks("made_up.tasks")
        """,
    "train.py": """
        def train(rate: float = 0.5) -> float:
            return rate
        """,
    "tasks/__init__.py": "",
    "tasks/fast.json": '{"scenario": {"className": "train"}}',
}


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    return make_project(tmp_path / "somewhere", name="made-up", files=FILES, version="2.3")


def test_its_files_lie_in_a_package_whose_name_python_can_import(project: ProjectFolder) -> None:
    assert project.package == project.root / "made_up"
    assert (project.package / "tasks/fast.json").read_text() == FILES["tasks/fast.json"]
    assert (project.package / "train.py").read_text().startswith("\ndef train")
    assert (project.package / "__init__.py").read_text() == ""


def test_an_active_project_is_opened_like_an_installed_one(
        project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    project.activate(monkeypatch)

    opened = open_project("made-up", build_manager())

    assert (opened.name, opened.version) == ("made-up", "2.3")
    assert set(opened.tasks) == {"train", "fast"}


def test_a_process_with_its_environment_has_it_installed(project: ProjectFolder) -> None:
    code = ("from importlib.metadata import entry_points; import made_up.train; "
            "print(*entry_points(group='hyperspace.projects').names)")

    printed = subprocess.check_output([sys.executable, "-P", "-c", code], env=project.env(), text=True)

    assert "made-up" in printed.split()


def test_the_path_that_is_there_already_is_kept(
        project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["before", str(project.root)]))

    assert project.env()["PYTHONPATH"] == os.pathsep.join([str(project.root), "before"])


def test_nothing_is_left_after_the_test(project: ProjectFolder) -> None:
    before = list(sys.path)
    with pytest.MonkeyPatch.context() as patch:
        project.activate(patch)
        assert importlib.import_module("made_up.train").train() == 0.5

    assert [name for name in sys.modules if name.startswith("made_up")] == []
    assert sys.path == before
    assert "made-up" not in entry_points(group="hyperspace.projects").names


def test_two_projects_of_one_name_do_not_see_each_other(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        files = {"answer.py": f"number = {number}\n"}
        folder = make_project(tmp_path / str(number), name="twice", files=files)
        folder.activate(monkeypatch)
        answer = importlib.import_module("twice.answer")
        assert answer.number == number


def test_a_module_written_anew_is_read_anew_however_soon(
        project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    project.activate(monkeypatch)
    for number in (1, 2, 3):
        project.write("answer.py", f"number = {number}\n")
        sys.modules.pop("made_up.answer", None)
        importlib.invalidate_caches()
        answer = importlib.import_module("made_up.answer")
        assert answer.number == number
