"""A project of functions that fail on request, and a supervisor to run it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.execution import protocol
from hyperspace_core.execution.job import Job, job_file
from hyperspace_core.execution.protocol import ChildEnded
from hyperspace_core.execution.supervisor import Output, Supervisor
from hyperspace_core.records.logged import Points
from hyperspace_core.records.run import Finish

RUNS = Path(__file__).with_name("runs.py").read_text(encoding="utf-8")

ENTRY = '''\
from hyperspace_core import hookimpl

@hookimpl
def hyperspace_register(register):
    from lab import runs
    for run in runs.ALL:
        register.scenario(run)
'''


class Lab:
    """The project's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.package = root / "lab"
        self.package.mkdir(parents=True)
        self.write("__init__.py", "")
        self.write("hyperspace.py", ENTRY)
        self.write("runs.py", RUNS)
        info = root / "lab-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lab\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[hyperspace.projects]\nlab = lab.hyperspace\n")

    def write(self, name: str, text: str) -> None:
        (self.package / name).write_text(text, encoding="utf-8")


class Attempt:
    """The events of one run, by kind."""

    def __init__(self, events: list[Any]) -> None:
        self.events = events
        self.end = events[-1]
        data = b"".join(event.data for event in events if isinstance(event, Output))
        self.printed = data.decode(errors="replace")
        self.points = [p for event in events if isinstance(event, Points) for p in event.points]
        self.outcomes = [event.finish for event in events if isinstance(event, protocol.Ended)]

    @property
    def outcome(self) -> Finish:
        assert len(self.outcomes) == 1, f"{self.outcomes}\n{self.printed}"
        return self.outcomes[0]


class Hands:
    """A supervisor without a worker."""

    def __init__(self, fork_server: Supervisor, workdir: Path) -> None:
        self.fork_server = fork_server
        self.workdir = workdir

    def start(self, function: str, **config: Any) -> Any:
        with job_file(job(function, config, self.workdir)) as file:
            return self.fork_server.start(file)

    def run(self, function: str, **config: Any) -> Attempt:
        return finished(self.start(function, **config))


def job(function: str, config: dict[str, Any], workdir: Path, **others: Any) -> Job:
    values: dict[str, Any] = {
        "run": 1, "uid": "u", "attempt": 1, "project": "lab", "task": function,
        "scenario": {"className": function},
        "config": config, "submitted": config, "metric_name": "result", "metric_goal": "maximize", "seed": 1,
        "validated": True, "tasks_dir": None, "no_plugins": (), "workdir": str(workdir)}
    return Job(**values | others)


def finished(child: Any, before: tuple[Any, ...] = ()) -> Attempt:
    """Read the events of a child to its end."""
    events = list(before)
    deadline = time.monotonic() + 60
    while not any(isinstance(event, ChildEnded) for event in events):
        assert time.monotonic() < deadline, "the run does not end"
        events += child.events(1.0)
    assert child.events(0.0) == []
    return Attempt(events)


def until_printed(child: Any, text: str) -> list[Any]:
    """Read the events of a child until it has printed a text."""
    events: list[Any] = []
    deadline = time.monotonic() + 60
    while text.encode() not in b"".join(event.data for event in events if isinstance(event, Output)):
        assert time.monotonic() < deadline, f"{text!r} was not printed: {events}"
        assert not any(isinstance(event, ChildEnded) for event in events), events
        events += child.events(1.0)
    return events


@pytest.fixture
def lab(tmp_path, monkeypatch):
    made = Lab(tmp_path / "src")
    path = [str(made.root), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
        monkeypatch.delenv(name, raising=False)                 # as on a machine without settings
    monkeypatch.setenv("HYPERSPACE_STORAGE", "mongodb://me:S3cr3t-canary@db/lab")
    return made


@pytest.fixture
def fork_server(lab):
    """Makes supervisors and closes them all."""
    made = []

    def make(isolation: str = "warm", **options: Any) -> Supervisor:
        made.append(Supervisor("lab", isolation=isolation, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def workdir(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture(params=["warm", "spawn"])
def runner(request, fork_server, workdir):
    return Hands(fork_server(request.param), workdir)


@pytest.fixture
def warm(fork_server, workdir):
    return Hands(fork_server("warm"), workdir)
