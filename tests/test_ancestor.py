"""Defects of the ancestor, hyperspace_explorer: one test for each, named after it.

Not here: the overhead of a run and the polling delay, which are measured in tests/bench; and defects that
need a MongoDB.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core import Study
from hyperspace_core.errors import ConfigError, NotFound, TaskError, ValueNotStorable
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.queue import RunQueue
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.run import Run
from hyperspace_core.storage import Store
from hyperspace_core.worker.events import WorkerReport
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker
from pytest_hyperspace.project import ProjectFolder, make_project
from support.attention import FILES
from support.behaving import (
    FILES as BEHAVING,
    PROJECT,
    WorkerProcess,
    alive,
    began,
    in_state,
    opened_for_tests,
    submit,
    until,
    worker_processes,
)

AGGREGATION = {"className": "BranchingAttentionAggregation", "agg_layers": [50, 10], "att_hid_layers": [20]}
CLASSIFIER = {"className": "AggregatingClassifier", "drop_mult": 0.5, "Aggregation": AGGREGATION}
CONFIG = {"Classifier": CLASSIFIER, "TrainingSchedule": {"className": "DefaultSchedule", "cycles": 4}}


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name="attention")


def run_of(study: Study, config: dict[str, Any], **wishes: Any) -> RunRecord:
    return study.run("imdb_100", {"classifier": CLASSIFIER} | config, echo=False, **wishes)


def drained(study: Study, **options: Any) -> WorkerReport:
    return Worker(study.store, study.name, build_manager(), WorkerOptions(drain=True, **options)).run()


# -- a project that misbehaves, and workers of it as processes -----------------------------------------------


@pytest.fixture
def behaving(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(BEHAVING, name=PROJECT)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with opened_for_tests(url) as opened:
        yield opened


@pytest.fixture
def start(url: str, store: Store, behaving: ProjectFolder) -> Iterator[Callable[..., WorkerProcess]]:
    with worker_processes(url, behaving.env()) as start:
        yield start


Start = Callable[..., WorkerProcess]


@pytest.mark.parametrize(("number", "outcome", "losses"), [
    (signal.SIGKILL, Outcome.LOST, 1), (signal.SIGTERM, Outcome.RELEASED, 0),
    (signal.SIGHUP, Outcome.RELEASED, 0),
])
def test_another_worker_takes_the_run_of_a_killed_one(
        store: Store, start: Start, tmp_path: Path, number: signal.Signals, outcome: Outcome,
        losses: int) -> None:
    first = start()
    run, = submit(store, "wait", config={"folder": str(tmp_path)})
    pid = began(tmp_path, run)
    first.signal(number)
    second = start()
    began(tmp_path, run, attempt=2)
    (tmp_path / "go").touch()

    record = in_state(store, run, State.COMPLETED)
    assert [attempt.outcome for attempt in record.attempts] == [outcome, Outcome.COMPLETED]
    assert [attempt.worker.worker for attempt in record.attempts] == [first.name, second.name]
    assert record.losses == losses
    until(lambda: not alive(pid), "nothing is left of the first attempt")


@pytest.mark.parametrize(("how", "reason"), [
    ("segfault", "SIGSEGV"), ("system-exit", "SystemExit"), ("exit-0", "exit code 0"),
])
def test_a_crash_in_user_code_ends_the_run_not_the_worker(
        store: Store, start: Start, how: str, reason: str) -> None:
    bad, good = submit(store, how) + submit(store, "well")
    report = start(drain=True).report()

    assert report["states"] == {str(bad): "FAILED", str(good): "COMPLETED"}
    assert reason in (store.get(bad).reason or "")
    assert store.held(PROJECT) == []


def test_ctrl_c_deletes_nothing(store: Store, start: Start, tmp_path: Path) -> None:
    worker = start()
    running, waiting = submit(store, "wait", 2, config={"folder": str(tmp_path)})
    began(tmp_path, running)
    worker.signal(signal.SIGINT)
    worker.wait_for("Stopping", level=1)
    worker.signal(signal.SIGINT)
    worker.report()

    assert [store.get(run).state for run in (running, waiting)] == [State.QUEUED] * 2
    assert [attempt.outcome for attempt in store.get(running).attempts] == [Outcome.RELEASED]


def test_an_exception_is_kept_with_traceback_and_retried(
        store: Store, start: Start) -> None:
    once, = submit(store, "once", retries=1)
    always, = submit(store, "raise", retries=1)
    start(drain=True).report()

    assert store.get(once).state is State.COMPLETED
    assert [attempt.outcome for attempt in store.get(once).attempts] == [Outcome.FAILED, Outcome.COMPLETED]
    record = store.get(always)
    assert (record.state, record.failures, record.reason) == (State.FAILED, 2, "ValueError: as asked")
    assert all("raise ValueError" in (attempt.traceback or "") for attempt in record.attempts)


def test_a_store_away_during_a_run_loses_no_result(store: Store, start: Start, tmp_path: Path) -> None:
    worker = start()
    run, = submit(store, "wait", config={"folder": str(tmp_path), "points": 100})
    pid = began(tmp_path, run)
    lock = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    try:
        (tmp_path / "go").touch()              # it ends while the store is away
        until(lambda: not alive(pid), "the run has ended")
    finally:
        lock.execute("COMMIT")
        lock.close()

    record = in_state(store, run, State.COMPLETED)
    assert (record.result, len(record.attempts)) == (1.0, 1)
    assert [point.seq for point in store.points(run)] == list(range(100))
    worker.signal(signal.SIGINT)
    assert worker.report()["states"] == {str(run): "COMPLETED"}


# -- what was submitted --------------------------------------------------------------------------------------


def test_the_ancestors_task_and_config_are_read(study: Study) -> None:
    run = study.run("imdb_100", CONFIG, echo=False)

    assert run.scenario == {"className": "SmallTrainSample", "num_samples": 100,
                            "dataset": {"className": "Imdb", "language": "de"}}
    assert run.info["built"] == ["BranchingAttentionAggregation", 400, 100, 4]
    assert run.config is not None
    assert run.config["classifier"]["aggregation"] == AGGREGATION | {"agg_bn": True}
    assert run.submitted == CONFIG


@pytest.mark.parametrize(("config", "says"), [
    ({"classifier": {"className": "AggregatingClasifier"}},
     "no classifier 'AggregatingClasifier'. Known: AggregatingClassifier"),
    ({"classifier": CLASSIFIER, "Optimizer": {"className": "Adam"}}, "`Optimizer`"),
])
@pytest.mark.filterwarnings("ignore:project 'attention' is not installed here")
def test_an_unknown_class_and_an_unknown_key_are_named(
        tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], says: str) -> None:
    with RunQueue(url, "attention") as queue:          # not installed here, so nothing can be checked
        run = queue.submit("imdb_100", config)
        assert isinstance(run, int)
        make_project(tmp_path / "attention", name="attention", files=FILES).activate(monkeypatch)
        with Study("attention", url) as study:
            assert drained(study, isolation="inline").states == {run: State.FAILED}
            assert says in (study.get(run).reason or "")
            assert study.get(run).submitted == config
            with pytest.raises(ConfigError) as caught:         # where it is installed: refused
                study.submit("imdb_100", config)
            assert says in str(caught.value)


def test_a_broken_task_file_hides_no_other_task(study: Study) -> None:
    with pytest.raises(TaskError, match=r"broken\.json:1:\d+: .*\n"):
        study.submit("broken")

    assert run_of(study, {}).state is State.COMPLETED


def test_a_misspelt_key_is_refused_with_a_suggestion(study: Study) -> None:
    with pytest.raises(ConfigError, match=r"`training_shedule`.*did you mean `training_schedule`"):
        study.submit("imdb_100", {"classifier": CLASSIFIER, "training_shedule": {"cycles": 9}})

    assert study.store.ids("attention") is None


@pytest.mark.filterwarnings("ignore:project 'attention' is not installed here")
def test_a_task_name_without_a_file_is_refused_or_explained(
        tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunQueue(url, "attention") as queue:
        queue.submit("imdb_1k")
    make_project(tmp_path / "attention", name="attention", files=FILES).activate(monkeypatch)
    with Study("attention", url) as study:
        with pytest.raises(TaskError, match=r"no task 'imdb_1k' in project .*; did you mean 'imdb_100'"):
            study.submit("imdb_1k")
        report = drained(study, isolation="inline")
        assert [(left.task, left.count) for left in report.left] == [("imdb_1k", 1)]
        assert "no worker is running" in repr(study.progress())


def test_the_seed_in_the_config_comes_before_the_task_s(study: Study) -> None:
    assert run_of(study, {"seed": 42}).seed == 42
    assert run_of(study, {}).seed == 1
    assert run_of(study, {"seed": 42}, seed=7).seed == 7


@pytest.mark.parametrize(("returns", "metrics"), [
    ("dict", {"accuracy": 0.3}), ("float", {"accuracy": 0.3}), ("numpy", {"accuracy": pytest.approx(0.3)}),
])
def test_a_numpy_scalar_and_a_float_are_results(
        study: Study, returns: str, metrics: dict[str, Any]) -> None:
    run = run_of(study, {"returns": returns})
    worse = run_of(study, {"returns": returns, "training_schedule": {"cycles": 1}})

    assert (run.state, run.metrics, type(run.result)) == (State.COMPLETED, metrics, float)
    assert type(study.get(run.id).metrics["accuracy"]) is float
    assert [each.id for each in study.results(where="result>0.2")] == [run.id]
    assert [each.id for each in study.results()] == [run.id, worse.id]


@pytest.mark.parametrize("isolation", ["inline", "warm"])
def test_millions_of_floats_in_info_lose_no_result(study: Study, isolation: str) -> None:
    run = study.submit("imdb_100", {"classifier": CLASSIFIER, "returns": "million"})
    assert isinstance(run, int)
    assert drained(study, isolation=isolation).states == {run: State.COMPLETED}

    record = study.get(run)
    assert record.result == 0.3
    assert "kept as the artifact info/history.json" in record.info["history"]
    artifact, = study.store.artifacts(run)
    with study.store.open_artifact(artifact) as file:
        assert file.read().count(b"0.5") == 2_500_000


def test_int_keys_in_info_are_refused_at_their_line(study: Study) -> None:
    with pytest.raises(ValueNotStorable, match="key 1 is int; keys must be strings"):
        Run.local(seed=0).info["table"] = {1: "a"}
    run = run_of(study, {"returns": "int keys"})

    assert (run.state, "table" in run.info) == (State.FAILED, False)
    assert "key 1 is int; keys must be strings" in (run.reason or "")
    assert run.attempt is not None and 'run.info["table"] = {1: "a"}' in (run.attempt.traceback or "")


# -- looking back --------------------------------------------------------------------------------------------


def test_a_frame_works_without_results(study: Study) -> None:
    pytest.importorskip("pandas")
    assert study.results().to_frame().empty
    assert study.results("imdb_100", where="id=4711").to_frame().empty
    with pytest.raises(NotFound, match=r"no run 4711 in this store \(project 'attention' has none yet\)"):
        study.get(4711)

    for cycles in (1, 3):
        run_of(study, {"training_schedule": {"cycles": cycles}})
    frame = study.results().to_frame()
    assert list(frame["accuracy"]) == [0.3, 0.1] and list(frame["cycles"]) == [3, 1]


def test_scenario_parameters_are_in_the_record(study: Study) -> None:
    run = run_of(study, {})

    assert run.scenario is not None
    assert run.scenario["num_samples"] == 100
    assert run.scenario["dataset"] == {"className": "Imdb", "language": "de"}
    assert list(study.results(where="scenario.dataset.language=de")) == [run]
    assert run.config is not None and run.config["training_schedule"]["lr"] == 0.01


# -- components ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("says", "config"), [
    ("`training_schedule.cycles`: expected int, found float 3.5", {"training_schedule": {"cycles": 3.5}}),
    ("`training_schedule.cycles`: expected int, found str '3'", {"training_schedule": {"cycles": "3"}}),
    ("`training_schedule.cycles`: expected int, found bool True", {"training_schedule": {"cycles": True}}),
    ("`classifier.lin_ftrs.0`: expected int, found str", {"classifier": CLASSIFIER | {"lin_ftrs": ["50"]}}),
    ("`classifier.aggregation.agg_bn`: expected bool, found int 1",
     {"classifier": CLASSIFIER | {"Aggregation": AGGREGATION | {"agg_bn": 1}}}),
])
def test_types_of_parameters_are_checked_at_submission(
        study: Study, says: str, config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        study.submit("imdb_100", {"classifier": CLASSIFIER} | config)

    assert says in str(caught.value)


def test_lists_and_repeated_families_of_components_are_built(study: Study) -> None:
    config = {"training_schedule": {"className": "HeadOnlySchedule", "cycles": 1},
              "then": {"className": "DefaultSchedule", "cycles": 2},
              "schedules": ["DefaultSchedule", {"className": "HeadOnlySchedule", "cycles": 5}]}
    run = run_of(study, config)

    assert run.info["built"][-1] == 1 + 2 + 3 + 5
    assert run.config is not None
    assert run.config["schedules"] == [{"className": "DefaultSchedule", "cycles": 3, "lr": 0.01},
                                       {"className": "HeadOnlySchedule", "cycles": 5, "lr": 0.01}]


def test_a_class_redefined_in_a_notebook_replaces_the_first(study: Study) -> None:
    from attention import parts  # type: ignore[import-not-found]

    cell = "@dataclass\nclass DefaultSchedule(TrainingSchedule):\n    cycles: int = 6\n    lr: float = 0.5\n"
    for _ in range(2):
        exec(compile(cell, "<cell>", "exec"), vars(parts))
        study.project.registry.add(parts.TrainingSchedule, parts.DefaultSchedule)
    run = run_of(study, {"training_schedule": {"className": "DefaultSchedule"}})

    assert run.config is not None
    assert (run.config["training_schedule"]["lr"], run.info["built"][-1]) == (0.5, 6)


# -- any folder ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [
    ["--help"], ["worker", "--help"], ["worker", "--project", PROJECT, "--drain"],
])
def test_the_working_directory_does_not_matter(
        store: Store, behaving: ProjectFolder, tmp_path: Path, url: str, words: list[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    run, = submit(store, "well")
    command = [sys.executable, "-P", "-m", "hyperspace_core", *words]
    environment = behaving.env() | {"HYPERSPACE_STORAGE": url, "XDG_DATA_HOME": str(tmp_path / "data")}
    done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert store.get(run).state is (State.COMPLETED if "--drain" in words else State.QUEUED)
    assert list(empty.iterdir()) == []
