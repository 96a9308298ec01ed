"""A user's mistake is told where it happens, with a cure that works."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperspace_core import Study
from hyperspace_core.errors import UsageError
from pytest_hyperspace.project import ProjectFolder
from support.commands import Answer

Typed = Callable[..., Answer]
NAME = "told"
FILES = {"hyperspace.py": """
    from hyperspace_core import Component, Run, hookimpl

    class Model(Component): pass

    class Tree(Model):
        def __init__(self, depth: int = 3): self.depth = depth

    class Line(Model):
        def __init__(self, slope: float = 1.0): self.slope = slope

    def go(run: Run, model: Model = Tree(), x: float = 1.0):
        run.info["stage"] = "done"
        return {"result": x, "val loss/all": 0.5}

    def bad(x: float = 1.0):
        print("begins")
        raise ValueError("boom")

    def numbers(kind: str = "none"):
        return {"result": 1.0, "other": {"none": None, "bool": True, "text": "a", "list": [1]}[kind]}

    def worthless(kind: str = "none"):
        return {"result": None, "other": 1.0}

    @hookimpl
    def hyperspace_register(register):
        for one in (Tree, Line):
            register.component(Model, one)
        for one in (go, bad, numbers, worthless):
            register.scenario(one)
    """}


@pytest.fixture
def project_name() -> str:
    return NAME


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name=NAME)


# -- a path that no run and no parameter has -----------------------------------------------------------------

COMMANDS = ("results go", "runs list", "queue list", "runs tag --add x", "queue cancel", "queue pause",
            "queue resume", "queue requeue", "runs delete --yes", "effects x", "check")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_refuses_an_unknown_path(study: Study, typed: Typed, command: str) -> None:
    study.run("go", echo=False)

    answer = typed(*shlex.split(command), "--where", "modl=Tree", expect=2)

    assert answer.err == "error: --where: no run and no parameter has 'modl'; did you mean 'model'?\n"
    assert study.get(1).tags == () and study.get(1).state == "COMPLETED"


def test_python_refuses_an_unknown_path(study: Study) -> None:
    study.run("go", echo=False)

    with pytest.raises(UsageError, match="no parameter has 'modl'; did you mean 'model'"):
        study.results("go", where="modl=Tree")
    with pytest.raises(UsageError, match=r"did you mean 'metrics\.val loss/all'"):
        study.results("go", where="val loss/all<1")
    assert len(study.results("go", where="metrics.val loss/all<1")) == 1


@pytest.mark.parametrize("where", ["model=Line", "model.slope>2", "x=7", "info.stage=begun", "state=failed",
                                   "seed=999", "config.x=7", "attempt.worker.host=nowhere", "note=none"])
def test_a_known_path_may_match_nothing(study: Study, typed: Typed, where: str) -> None:
    study.run("go", echo=False)

    assert len(study.results("go", where=where)) == 0
    assert typed("runs", "list", "--where", where).out == ""


def test_before_the_first_run_only_parameters_are_known(study: Study) -> None:
    assert len(study.results(where="x=7")) == 0
    with pytest.raises(UsageError, match="no parameter has 'xx'; did you mean 'x'"):
        study.results(where="xx=7")


# -- words in the wrong place --------------------------------------------------------------------------------

def test_a_parameter_that_is_set_and_varied_is_refused(project: ProjectFolder, typed: Typed) -> None:
    answer = typed("submit", "go", "--set", "x=1", "--grid", "x=1,2", expect=2)

    assert answer.err == "error: --set and --grid both give `x`; leave one of them out\n"
    assert typed("submit", "go", "--set", "model=Line", "--grid", "x=1,2").out.startswith("queued 2 runs")


@pytest.mark.parametrize(("typed_line", "cure"), [
    ("submit go x=2", "write --set x=2"),
    ("run go model=Line", "write --set model=Line"),
    ("logs 1", "Did you mean 'runs logs'?"),
    ("requeue 1", "Did you mean 'queue requeue'?"),
    ("--project told status", "`hyperspace status --project told`"),
    ("-p told runs list", "`hyperspace runs list -p told`"),
    ("--project=told results go", "`hyperspace results go --project=told`"),
])
def test_a_word_in_the_wrong_place_gets_its_place(project: ProjectFolder, typed: Typed, typed_line: str,
                                                  cure: str) -> None:
    answer = typed(*typed_line.split(), expect=2)

    assert cure in answer.err and answer.err.count("\n") == 1
    if "`hyperspace" in cure:
        typed(*shlex.split(cure.strip("`"))[1:])


# -- pinned code, tracebacks, other metrics ------------------------------------------------------------------

def test_a_requeued_run_says_which_code_it_executes(study: Study, typed: Typed) -> None:
    study.submit("bad")
    typed("worker", "--drain", "--isolation", "inline", expect=1)

    hint = typed("queue", "requeue", 1).err

    assert "they execute the code that was pinned at their submission; `hyperspace rerun 1` queues" in hint
    assert typed("rerun", 1).lines[0].startswith("queued run 2 of bad")


def test_the_logs_of_a_failed_run_point_to_its_traceback(study: Study, typed: Typed) -> None:
    study.run("bad", echo=False)

    answer = typed("runs", "logs", 1)

    assert answer.out == "begins\n"
    assert "attempt 1 failed: ValueError: boom; `hyperspace runs show 1` has the traceback" in answer.err
    assert "ValueError: boom" in typed("runs", "show", 1).out


@pytest.mark.parametrize("kind", ["none", "bool", "text", "list"])
def test_another_metric_that_is_no_number_is_noted(study: Study, kind: str) -> None:
    record = study.run("numbers", {"kind": kind}, echo=False)

    assert (record.state, record.result, dict(record.metrics)) == ("COMPLETED", 1.0, {"result": 1.0})
    assert str(record.reason).startswith("not stored: result.other: expected a number, found ")
    assert "not stored: result.other" in "".join(chunk.text for chunk in study.store.output(record.id))


def test_the_task_s_metric_must_be_a_number(study: Study) -> None:
    record = study.run("worthless", echo=False)

    assert record.state == "FAILED" and record.reason == "result.result: expected a number, found None"
    assert dict(record.metrics) == {"other": 1.0}


# -- reading creates nothing ---------------------------------------------------------------------------------

@pytest.mark.parametrize("line", ["status", "results", "results go", "runs list", "queue list",
                                  "searches list", "check", "submit go --dry-run", "worker --dry-run",
                                  "runs show 1"])
def test_reading_creates_no_store(project: ProjectFolder, url: str, typed: Typed, line: str) -> None:
    place = Path(url.removeprefix("sqlite:///"))

    typed(*line.split(), expect=5 if line == "runs show 1" else 0)

    assert not place.exists() and place.is_absolute()
    if line == "status":
        assert str(place) in typed("status").out


def test_pausing_the_queue_creates_the_store(project: ProjectFolder, url: str, typed: Typed) -> None:
    typed("queue", "pause", "--all")

    assert Path(url.removeprefix("sqlite:///")).exists()
    assert "paused" in typed("status").out
