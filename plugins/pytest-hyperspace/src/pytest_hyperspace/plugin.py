"""The pytest plugin: fixtures for the tests of a project.

pytest loads this module in every run, so it imports nothing of hyperspace before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hyperspace_core import RunRecord, Study
    from pytest_hyperspace.project import ProjectFolder

# before their import, so that failed assertions show their values in other projects' tests, too
pytest.register_assert_rewrite("pytest_hyperspace.stores")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("hyperspace_project", "the installed project that `study` and `run` use")


@pytest.fixture
def hyperspace_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ProjectFolder]:
    """Make a project from a dict of files: `hyperspace_project({"hyperspace.py": text}, name="lab")`.

    It counts as installed for this test and for the processes that the test starts.
    """
    from pytest_hyperspace.project import make_project

    def made(files: Mapping[str, str], *, name: str = "project", version: str = "1.0",
             entry: str = "hyperspace") -> ProjectFolder:
        folder = make_project(tmp_path / name, name=name, files=files, version=version, entry=entry)
        folder.activate(monkeypatch)
        return folder

    return made


@pytest.fixture
def project(pytestconfig: pytest.Config) -> ProjectFolder | str:
    """The project of `study`: the setting `hyperspace_project`; override it to return a `ProjectFolder`."""
    name: str = pytestconfig.getini("hyperspace_project")
    if not name:
        pytest.fail("no project was given: set hyperspace_project in [tool.pytest.ini_options], or override "
                    "the fixture `project`", pytrace=False)
    return name


@pytest.fixture
def hyperspace_storage(tmp_path: Path) -> str:
    """The address of the store of `study`, which does not exist yet; override it to test another store."""
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def study(project: ProjectFolder | str, hyperspace_storage: str) -> Iterator[Study]:
    """The project on a new, empty store."""
    from hyperspace_core.study import Study

    with Study(project if isinstance(project, str) else project.name, hyperspace_storage) as opened:
        yield opened


@pytest.fixture
def run(study: Study) -> Callable[..., RunRecord]:
    """Execute a config in this process: `run("holdout", {"classifier": "Forest"})`; its record.

    A run that does not end as `expect` says fails the test, with the run's own traceback.
    """
    def executed(task: str, config: Mapping[str, Any] | None = None, *, expect: str = "COMPLETED",
                 **options: Any) -> RunRecord:
        record: RunRecord = study.run(task, config, **options)
        if record.state != expect:
            last = record.attempt
            pytest.fail(f"run {record.id} of task '{task}' is {record.state}, not {expect}: {record.reason}\n"
                        f"{last.traceback or '' if last else ''}", pytrace=False)
        return record

    return executed
