"""Detection of source files that were edited after their import."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import pytest

from hyperspace_core.capture.project_modules import edited_since_import
from hyperspace_core.study import Study
from pytest_hyperspace.project import ProjectFolder

NAME = "edited"
TRAIN = """
    from dataclasses import dataclass

    from hyperspace_core.components import Component

    FACTOR = 1

    class Model(Component):
        pass

    @dataclass
    class Linear(Model):
        gain: float = 2.0

        @property
        def twice(self):
            return 2 * self.gain

        @staticmethod
        def shift(x):
            return x + 1

    def train(model: Model = Linear()) -> float:
        inner = lambda x: x * FACTOR
        return inner(model.shift(model.gain))
    """


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(name=NAME, files={
        "hyperspace.py": """
            from hyperspace_core import hookimpl

            @hookimpl
            def hyperspace_register(register):
                from edited import code
                register.module(code)
                register.scenario(code.train)
            """,
        "code.py": TRAIN})


def rewritten(project: ProjectFolder, old: str, new: str) -> None:
    assert old in TRAIN
    project.write("code.py", TRAIN.replace(old, new))


@pytest.mark.parametrize(("old", "new"), [
    ("return 2 * self.gain", "return 3 * self.gain"),
    ("return x + 1", "return x + 2"),
    ("x * FACTOR", "x * FACTOR * 1.5"),
    ("FACTOR = 1\n", "FACTOR = 2\n"),
    ("gain: float = 2.0", "gain: float = 2.5"),
    ("def train(", "def train(:"),
])
def test_an_edit_after_the_import_is_seen(project: ProjectFolder, study: Study, old: str, new: str) -> None:
    assert edited_since_import(study.project) == []

    rewritten(project, old, new)

    assert edited_since_import(study.project) == [str(project.package / "code.py")]


@pytest.mark.parametrize(("old", "new"), [
    ("FACTOR = 1\n", "FACTOR = 1    # as ever\n\n    # more\n"),
    ("def train(", "class Other(Model):\n        pass\n\n    def train("),
])
def test_a_change_without_effect_is_not_an_edit(project: ProjectFolder, study: Study, old: str,
                                                new: str) -> None:
    rewritten(project, old, new)

    assert edited_since_import(study.project) == []


def test_a_reloaded_module_counts_as_unedited(project: ProjectFolder, study: Study) -> None:
    rewritten(project, "return x + 1", "return x + 2")
    importlib.reload(importlib.import_module("edited.code"))

    assert edited_since_import(study.project) == []


def test_a_run_in_this_process_records_no_edited_code(project: ProjectFolder, study: Study,
                                                      caplog: pytest.LogCaptureFixture) -> None:
    before = study.run("train")
    rewritten(project, "return x + 1", "return x + 2")

    after = study.run("train")

    assert (before.result, after.result) == (3.0, 3.0)
    assert before.attempt is not None and "snapshot" in before.attempt.provenance["source"]
    assert after.attempt is not None
    why = "code.py was edited after this process had imported it, which executes what it imported"
    assert after.attempt.provenance["source"] == after.attempt.provenance["components"] == {"absent": why}
    assert f"{why}; start it again to run the code as it is now" in caplog.text
