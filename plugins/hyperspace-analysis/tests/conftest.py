"""Fixtures: a store, a small project, and commands in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.cli.main import run
from hyperspace_core.storage import Store
from hyperspace_core.stores.sqlite import open_store
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import Harness

PROJECT = "meadow"
PLUGIN = """
from hyperspace_core import hookimpl

@hookimpl
def hyperspace_register(register):
    from meadow import scenarios
    register.module(scenarios)
    register.tasks("meadow.tasks")
"""
SCENARIOS = """
from dataclasses import dataclass

from hyperspace_core import Run, Scenario

@dataclass
class Grow(Scenario):
    rows: int = 10

    def single_run(self, run: Run, depth: int = 3, noise: float = 0.0) -> dict[str, float]:
        run.log_scalar("loss", 0.5, 1)
        return {"score": depth + noise + run.seed / 100}
"""
TASK = '{"scenario": {"className": "Grow"}, "metric": {"name": "score"}, "seed": 5}'
FILES = {"hyperspace.py": PLUGIN, "scenarios.py": SCENARIOS, "tasks/__init__.py": "",
         "tasks/first.json": TASK}


@dataclass(frozen=True)
class Answer:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def columns(self) -> list[list[str]]:
        """The cells of a table, heads first; cells are two blanks or more apart."""
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in self.lines]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store that does not exist yet; the environment variables name it and the project."""
    for name in [name for name in os.environ if name.startswith("HYPERSPACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HYPERSPACE_STORAGE", f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.setenv("HYPERSPACE_PROJECT", PROJECT)
    return os.environ["HYPERSPACE_STORAGE"]


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url, PROJECT) as opened:
        yield opened


@pytest.fixture
def harness(store: Store) -> Harness:
    """Runs in any state, without a worker or the project's code."""
    return Harness(store, PROJECT)


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder], url: str) -> ProjectFolder:
    return hyperspace_project(FILES, name=PROJECT)


@pytest.fixture
def typed(url: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Run a command in this process; by default it must succeed."""

    def one(*words: object, expect: int = 0) -> Answer:
        capsys.readouterr()
        code = run([str(word) for word in words])
        answer = Answer(code, *capsys.readouterr())
        assert code == expect, answer
        assert "Traceback" not in answer.err, answer
        return answer

    return one
