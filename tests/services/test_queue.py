"""A queue without the project: submissions are accepted here, a real worker checks and completes them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import (
    ConfigError,
    ProjectError,
    StoreError,
    TaskError,
    UsageError,
    ValueNotStorable,
)
from hyperspace_core.extension.features import install_command
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.queue import RunQueue
from hyperspace_core.records.run import Metric
from hyperspace_core.records.states import Outcome, State
from pytest_hyperspace.project import ProjectFolder
from support.learners import FILES, Drain, number

UNCHECKED = "project 'lab' is not installed here, so its submissions are accepted unchecked"


@pytest.fixture
def away(url: str) -> Iterator[RunQueue]:
    """The queue on a machine on which the project is not installed."""
    with RunQueue(url, "lab") as queue:
        yield queue


@pytest.fixture
def elsewhere(hyperspace_project: Callable[..., ProjectFolder]) -> Callable[..., ProjectFolder]:
    """Install the project, as on the machine of the worker."""
    return lambda **changed: hyperspace_project(FILES | changed, name="lab")


@pytest.fixture
def tasks_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "first.json").write_text(
        '{"Scenario": {"className": "Trial", "offset": 1.0}, "seed": 3, '
        '"metric": {"name": "drawn", "goal": "minimize"}}')
    return folder


# -- where the project is installed --------------------------------------------------------------------------


def test_with_the_project_a_submission_is_checked(
        project: ProjectFolder, url: str) -> None:
    with warnings.catch_warnings(), RunQueue(url, "lab") as queue:
        warnings.simplefilter("error")
        run = queue.store.get(number(queue.submit("first", {"learner": "Net"}, tags="t", priority=2)))
        with pytest.raises(ConfigError, match="did you mean `rate`"):
            queue.submit("first", {"rat": 0.5})
        with pytest.raises(TaskError, match="no task 'frist'"):
            queue.submit("frist")

    assert run.validated and run.seed == 7 and run.tags == ("t",) and run.priority == 2
    assert run.config is not None
    assert run.config["learner"] == {"className": "Net", "layers": [10], "dropout": 0.5}


def test_a_broken_project_is_an_error_and_creates_no_store(
        elsewhere: Callable[..., ProjectFolder], url: str, tmp_path: Path) -> None:
    elsewhere(**{"parts.py": "import nowhere_to_be_found\n"})
    with pytest.raises(ProjectError, match="nowhere_to_be_found"):
        RunQueue(url, "lab")

    assert not (tmp_path / "runs.db").exists()


# -- where it is not -----------------------------------------------------------------------------------------


def test_without_the_project_one_warning_is_given(away: RunQueue) -> None:
    written = {"Learner": {"className": "OldForest", "trees": 5}}
    with pytest.warns(UserWarning, match=UNCHECKED) as caught:
        run = away.store.get(number(away.submit("first", written, note="n", retries=1)))
        again = away.submit("first", written)

    assert (len(caught), again) == (1, 2)
    assert caught[0].filename == __file__
    assert (run.state, run.validated, run.submitted) == (State.QUEUED, False, written)
    assert (run.config, run.scenario, run.seed, run.note) == (None, None, None, "n")


def test_a_similar_installed_project_is_suggested(project: ProjectFolder, url: str) -> None:
    with RunQueue(url, "lap") as queue, pytest.warns(UserWarning, match="did you mean 'lab'"):
        queue.submit("first")


@pytest.mark.filterwarnings("ignore:project 'lab' is not installed here")
@pytest.mark.parametrize("isolation", ["inline", "warm"])
def test_a_worker_completes_an_unchecked_submission(
        away: RunQueue, elsewhere: Callable[..., ProjectFolder], drain: Drain, isolation: str) -> None:
    plain = number(away.submit("first", {"Learner": {"className": "OldForest", "trees": 5}}))
    seeded = number(away.submit("unseeded", {"seed": 5, "rate": 0.5}))
    elsewhere()
    assert drain(isolation=isolation).states == {plain: State.COMPLETED, seeded: State.COMPLETED}

    run = away.store.get(plain)
    forest = {"className": "Forest", "trees": 5}
    assert run.config == {"learner": forest, "rate": 0.1, "fail": False, "wait": ""}
    assert (run.scenario, run.metric) == ({"className": "Trial", "offset": 0.0}, Metric(name="score"))
    assert (run.seed, run.result, run.metrics["drawn"]) == (7, 0.5, 7)
    assert run.submitted == {"Learner": {"className": "OldForest", "trees": 5}}
    other = away.store.get(seeded)
    assert (other.seed, other.result) == (5, 150.0)
    assert other.config is not None and "seed" not in other.config


@pytest.mark.filterwarnings("ignore:project 'lab' is not installed here")
@pytest.mark.parametrize(("config", "says"), [
    ({"learner": {"className": "Forst"}}, "Forest"),
    ({"learner": {"className": "Forest", "tress": 5}}, "`learner.tress`"),
    ({"rate": "fast"}, "`rate`"),
    ({"rat": 0.5}, "did you mean `rate`"),
    ({"seed": 1, "rate": 0.5, "x": {"y": 1}}, "`x`"),
])
def test_an_unchecked_bad_config_fails_with_the_same_message(
        away: RunQueue, elsewhere: Callable[..., ProjectFolder], drain: Drain, url: str,
        config: dict[str, Any],
        says: str) -> None:
    run = number(away.submit("first", config, retries=3))
    elsewhere()
    assert drain().states == {run: State.FAILED}

    record = away.store.get(run)
    assert says in (record.reason or "")
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.FAILED]
    with RunQueue(url, "lab") as here, pytest.raises(ConfigError) as caught:
        here.submit("first", config)
    assert str(caught.value) == record.reason


@pytest.mark.filterwarnings("ignore:project 'lab' is not installed here")
def test_an_unknown_task_waits_and_the_worker_names_the_reason(
        away: RunQueue, elsewhere: Callable[..., ProjectFolder], drain: Drain) -> None:
    run = number(away.submit("seventh"))
    elsewhere()
    report = drain()

    assert report.states == {}
    assert [(left.task, left.runs) for left in report.left] == [("seventh", (run,))]
    assert "first" in report.left[0].why
    assert away.store.get(run).state is State.QUEUED


@pytest.mark.filterwarnings("ignore:project 'lab' is not installed here")
def test_unchecked_repeats_have_different_seeds(away: RunQueue) -> None:
    ids = away.submit("first", {}, repeats=3, seed=5)

    assert isinstance(ids, list)
    assert [away.store.get(run).seed for run in ids] == [5, 6, 7]


@pytest.mark.parametrize(("config", "error", "says"), [
    ([1], ConfigError, "config: expected a dict of hyper-parameters, found list"),
    ({"seed": -1}, ConfigError, "config `seed`: expected a whole number"),
    ({"x": {1, 2}}, ValueNotStorable, r"x: set \{1, 2\} cannot be stored"),
    ({"x": {("a",): 1}}, ValueNotStorable, r"key \('a',\) is tuple; keys must be strings"),
])
@pytest.mark.filterwarnings("ignore:project 'lab' is not installed here")
def test_an_invalid_submission_is_refused_at_once(
        away: RunQueue, config: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        away.submit("first", config)

    assert away.store.ids("lab") is None


def test_options_are_checked_at_once(away: RunQueue) -> None:
    with pytest.raises(UsageError, match="repeats: expected a whole number >= 1, got 0"):
        away.submit("first", repeats=0)
    with pytest.raises(TaskError, match="task name"):
        away.submit("../first")


# -- a folder of task files ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:project 'lab' is not installed here")
def test_local_task_files_define_the_task(
        url: str, tasks_dir: Path, elsewhere: Callable[..., ProjectFolder], drain: Drain) -> None:
    with RunQueue(url, "lab", tasks_dir) as queue:
        run = number(queue.submit("first", {"rate": 0.5}))
        waiting = queue.store.get(run)
        assert (waiting.seed, waiting.metric) == (3, Metric(name="drawn", goal="minimize"))
        elsewhere()
        assert drain().states == {run: State.COMPLETED}
        record = queue.store.get(run)

    # the worker's own file of that name differs; the run keeps the submitted one
    assert record.scenario == {"className": "Trial", "offset": 1.0}
    assert (record.result, record.metrics) == (3.0, {"score": 51.0, "drawn": 3})


@pytest.mark.filterwarnings("ignore:project 'lab' is not installed here")
def test_a_scenario_from_a_task_file_is_completed_by_the_worker(
        url: str, tasks_dir: Path, elsewhere: Callable[..., ProjectFolder], drain: Drain) -> None:
    (tasks_dir / "first.json").write_text('{"scenario": "Trial", "metric": {"name": "score"}}')
    with RunQueue(url, "lab", str(tasks_dir)) as queue:
        run = number(queue.submit("first"))
        elsewhere()
        drain()
        record = queue.store.get(run)

    assert (record.state, record.scenario) == (State.COMPLETED, {"className": "Trial", "offset": 0.0})
    assert record.seed is not None


def test_a_missing_task_file_is_an_error_with_known_tasks(url: str, tasks_dir: Path) -> None:
    with RunQueue(url, "lab", tasks_dir) as queue:
        with pytest.raises(TaskError) as caught:
            queue.submit("frist")
        assert str(caught.value) == (
            f"{tasks_dir}: no task file 'frist.json'; did you mean 'first'? (there are: first)")
        (tasks_dir / "first.json").unlink()
        with pytest.raises(TaskError, match="the folder has no task files"):
            queue.submit("first")


def test_a_broken_task_file_is_named_with_its_place(url: str, tasks_dir: Path) -> None:
    (tasks_dir / "first.json").write_text('{"scenario": "Trial",}')
    with RunQueue(url, "lab", tasks_dir) as queue, pytest.raises(TaskError, match=r"first\.json:1:\d+: "):
        queue.submit("first")


def test_a_tasks_dir_must_be_a_folder(url: str, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="nowhere: there is no such folder of task files"):
        RunQueue(url, "lab", tmp_path / "nowhere")


# -- addresses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("storage", "shown"), [
    ("localhost:27017", "mongodb://localhost:27017/ulmfit_attention"),
    ("db.example", "mongodb://db.example/ulmfit_attention"),
    ("mongodb://me:s3cret@db.example/runs", "mongodb://me:***@db.example/runs"),
])
def test_a_bare_host_means_mongodb_and_names_the_plugin(storage: str, shown: str,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    # as where the plugin is not installed
    monkeypatch.setattr("hyperspace_core.queue.build_manager", partial(build_manager, discover=False))
    with pytest.raises(StoreError) as caught:
        RunQueue(storage, "ulmfit_attention")

    assert str(caught.value) == (f"storage '{shown}': no installed plugin serves mongodb://; "
                                 f"install the plugin: {install_command('hyperspace-mongodb')}")


def test_the_default_store_is_in_the_users_data_folder(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPERSPACE_STORAGE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with RunQueue(None, "lab") as queue:
        assert repr(queue) == f"<RunQueue of 'lab' on sqlite:///{tmp_path}/hyperspace/lab.db>"

    assert (tmp_path / "hyperspace/lab.db").is_file()
