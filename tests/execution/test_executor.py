"""One run executed in this process, against a real project."""

from __future__ import annotations

import json
import sys

import pytest

from hyperspace_core.execution.executor import execute
from hyperspace_core.execution.process_io import Interruption
from hyperspace_core.execution.protocol import CodeDiffers, Ended, Resolved
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.run import Absent, Memory
from support.jobs import job

ENTRY = '''\
from typing import Annotated

from hyperspace_core import Run, RunInterrupted, current_run, hookimpl
from hyperspace_core.run import Absent, Section

heard = []

def scale(run: Run, factor: float = 2.0, offset: int = 0) -> float:
    heard.append("run")
    run.log_scalar("factor", factor)
    assert current_run() is run
    return factor * 10 + offset

def numbers(run: Run, huge: bool = False) -> dict:
    run.info["list"] = [1]
    run.info["list"].append(2)
    run.info["fine"] = [1]
    run.info["fine"].append(object())
    return {"result": 1.0, "other": 2, **({f"m{i}": float(i) for i in range(100_000)} if huge else {})}

def useless(run: Run) -> dict:
    return {"accuracy": 0.9}

def fails(run: Run) -> float:
    raise ValueError("too high")

def gives_up(run: Run) -> float:
    raise RunInterrupted("I will not")

@hookimpl
def hyperspace_register(register):
    for function in (scale, numbers, useless, fails, gives_up):
        register.scenario(function)

@hookimpl
def hyperspace_seed(seed):
    heard.append(f"seed {seed}")
    if seed == 13:
        raise RuntimeError("an unlucky seed")

@hookimpl
def hyperspace_capture(run):
    heard.append("capture")
    if run.seed == 14:
        raise RuntimeError("no camera")
    return Section("camera", {"seed": run.seed})

@hookimpl
def hyperspace_run_started(run):
    heard.append("started")
    if run.seed == 15:
        raise RuntimeError("cannot hear")

@hookimpl
def hyperspace_run_finished(run, record):
    heard.append(record)
    if run.seed == 15:
        raise RuntimeError("cannot hear")
'''


