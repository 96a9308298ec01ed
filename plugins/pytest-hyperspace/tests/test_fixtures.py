"""The fixtures for a project's own tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from hyperspace_core import ConfigError, RunRecord, Study
from pytest_hyperspace.project import ProjectFolder

pytest_plugins = ["pytester"]

FILES = {"hyperspace.py": """
    from hyperspace_core import hookimpl

    def train(rate: float = 0.5):
        return 1 / rate

    @hookimpl
    def hyperspace_register(register):
        register.scenario(train)
    """}


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name="rates")


def test_study_opens_the_project_on_an_empty_store(study: Study, hyperspace_storage: str) -> None:
    assert study.name == "rates"
    assert study.store.url == hyperspace_storage
    assert len(study.results("train")) == 0


def test_run_executes_a_config_and_returns_its_record(run: Callable[..., RunRecord], study: Study) -> None:
    record = run("train", {"rate": 0.25}, tags=["quick"])

    assert (record.result, record.tags) == (4.0, ("quick",))
    assert study.get(record.id) == record


def test_a_failed_run_fails_the_test_with_its_traceback(run: Callable[..., RunRecord]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"(?s)run 1 of task 'train' is FAILED, not COMPLETED: "
                                                    r"ZeroDivisionError.*return 1 / rate"):
        run("train", {"rate": 0.0})


def test_a_run_may_be_expected_to_fail(run: Callable[..., RunRecord]) -> None:
    assert run("train", {"rate": 0.0}, expect="FAILED").result is None


def test_a_config_that_is_refused_raises_its_own_error(run: Callable[..., RunRecord]) -> None:
    with pytest.raises(ConfigError, match="no such parameter"):
        run("train", {"pace": 1})


def test_a_test_may_have_two_projects(hyperspace_project: Any, study: Study, tmp_path: Any) -> None:
    other = hyperspace_project(FILES, name="other")
    with Study(other.name, f"sqlite:///{tmp_path}/other.db") as second:
        assert (study.name, second.name) == ("rates", "other")


PROJECT = """
    def test_{name}(run):
        assert run("train", {{"rate": 0.5}}).result == 2.0
"""


def test_the_setting_names_the_installed_project(pytester: pytest.Pytester, project: ProjectFolder) -> None:
    pytester.makeini("[pytest]\nhyperspace_project = rates\n")
    pytester.makepyfile(PROJECT.format(name="setting"))

    pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)


def test_without_a_project_the_message_says_what_to_set(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(PROJECT.format(name="nothing"))

    result = pytester.runpytest_subprocess("-q")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no project was given: set hyperspace_project in*"])


def test_loading_the_plugin_imports_nothing_heavy() -> None:
    heavy = "hyperspace_core", "hypothesis", "pytest_hyperspace.project", "git", "click"
    code = ("import sys, pytest_hyperspace.plugin\n"
            f"print([name for name in {heavy!r} if name in sys.modules])")

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert answer == "[]\n"
