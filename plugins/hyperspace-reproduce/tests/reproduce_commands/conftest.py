"""Two small projects, and commands typed in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.cli.main import run
from pytest_hyperspace.project import ProjectFolder, make_project

REGISTER = """
    from hyperspace_core import hookimpl

    @hookimpl
    def hyperspace_register(register):
        from growing import things
        register.module(things)
        register.tasks("growing.tasks")
    """

THINGS = '''
from dataclasses import dataclass

from hyperspace_core import Component, Run, Scenario


class Model(Component):
    """What is fitted."""


@dataclass
class Tree(Model):
    """Grows."""

    depth: int = 3
    split: str = "best"


@dataclass
class Line(Model):
    """Straight on."""

    slope: float = 1.0


@dataclass
class Grow(Scenario):
    """Pretends to fit."""

    rows: int = 10

    def single_run(self, run: Run, model: Model = Tree(), noise: float = 0.0) -> dict[str, float]:
        run.log_scalar("loss", 0.5, 1)
        return {"score": getattr(model, "depth", 0) + noise + run.seed / 100, "rows": float(self.rows)}
'''

GROWING = {"hyperspace.py": REGISTER, "things.py": THINGS, "tasks/__init__.py": "",
           "tasks/first.json": '{"scenario": {"className": "Grow", "rows": 20}, "metric": {"name": "score"}}'}

GUESSING = {
    "hyperspace.py": """
        from hyperspace_core import hookimpl

        @hookimpl
        def hyperspace_register(register):
            from guessing import task
            register.scenario(task.task, metric="result")
            register.metric("hits", task.hits)
        """,
    "task.py": """
        from hyperspace_core import Run

        def task(run: Run, guesses: list[int]) -> float:
            run.log_predictions([1] * len(guesses), guesses)
            return 0.5

        def hits(y_true, y_pred):
            if y_pred[0] == 7:
                raise ValueError("seven")
            return int((y_true == y_pred).sum())
        """,
}


@dataclass(frozen=True)
class Answer:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def columns(self) -> list[list[str]]:
        """The cells of a table, heads first; cells are two blanks or more apart."""
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in self.lines]


Typed = Callable[..., Answer]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Run a command in this process, on a store of its own; by default it must succeed."""
    for name in [name for name in os.environ if name.startswith("HYPERSPACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HYPERSPACE_STORAGE", f"sqlite:///{tmp_path}/runs.db")

    def one(*words: object, expect: int = 0) -> Answer:
        capsys.readouterr()
        code = run([str(word) for word in words])
        answer = Answer(code, *capsys.readouterr())
        assert code == expect, answer
        assert "Traceback" not in answer.err, answer
        return answer

    return one


def installed(name: str, files: dict[str, str], folder: Path,
              monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    made = make_project(folder / name, name=name, files=files)
    made.activate(monkeypatch)
    monkeypatch.setenv("HYPERSPACE_PROJECT", name)
    return made


@pytest.fixture
def growing(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """A project with two models to choose from."""
    return installed("growing", GROWING, tmp_path, monkeypatch)


@pytest.fixture
def guessing(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """A project whose one task stores its guesses; the true values are all 1."""
    return installed("guessing", GUESSING, tmp_path, monkeypatch)