class Recorder(Memory):
    """A sink that also keeps the executor's messages."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, message):
        match message:
            case Resolved(update=update):
                self.messages.append(("resolved", update.scenario, update.config, update.metric, update.seed))
            case CodeDiffers(reason=reason):
                self.messages.append(("code differs", reason))
            case Ended(finish=finish, heard=heard):
                self.heard = heard
                self.messages.append(("outcome", finish))
            case _:
                super().emit(message)


class Bench:
    """The open project, and the messages of one run."""

    def __init__(self, extensions, project, workdir):
        self.extensions, self.project, self.workdir = extensions, project, workdir
        self.sink = Recorder()
        self.runs = []

    @property
    def heard(self):
        return sys.modules["lab.hyperspace"].heard

    def execute(self, function, config=None, *, interruption=None, **others):
        given = job(function, {} if config is None else config, self.workdir, **others)
        return execute(given, self.sink, self.extensions, self.project, on_run=self.runs.append,
                       interruption=interruption)


@pytest.fixture
def bench(lab, workdir, monkeypatch):
    from hyperspace_core.extension.manager import build_manager
    from hyperspace_core.extension.project import open_project

    lab.write("hyperspace.py", ENTRY)
    monkeypatch.syspath_prepend(str(lab.root))
    extensions = build_manager()
    yield Bench(extensions, open_project("lab", extensions), workdir)
    for name in [name for name in sys.modules if name.partition(".")[0] == "lab"]:
        del sys.modules[name]


def test_the_order_of_a_run(bench):
    finish = bench.execute("scale", {"factor": 3.0, "offset": 1})
    assert (finish.outcome, finish.result, finish.metrics) == (Outcome.COMPLETED, 31.0, {"result": 31.0})
    assert bench.heard[:4] == ["seed 1", "capture", "started", "run"]
    record = bench.heard[4]
    assert (record.state, record.result) == (State.COMPLETED, 31.0)
    assert record.config == {"factor": 3.0, "offset": 1}
    assert bench.sink.messages == [("outcome", finish)]
    assert bench.sink.heard is True
    assert [point.value for point in bench.sink.points] == [3.0]
    assert {section.name for section in bench.sink.sections} >= {"camera", "python", "seeds"}
    run, = bench.runs
    assert (run.id, run.attempt, run.seed, run.task) == (1, 1, 1, "scale")


def test_the_code_of_components_and_hooks_is_recorded(bench):
    bench.execute("scale", {"factor": 3.0})
    found = next(section.data for section in bench.sink.sections if section.name == "components")
    assert set(found) == {"scenario", "hook:hyperspace_seed"}
    assert (found["scenario"]["class"], found["scenario"]["module"]) == ("scale", "lab.hyperspace")
    assert all(one["fingerprint"].startswith("sha256:") for one in found.values())


def test_components_that_cannot_be_read_fail_no_run(bench, monkeypatch):
    monkeypatch.setattr("hyperspace_core.capture.code_fingerprint._of", None)
    assert bench.execute("scale").outcome is Outcome.COMPLETED
    absent = next(section for section in bench.sink.sections if section.name == "components")
    assert absent == Absent("components", "TypeError: 'NoneType' object is not callable")


def test_a_submission_without_the_project_is_completed_here(bench):
    finish = bench.execute("scale", scenario=None, submitted={"factor": 4}, config=None, seed=None,
                           validated=False)
    assert finish.result == 40.0
    (kind, scenario, config, metric, seed), _ = bench.sink.messages
    assert kind == "resolved"
    assert scenario["className"] == "scale"
    assert config == {"factor": 4.0, "offset": 0}
    assert (metric.name, metric.goal) == ("result", "maximize")
    assert bench.heard[0] == f"seed {seed}"


def test_a_parameter_newer_than_the_submission_is_recorded(bench):
    assert bench.execute("scale", {"factor": 3.0}).result == 30.0
    assert bench.sink.messages[0][2] == {"factor": 3.0, "offset": 0}


def test_a_bad_config_fails_the_run_with_the_submit_message(bench):
    finish = bench.execute("scale", scenario=None, submitted={"factr": 4}, config=None, seed=None,
                           validated=False)
    assert finish.outcome is Outcome.FAILED
    assert "factr" in finish.reason
    assert "did you mean" in finish.reason
    assert not finish.retry
    assert bench.heard == []
    assert bench.sink.heard is False


@pytest.mark.parametrize(("config", "scenario"), [
    ({"factor": 1.0, "newer": 2}, {"className": "scale"}), ({"factor": 1.0}, {"className": "NotHereYet"})])
def test_a_validated_run_that_does_not_fit_is_released(bench, config, scenario):
    finish = bench.execute("scale", config, scenario=scenario)
    assert finish.outcome is Outcome.RELEASED
    assert bench.sink.messages[0][0] == "code differs"
    assert "run" not in bench.heard
    assert not any(getattr(item, "state", None) for item in bench.heard)


def test_a_missing_task_fails_without_a_retry(bench):
    finish = bench.execute("nowhere", scenario=None, config=None, seed=None, validated=False)
    assert finish.outcome is Outcome.FAILED
    assert "nowhere" in finish.reason
    assert not finish.retry


def test_a_seed_that_cannot_be_set_fails_the_run(bench):
    finish = bench.execute("scale", seed=13)
    assert finish.outcome is Outcome.FAILED
    assert finish.reason == "RuntimeError: an unlucky seed"
    assert "run" not in bench.heard


def test_a_capture_that_fails_is_an_absent_section(bench, capsys):
    assert bench.execute("scale", seed=14).outcome is Outcome.COMPLETED
    absent = [section for section in bench.sink.sections
              if isinstance(section, Absent) and section.reason == "RuntimeError: no camera"]
    assert len(absent) == 1
    assert "no camera" in capsys.readouterr().err


def test_observers_that_fail_change_nothing(bench):
    assert bench.execute("scale", seed=15).result == 20.0
    assert bench.heard[2] == "started"


def test_an_exception_is_the_outcome_that_observers_get(bench):
    finish = bench.execute("fails")
    assert (finish.outcome, finish.reason) == (Outcome.FAILED, "ValueError: too high")
    assert bench.heard[-1].state is State.FAILED
    assert bench.heard[-1].attempt.traceback == finish.traceback


def test_run_interrupted_without_a_request_is_a_failure(bench):
    finish = bench.execute("gives_up")
    assert (finish.outcome, finish.reason) == (Outcome.FAILED, "RunInterrupted: I will not")
    assert bench.heard[-1].state is State.FAILED


def test_a_result_without_the_metric_keeps_its_numbers(bench):
    finish = bench.execute("useless")
    assert finish.outcome is Outcome.FAILED
    assert finish.metrics == {"accuracy": 0.9}
    assert not finish.retry


def test_info_that_grew_is_resent_and_unstorable_info_named(bench, capsys):
    assert bench.execute("numbers").outcome is Outcome.COMPLETED
    assert bench.sink.infos == {"list": [1, 2], "fine": [1]}
    assert "info['fine']" in capsys.readouterr().err


def test_a_result_of_megabytes_is_kept_as_an_artifact(bench):
    finish = bench.execute("numbers", {"huge": True})
    assert finish.metrics == {"result": 1.0}
    assert len(json.loads(bench.sink.artifacts["result.json"].read_text())) == 100_002
    assert "result.json" in bench.sink.infos["result_omitted"]


def test_a_run_asked_to_stop_before_it_began_is_released(bench):
    interruption = Interruption()
    interruption.ask()
    finish = bench.execute("scale", interruption=interruption)
    assert finish.outcome is Outcome.RELEASED
    assert bench.sink.heard is False
    assert "run" not in bench.heard
    assert not any(getattr(item, "state", None) for item in bench.heard)
