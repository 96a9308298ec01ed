"""`hyperspace new`: the written project works at once."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hyperspace_core.cli.commands.new import create_project, files_of
from hyperspace_core.errors import UsageError
from support.shell import Shell


@pytest.mark.timeout(240)
def test_a_new_project_installs_passes_its_tests_and_runs(shell: Shell, tmp_path: Path) -> None:
    shell.environment["XDG_DATA_HOME"] = str(tmp_path)
    shell.run("python -m pip install -e .\nhyperspace new my-study\npython -m pip install -e ./my-study")

    assert "2 passed" in shell.run("python -m pytest -q my-study").stdout
    shell.run("hyperspace submit first --project my-study --grid model=Constant,Line")
    table = shell.run("hyperspace worker --project my-study --drain").stdout
    table = table[table.rindex("error"):]
    assert table.index("Line") < table.index("Constant")          # the smaller error first


def test_the_written_files(tmp_path: Path) -> None:
    written = create_project("my-study", tmp_path)

    assert [str(path.relative_to(tmp_path / "my-study")) for path in written] == [
        "README.md", ".gitignore", "pyproject.toml",
        "my_study/__init__.py", "my_study/components.py", "my_study/hyperspace.py", "my_study/py.typed",
        "my_study/scenarios.py", "tests/test_scenario.py", "my_study/tasks/__init__.py",
        "my_study/tasks/first.json",
    ]
    project = tomllib.loads((tmp_path / "my-study/pyproject.toml").read_text())["project"]
    assert project["entry-points"]["hyperspace.projects"] == {"my-study": "my_study.hyperspace"}
    assert not any("$" in path.read_text() for path in written)


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    files = files_of("demo", tmp_path)

    assert list(tmp_path.iterdir()) == []
    assert list(files) == create_project("demo", tmp_path)
    assert {path: path.read_text() for path in files} == files


@pytest.mark.parametrize(("name", "message"), [
    ("2fast", "letters, digits, '-' and '_' only, a letter first, as in 'my-project'"),
    ("my project", "letters, digits, '-' and '_' only"),
    ("../up", "letters, digits, '-' and '_' only"),
    ("a.b", "letters, digits, '-' and '_' only"),
    ("", "letters, digits, '-' and '_' only"),
    ("class", "is a Python keyword; choose another, such as 'my-class'"),
    ("json", "its package 'json' would hide another package; choose another, such as 'my-json'"),
    ("hyperspace-core", "would hide another package"),
    ("sklearn", "its package 'sklearn' would hide another package; choose another"),
])
def test_an_invalid_package_name_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        create_project(name, tmp_path)

    assert message in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_not_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "demo" / "notes.txt"
    mine.parent.mkdir()
    mine.write_text("mine")

    with pytest.raises(UsageError, match="exists already and is not an empty folder"):
        create_project("demo", tmp_path)
    assert list(mine.parent.iterdir()) == [mine]


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()

    assert create_project("demo", tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match=r"file.*cannot be written \(Not a directory\)"):
        create_project("demo", tmp_path / "file")


def test_the_written_files_pass_ruff(tmp_path: Path) -> None:
    for path in create_project("demo", tmp_path):
        if path.suffix == ".py":
            compile(path.read_text(), str(path), "exec")
            assert all(len(line) <= 110 for line in path.read_text().splitlines())
