"""Fixtures: commands in this process, in other processes and at a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.cli.main import run
from hyperspace_core.records.run import Owner, WorkerInfo
from hyperspace_core.storage import Store
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import Harness
from support import growing as growing_project
from support.behaving import FILES, PROJECT, WorkerProcess, opened_for_tests, worker_processes
from support.editing import Editing
from support.terminal import Terminal

COMMAND = [sys.executable, "-P", "-m", "hyperspace_core"]
PATIENCE_S = 60.0


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
def project_name() -> str:
    """The project of the store and of the environment; override it to use another."""
    return PROJECT


@pytest.fixture
def url(project_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store that does not exist yet; the environment variables name it and the project."""
    address = f"sqlite:///{tmp_path}/runs.db"
    for name in [name for name in os.environ if name.startswith("HYPERSPACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HYPERSPACE_STORAGE", address)
    monkeypatch.setenv("HYPERSPACE_PROJECT", project_name)
    return address


@pytest.fixture
def hyperspace_storage(url: str) -> str:
    """The same store, for the fixture `study`."""
    return url


@pytest.fixture
def store(url: str, project_name: str) -> Iterator[Store]:
    with opened_for_tests(url, project=project_name) as opened:
        yield opened


@pytest.fixture
def harness(store: Store, project_name: str) -> Harness:
    """Runs in any state, without a worker or project code."""
    return Harness(store, project_name)


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    """The project of `support.behaving`, installed for this test."""
    return hyperspace_project(FILES, name=PROJECT)


@pytest.fixture
def typed(url: str, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Run a command in this process; by default it must succeed."""

    def one(*words: object, expect: int = 0) -> Answer:
        capsys.readouterr()
        code = run([str(word) for word in words])
        answer = Answer(code, *capsys.readouterr())
        assert code == expect, answer
        assert "Traceback" not in answer.err, answer
        return answer

    return one


@pytest.fixture
def start(url: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command as a process with pipes; it ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def one(*words: object, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([*COMMAND, *map(str, words)], env=os.environ | environment, text=True,
                                   encoding="utf-8", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        started.append(process)
        return process

    yield one
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def typed_apart(start: Callable[..., subprocess.Popen[str]]) -> Typed:
    """Run a command in its own process."""

    def one(*words: object, expect: int = 0, **environment: str) -> Answer:
        process = start(*words, **environment)
        out, err = process.communicate(timeout=PATIENCE_S)
        answer = Answer(process.returncode, out, err)
        assert answer.code == expect, answer
        return answer

    return one


@pytest.fixture
def at_terminal(url: str) -> Iterator[Callable[..., Terminal]]:
    """Start a command at its own terminal: `at_terminal("status", "--watch", columns=80)`."""
    started: list[Terminal] = []

    def one(*words: object, columns: int = 100, lines: int = 40, **environment: str) -> Terminal:
        started.append(Terminal([*COMMAND, *map(str, words)], columns=columns, lines=lines,
                                environment=os.environ | environment))
        return started[-1]

    yield one
    for terminal in started:
        terminal.end()


@pytest.fixture
def worker(url: str, store: Store, project: ProjectFolder) -> Iterator[Callable[..., WorkerProcess]]:
    """Start a worker in its own process."""
    with worker_processes(url, project.env()) as start:
        yield start


@pytest.fixture
def growing(hyperspace_project: Callable[..., ProjectFolder], url: str,
            monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """The project of `support.growing`, installed for this test and set in the environment."""
    monkeypatch.setenv("HYPERSPACE_PROJECT", growing_project.PROJECT)
    return hyperspace_project(growing_project.FILES, name=growing_project.PROJECT)


@pytest.fixture
def editing(typed: Typed, store: Store, growing: ProjectFolder) -> Editing:
    """The growing project, which a test edits between two runs."""
    return Editing(typed, store, growing)


def walks_away(process: subprocess.Popen[str], *, after: int) -> None:
    """Close the output after some characters; the command must still succeed."""
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(after)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(PATIENCE_S) == 0
    process.stdout = None


def one_line(answer: Answer) -> str:
    """The error line."""
    assert answer.out == ""
    assert answer.err.count("\n") == 1, answer.err
    assert answer.err.startswith("error: ")
    return answer.err


ATTACK = "a\x1b]0;title\x07\x1b[2J\x1b]8;;http://evil\x1b\\b\x9b31mc\u202ed\re\x00\x7f"


def present(harness: Harness, one: Owner, **fields: Any) -> None:
    """Register a worker."""
    info = {"owner": one, "project": harness.project, "tasks": ("task",),
            "seen_at": datetime.now(UTC)} | fields
    harness.store.present(WorkerInfo(**info))


@pytest.fixture
def completed(typed_apart: Typed) -> Callable[..., list[str]]:
    """The completions of bash for a line with an incomplete last word."""

    def one(line: str, **environment: str) -> list[str]:
        words = line.split(" ")
        answer = typed_apart(_HYPERSPACE_COMPLETE="bash_complete", COMP_WORDS=line,
                             COMP_CWORD=str(len(words) - 1), **environment)
        assert answer.err == ""
        return [offer.removeprefix("plain,") for offer in answer.lines if offer]

    return one
