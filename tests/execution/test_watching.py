"""The watcher of a run in its process: it stops the run, fails, or is missing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hyperspace_core.errors import HyperspaceError
from hyperspace_core.execution.answers import AskWorker, no_worker
from hyperspace_core.execution.executor import execute
from hyperspace_core.extension.manager import Extensions, Found
from hyperspace_core.markers import hookimpl
from hyperspace_core.records.run import Finish
from hyperspace_core.records.states import Outcome
from hyperspace_core.run import Memory, Run, RunWatcher
from support.jobs import job


class Project:
    """Executes one function."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self.registry = self.project_source = None
        self.distribution = ""

    def up_to_date(self, scenario: Any, config: Any) -> Any:
        return scenario, config

    def complete(self, scenario: Any, config: Any) -> Any:
        return config

    def components_of(self, scenario: Any, config: Any) -> Any:
        return {}

    def build_scenario(self, tree: Any) -> Any:
        return SimpleNamespace(single_run=self._function)

    def build_arguments(self, scenario: Any, config: Any, run: Run) -> Any:
        return {"run": run}


class Plugin:
    """Gives each run the watcher that `make(run, ask)` returns."""

    def __init__(self, make: Any) -> None:
        self._make = make

    @hookimpl
    def hyperspace_watch_run(self, run: Run, ask: AskWorker) -> Any:
        return self._make(run, ask)


class Stages:
    @hookimpl
    def hyperspace_execute(self, run: Run, scenario: Any) -> Any:
        return scenario.single_run(run)


def climbing(run: Run) -> float | None:
    for step in range(1, 6):
        run.log_scalar("result", step / 10, step)
        if run.should_stop():
            return step / 10
    return 1.0


def executed(tmp_path: Path, *makes: Any, function: Any = climbing) -> Finish:
    extensions = Extensions()
    for number, plugin in enumerate([Stages(), *map(Plugin, makes)]):
        name = f"plugin{number}"
        extensions.add(plugin, Found(name=name, group="", distribution=name, version="1", value=""))
    project: Any = Project(function)
    return execute(job("climbing", {}, tmp_path), Memory(), extensions, project, on_run=lambda run: None)


class StopsAt(RunWatcher):
    """Decides after each value."""

    def __init__(self, run: Run, step: int) -> None:
        self._run, self._step = run, step

    def on_scalar(self, name: str, step: int | None, value: float) -> None:
        if step == self._step:
            self._run.request_stop("far enough")


class StopsWhenAsked(RunWatcher):
    """Decides only where the run asks."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def on_should_stop(self) -> None:
        self._run.request_stop("asked")


def test_a_watcher_stops_a_run_and_gives_the_reason(tmp_path: Path) -> None:
    finish = executed(tmp_path, lambda run, ask: StopsAt(run, 3))

    assert (finish.outcome, finish.result, finish.reason) == (Outcome.COMPLETED, 0.3, "far enough")


def test_a_watcher_may_decide_only_where_the_run_asks(tmp_path: Path) -> None:
    finish = executed(tmp_path, lambda run, ask: StopsWhenAsked(run))

    assert (finish.result, finish.reason) == (0.1, "asked")


def test_a_run_that_ignores_the_stop_completes_with_the_reason(tmp_path: Path) -> None:
    def deaf(run: Run) -> float:
        run.log_scalar("result", 0.1, 3)
        return 0.9

    finish = executed(tmp_path, lambda run, ask: StopsAt(run, 3), function=deaf)

    assert (finish.outcome, finish.result, finish.reason) == (Outcome.COMPLETED, 0.9, "far enough")


def test_without_a_watcher_a_run_goes_to_its_end(tmp_path: Path) -> None:
    finish = executed(tmp_path, lambda run, ask: None)

    assert (finish.result, finish.reason) == (1.0, None)


def test_the_first_plugin_with_a_watcher_is_taken(tmp_path: Path) -> None:
    finish = executed(tmp_path, lambda run, ask: None, lambda run, ask: StopsAt(run, 2),
                      lambda run, ask: StopsAt(run, 1))

    assert finish.result == 0.2


def test_a_watcher_changes_the_result_that_counts(tmp_path: Path) -> None:
    class Completes:                               # no RunWatcher: its methods are optional
        def completed(self, returned: Any) -> Any:
            return {"result": 0.5, "seen": returned}

    finish = executed(tmp_path, lambda run, ask: Completes())

    assert (finish.result, finish.metrics) == (0.5, {"result": 0.5, "seen": 1.0})


def test_a_wrong_result_fails_the_run(tmp_path: Path) -> None:
    class Refuses(RunWatcher):
        def completed(self, returned: Any) -> Any:
            raise HyperspaceError("the run was stopped before its first value")

    finish = executed(tmp_path, lambda run, ask: Refuses())

    assert finish.outcome is Outcome.FAILED
    assert "the run was stopped before its first value" in str(finish.reason)


@pytest.mark.parametrize("method", ["on_scalar", "on_should_stop", "completed"])
def test_a_watcher_that_raises_is_reported_once_and_left(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str) -> None:
    def fail(*arguments: Any) -> Any:
        raise ZeroDivisionError("as asked")

    finish = executed(tmp_path, lambda run, ask: SimpleNamespace(**{method: fail}))

    assert (finish.outcome, finish.result, finish.reason) == (Outcome.COMPLETED, 1.0, None)
    assert capsys.readouterr().err.count(
        f"plugin 'plugin1' no longer watches this run: {method}() failed: ZeroDivisionError: as asked") == 1


def test_a_plugin_that_raises_leaves_the_run_to_the_next(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(run: Run, ask: AskWorker) -> Any:
        raise ValueError("as asked")

    finish = executed(tmp_path, fail, lambda run, ask: StopsAt(run, 2))

    assert finish.result == 0.2
    assert "plugin 'plugin1' cannot watch this run: ValueError: as asked" in capsys.readouterr().err


def test_outside_a_worker_no_answer_arrives(tmp_path: Path) -> None:
    asked = []

    executed(tmp_path, lambda run, ask: asked.append(ask("topic")))

    assert [answer.wait() for answer in asked] == [False]
    assert not no_worker("topic").arrived
