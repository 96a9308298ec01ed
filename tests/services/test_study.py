"""A study: a project on a real store, as in a notebook, also with the example projects."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyperspace_core import Study
from hyperspace_core.errors import (
    ConfigError,
    NotFound,
    ProjectError,
    Refused,
    StoreError,
    TaskError,
    UsageError,
)
from hyperspace_core.extension.features import install_command
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.lookup import pick_attempt
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import NewRun, RunRecord
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.results.comparable import existing_runs, experiment_key
from hyperspace_core.results.results import Results
from hyperspace_core.submission import SubmitOptions, iter_plan, plan, problem_of_task
from pytest_hyperspace.project import ProjectFolder
from support.learners import Drain, number


def record(run: Any) -> RunRecord:
    assert isinstance(run, RunRecord)
    return run


# -- submitting ----------------------------------------------------------------------------------------------


def test_a_submitted_run_is_queued_with_its_options(study: Study) -> None:
    said = {"priority": 3, "tags": "paper", "note": "n", "retries": 2}
    run = study.get(number(study.submit("first", {"rate": 0.5}, **said)))

    assert (run.id, run.state, run.seed, run.priority) == (1, State.QUEUED, 7, 3)
    assert (run.tags, run.note, run.max_failures) == (("paper",), "n", 2)
    assert run.submitted == {"rate": 0.5}
    assert run.config is not None and run.config["learner"] == {"className": "Forest", "trees": 100}
    assert run.scenario == {"className": "Trial", "offset": 0.0}


def test_one_run_gives_an_id_and_repeats_give_a_list(study: Study) -> None:
    assert study.submit("first") == 1
    assert study.submit("first", repeats=3) == [2, 3, 4]
    assert study.submit("first", repeats=1) == 5
    assert [study.get(run).seed for run in (2, 3, 4)] == [7, 8, 9]


def test_a_grid_is_queued_in_order_with_paired_seeds(study: Study) -> None:
    ids = study.submit_grid("unseeded", {"learner": ["Forest", "Net"], "rate": [0.1, 0.2]}, repeats=2)

    runs = [study.get(run) for run in ids]
    assert ids == sorted(ids) == list(range(1, 9))
    assert [(run.config["learner"]["className"], run.config["rate"]) for run in runs if run.config] == [
        (name, rate) for name in ("Forest", "Net") for rate in (0.1, 0.2) for _ in range(2)]
    assert len({run.seed for run in runs}) == 2
    assert [run.seed for run in runs[::2]] == [runs[0].seed] * 4


@pytest.mark.parametrize("grid", [
    {"rate": [0.1, "fast"]}, {"rate": []}, {"learner": ["Forest", "Nett"]}, {"seed": [1, -1]},
])
def test_a_grid_with_anything_wrong_stores_nothing(study: Study, grid: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        study.submit_grid("first", grid)

    assert study.store.ids("lab") is None


def test_a_grid_of_thousands_is_stored_in_batches_of_a_thousand(study: Study) -> None:
    grid = {"rate": [i / 2500 for i in range(2500)]}
    ids = study.submit_grid("first", grid)

    assert ids == list(range(1, 2501))
    assert study.get(2500).submitted == {"rate": 2499 / 2500}
    runs = iter_plan(study.project, problem_of_task(study.project, "first"), grid, SubmitOptions())
    assert [len(batch) for batch in study.submit_batches(runs, study.pin())] == [1000, 1000, 500]


def test_a_submission_check_sees_each_run_and_may_refuse_it(study: Study) -> None:
    seen = []

    def check(run: NewRun) -> None:
        seen.append(run.config)
        if run.config is not None and run.config["rate"] > 1:
            raise Refused("`rate`: above the limit")

    study.submission_checks.append(check)

    assert study.submit("first", {"rate": 0.5}) == 1
    for queue in (lambda: study.submit("first", {"rate": 2.0}), lambda: study.rerun(1, {"rate": 2.0}),
                  lambda: study.submit_grid("first", {"rate": [0.5, 2.0]})):
        with pytest.raises(Refused, match=r"^`rate`: above the limit$"):
            queue()
    assert study.store.count(RunFilter()) == {State.QUEUED: 1}
    assert [config and config["rate"] for config in seen] == [0.5, 2.0, 2.0, 0.5, 2.0]
    assert study.run("first", {"rate": 2.0}, echo=False).state is State.COMPLETED      # it was never queued


def test_an_execution_observer_gets_the_run_before_it_begins(
        study: Study, caplog: pytest.LogCaptureFixture) -> None:
    seen = []

    def broken(run: RunRecord) -> None:
        raise ValueError("no idea")

    study.execution_observers += [broken, lambda run: seen.append((run.id, run.state, study.get(run.id)))]

    done = study.run("first", echo=False)

    ((number_of, state, stored),) = seen
    assert (number_of, state, stored.result) == (done.id, State.RUNNING, None)
    assert done.state is State.COMPLETED
    assert "run 1: execution observer " in caplog.text and "failed: ValueError: no idea" in caplog.text
    assert study.submit("first") == 2 and len(seen) == 1


def test_ids_of_numpy_name_runs_like_any_other(study: Study) -> None:
    study.submit("first")

    assert study.get(np.int64(1)) == study.get(1)
    assert study.queue.pause(np.int64(1)) is State.PAUSED


# -- here and now --------------------------------------------------------------------------------------------


def test_run_is_recorded_like_any_other(
        study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    run = study.run("first", {"rate": 0.5}, tags="here", note="try")

    assert run == study.get(run.id)
    assert (run.state, run.result, run.metrics) == (State.COMPLETED, 50.0, {"score": 50.0, "drawn": 7})
    assert (run.seed, run.tags, run.note) == (7, ("here",), "try")
    assert run.info == {"process": os.getpid()}
    assert [(point.name, point.value) for point in study.store.points(run.id)] == [("rate", 0.5)]
    assert "".join(chunk.text for chunk in study.store.output(run.id)) == "a trial with seed 7\n"
    assert capsys.readouterr().out == "a trial with seed 7\n"
    assert run.attempt is not None
    assert {"python", "packages", "host"} <= set(run.attempt.provenance)
    assert study.run("first", echo=False).id == run.id + 1
    assert capsys.readouterr().out == ""


def test_a_failure_of_run_is_in_the_record(study: Study) -> None:
    run = study.run("first", {"fail": True}, echo=False)

    assert (run.state, run.reason) == (State.FAILED, "ValueError: as requested")
    assert run.attempt is not None and "raise ValueError" in (run.attempt.traceback or "")
    assert study.results(states="failed")[0] == run


def test_an_invalid_config_stores_nothing(study: Study) -> None:
    with pytest.raises(ConfigError, match="`rat`"):
        study.run("first", {"rat": 0.5})
    with pytest.raises(TaskError, match="no task 'frist'"):
        study.run("frist")

    assert study.store.ids("lab") is None


def test_a_run_here_can_be_watched(study: Study, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    seen: list[Any] = []
    study.run("first", {"wait": str(tmp_path / "go")}, echo=False,
              watch=lambda run, progress: seen.append((run.state, progress and progress.done)))

    assert seen == [(State.RUNNING, None), (State.RUNNING, 1.0)]


def test_ctrl_c_cancels_the_run_and_is_raised_again(study: Study, tmp_path: Path) -> None:
    running = threading.Event()

    def press() -> None:
        running.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    def watch(run: RunRecord, progress: Any) -> None:
        if progress is not None:
            running.set()

    finger = threading.Thread(target=press)
    finger.start()
    with pytest.raises(KeyboardInterrupt):
        study.run("first", {"wait": str(tmp_path / "never")}, echo=False, watch=watch)
    finger.join(30)

    assert study.get(1).state is State.CANCELLED
    assert study.get(1).attempts[0].outcome is Outcome.CANCELLED


# -- again ---------------------------------------------------------------------------------------------------


def test_rerun_changes_a_past_run_and_names_it_as_parent(study: Study, drain: Drain) -> None:
    net = {"className": "Net", "layers": [1, 2]}
    old = study.run("first", {"learner": net, "rate": 0.5}, seed=3, echo=False)
    new = number(study.rerun(old.id, {"learner": {"layers": [4]}}, tags="again", priority=1))

    assert study.get(new).state is State.QUEUED
    assert drain().states == {new: State.COMPLETED}
    run = study.get(new)
    assert (run.parent, run.seed, run.tags, run.result) == (old.id, 3, ("again",), 2.0)
    assert run.config is not None and old.config is not None
    assert run.config == old.config | {"learner": {"className": "Net", "layers": [4], "dropout": 0.5}}


def test_rerun_keeps_the_scenario_of_the_past_run(
        study: Study, project: ProjectFolder, url: str) -> None:
    old = study.run("unseeded", echo=False)
    project.write("tasks/unseeded.json",
              '{"scenario": {"className": "Trial", "offset": -5.0}, "metric": {"name": "drawn"}}')
    with Study("lab", url) as later:
        again = record(later.rerun(old.id, here=True))
        fresh = later.run("unseeded", echo=False)

    assert again.scenario == old.scenario == {"className": "Trial", "offset": 100.0}
    assert again.parent == old.id
    assert (again.result, again.metric, again.seed) == (old.result, old.metric, old.seed)
    assert (fresh.scenario, fresh.metric.name) == ({"className": "Trial", "offset": -5.0}, "drawn")


def test_rerun_repeats_with_new_seeds(study: Study) -> None:
    old = study.run("first", seed=5, echo=False)

    assert study.rerun(old.id, repeats=2) == [2, 3]
    assert [study.get(run).seed for run in (2, 3)] == [5, 6]
    assert study.get(number(study.rerun(old.id, seed=9))).seed == 9
    with pytest.raises(UsageError, match="rerun: here=True executes one run; queue repeats instead"):
        study.rerun(old.id, here=True, repeats=2)


def test_a_run_of_a_missing_task_can_be_read_and_rerun(
        study: Study, project: ProjectFolder, url: str) -> None:
    old = study.run("unseeded", echo=False)
    (project.package / "tasks/unseeded.json").unlink()
    with Study("lab", url) as later:
        assert list(later.results("unseeded")) == [old]
        assert record(later.rerun(old.id, here=True)).result == old.result
        with pytest.raises(TaskError, match="no task 'unseeded' in project 'lab'"):
            later.submit("unseeded")
        with pytest.raises(TaskError, match="no task 'unseded' in project 'lab'"):
            later.results("unseded")


def test_an_equal_experiment_is_found_unless_it_failed(study: Study) -> None:
    problem = problem_of_task(study.project, "first")
    queued = number(study.submit("first", {"rate": 0.5}))
    done = study.run("first", {"rate": 0.25}, echo=False).id
    study.run("first", {"fail": True}, echo=False)
    study.submit("first", {"rate": 0.5})
    there = existing_runs(study.store, study.project, "first")

    def known(config: dict[str, Any], **wishes: Any) -> int | None:
        run, = plan(study.project, problem, config, SubmitOptions(**wishes))
        return there.get(experiment_key(run))

    assert known({"rate": 0.5, "learner": "Forest"}) == queued
    assert known({"rate": 0.25}) == done
    assert known({"fail": True}) is None
    assert known({"rate": 0.25}, seed=8) is None


# -- looking -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("run", [4711, 0, -1, 2**63, 2**70, pytest.param(10**5000, id="huge")])
def test_an_unknown_run_is_an_error_with_the_known_ids(study: Study, run: int) -> None:
    study.submit("first", repeats=3)
    for look in (study.get, study.rerun, study.queue.cancel, study.queue.requeue):
        with pytest.raises(NotFound, match=r"^no run .* in this store \(project 'lab' has 1 to 3\)$"):
            look(run)


def test_an_unknown_attempt_is_an_error_with_the_known_ones(study: Study) -> None:
    run = study.run("first", echo=False)
    waiting = study.get(number(study.submit("first")))

    assert (pick_attempt(run, None), pick_attempt(run, 1), pick_attempt(waiting, None)) == (1, 1, None)
    with pytest.raises(NotFound, match=f"run {run.id} has no attempt 2; it has 1"):
        pick_attempt(run, 2)
    none = f"run {waiting.id} has no attempt 1; it is QUEUED and has not started"
    with pytest.raises(NotFound, match=none):
        pick_attempt(waiting, 1)


def test_an_empty_store_has_no_run(study: Study) -> None:
    with pytest.raises(NotFound) as caught:
        study.get(1)

    assert str(caught.value) == "no run 1 in this store (project 'lab' has none yet)"


@pytest.mark.parametrize("run", ["../../etc/passwd", "", None, True, 1.0, "1\0", "x" * 10_000])
def test_b5_an_invalid_id_is_refused(study: Study, run: Any) -> None:
    study.submit("first")
    with pytest.raises(UsageError, match=r"^not a run id: expected a whole number, got ") as caught:
        study.get(run)

    assert len(str(caught.value)) < 150


def test_runs_of_another_project_are_not_found(study: Study, url: str) -> None:
    with Study("digits", url) as digits:
        other = number(digits.submit("holdout", {"classifier": "Forest"}))
        mine = number(study.submit("first"))

        assert [run.id for run in study.results(states=())] == [mine]
        with pytest.raises(NotFound) as caught:
            study.get(other)
        assert str(caught.value) == f"no run {other} in this store (project 'lab' has {mine} to {mine})"
        with pytest.raises(NotFound):
            study.queue.cancel(other)


@pytest.fixture
def scored(study: Study) -> Study:
    """Scores 50, 10, NaN, 30 and a failure, in this order of submission."""
    for rate in (0.5, 0.1, math.nan, 0.3):
        study.run("first", {"rate": rate}, echo=False)
    study.run("first", {"fail": True}, echo=False)
    return study


def test_results_are_completed_runs_best_first_nan_last(scored: Study) -> None:
    results = scored.results("first")

    assert isinstance(results, Results)
    assert [run.id for run in results] == [1, 4, 2, 3]
    assert [run.result for run in results][:3] == [50.0, 30.0, 10.0]
    assert results[0].metric.name == "score"
    assert len(results) == 4 and [run.id for run in results[:2]] == [1, 4]


def test_results_to_minimize_are_lowest_first(study: Study) -> None:
    for lr in (0.5, 0.1, 0.3):
        study.run("train", {"lr": lr, "seed": 0}, echo=False)

    assert [run.result for run in study.results("train")] == [0.1, 0.3, 0.5]


def test_results_are_filtered_by_conditions(scored: Study) -> None:
    assert [run.id for run in scored.results(where="result>=30")] == [1, 4]
    assert [run.id for run in scored.results(where=["rate<0.4", "learner=Forest"])] == [4, 2]
    assert [run.id for run in scored.results(where="result=NaN")] == [3]
    assert [run.id for run in scored.results(states=["failed"])] == [5]
    assert [run.id for run in scored.results(states=())] == [1, 4, 2, 3, 5]
    assert [run.id for run in scored.results(limit=2)] == [1, 4]
    assert [run.id for run in scored.results(states=(), where="attempt.outcome=failed")] == [5]
    with pytest.raises(UsageError, match="expected PATH OP VALUE"):
        scored.results(where="better")
    with pytest.raises(UsageError, match="did you mean 'failed'"):
        scored.results(states="fialed")


def test_a_frame_hides_constant_columns(scored: Study) -> None:
    pytest.importorskip("pandas")
    frame = scored.results("first").to_frame()

    assert list(frame.index) == [1, 4, 2, 3]
    assert {"score", "rate"} <= set(frame.columns)
    assert not {"seed", "trees", "fail", "wait", "offset", "state", "task"} & set(frame.columns)
    assert list(frame["rate"])[:3] == [0.5, 0.3, 0.1]
    assert scored.get(frame.index[0]).result == 50.0
    assert {"seed", "trees", "offset", "state", "task"} <= set(
        scored.results("first").to_frame(constant=True).columns)


def test_a_frame_of_nothing_is_empty_and_no_error(study: Study) -> None:
    pytest.importorskip("pandas")

    assert len(study.results("first").to_frame()) == 0
    assert len(study.results(where="id=4711").to_frame()) == 0


# -- the queue -----------------------------------------------------------------------------------------------


def test_nothing_is_claimed_while_the_whole_queue_is_paused(study: Study, drain: Drain) -> None:
    one = number(study.submit("first"))
    study.queue.pause(one)
    study.queue.pause_all()
    two = number(study.submit("first"))

    assert study.overview().paused
    assert study.store.claim("lab", *claimer()) is None
    study.queue.resume_all()
    assert drain().states == {two: State.COMPLETED}
    assert study.get(one).state is State.PAUSED
    assert study.queue.resume(one) is State.QUEUED
    assert drain().states == {one: State.COMPLETED}


def claimer() -> tuple[Any, str]:
    from hyperspace_core.execution.identity import this_process
    from hyperspace_core.storage import new_token

    return this_process("me"), new_token()


def test_a_run_that_was_cancelled_in_the_queue_never_starts(study: Study, drain: Drain) -> None:
    run = number(study.submit("first"))

    assert study.queue.cancel(run) is State.CANCELLED
    assert drain().states == {}
    assert study.get(run).attempts == ()


def test_a_finished_run_can_be_queued_once_more(study: Study, drain: Drain) -> None:
    run = study.run("first", {"fail": True}, echo=False).id

    assert study.queue.requeue(run) is State.QUEUED
    assert drain().states == {run: State.FAILED}
    assert [attempt.number for attempt in study.get(run).attempts] == [1, 2]


def test_a_verb_that_the_state_forbids_is_refused(study: Study) -> None:
    run = study.run("first", echo=False).id
    for verb in (study.queue.cancel, study.queue.pause, study.queue.resume):
        with pytest.raises(Refused, match="COMPLETED"):
            verb(run)
    waiting = number(study.submit("first"))
    with pytest.raises(Refused, match="QUEUED"):
        study.queue.requeue(waiting)


# -- opening -------------------------------------------------------------------------------------------------


def test_the_default_store_is_in_the_user_data_folder(
        project: ProjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPERSPACE_STORAGE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with Study("lab") as study:
        study.submit("first")

    assert (tmp_path / "data/hyperspace/lab.db").is_file()
    assert repr(study) == f"<Study 'lab' on sqlite:///{tmp_path}/data/hyperspace/lab.db>"


def test_the_environment_s_storage_is_used_unless_one_is_given(
        project: ProjectFolder, tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERSPACE_STORAGE", f"sqlite:///{tmp_path}/environment.db")
    with Study("lab") as study:
        assert study.store.url.endswith("/environment.db")
    with Study("lab", url) as study:
        assert study.store.url.endswith("/runs.db")


def test_more_tasks_may_come_from_a_folder(project: ProjectFolder, tmp_path: Path, url: str) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "later.json").write_text('{"scenario": "Trial", "metric": {"name": "score"}, "seed": 1}')
    with Study("lab", url, tasks_dir=more) as study:
        assert study.run("later", echo=False).state is State.COMPLETED
    with pytest.raises(TaskError, match="there is no such folder of task files"):
        Study("lab", url, tasks_dir=tmp_path / "nowhere")


def test_an_unknown_project_is_an_error_with_known_ones(
        project: ProjectFolder, url: str, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no project 'lap' is installed") as caught:
        Study("lap", url)
    assert "Did you mean 'lab'?" in str(caught.value)

    assert not (tmp_path / "runs.db").exists()


def test_a_bare_host_names_the_plugin_and_hides_the_password(
        project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    # as where the plugin is not installed
    monkeypatch.setattr("hyperspace_core.study.build_manager", partial(build_manager, discover=False))
    with pytest.raises(StoreError) as caught:
        Study("lab", "me:s3cret@localhost:27017")

    message = str(caught.value)
    assert install_command("hyperspace-mongodb") in message
    assert "me:***@localhost:27017/lab" in message and "s3cret" not in message


# -- the example projects ------------------------------------------------------------------------------------


@pytest.fixture
def real(url: str) -> Iterator[Any]:
    """Opens an installed example on a store of its own."""
    pytest.importorskip("sklearn")
    opened: list[Study] = []

    def named(name: str) -> Study:
        try:
            opened.append(Study(name, url))
        except ProjectError as error:
            pytest.skip(str(error))
        return opened[-1]

    yield named
    for study in opened:
        study.close()


SERIES = ("loss", "accuracy")          # a plugin that times the stages may be installed


def test_digits_queued_and_drained_by_processes(real: Any, drain: Drain) -> None:
    study = real("digits")
    ids = study.submit_grid("holdout", {"classifier": [{"className": "Forest", "trees": [10, 20]}, "Linear"]})
    report = drain("digits", isolation="warm", slots=2)

    assert report.states == dict.fromkeys(ids, State.COMPLETED)
    results = study.results("holdout")
    assert [run.result for run in results] == sorted((run.result for run in results), reverse=True)
    assert all(0.85 < run.result < 1 for run in results)
    assert all(len(list(study.store.points(run.id, names=SERIES))) == 8 for run in results)


def test_a_script_that_became_a_project_runs_here(real: Any) -> None:
    study = real("diabetes")
    runs = [study.run("train", {"depth": depth}, seed=7, echo=False) for depth in (1, 2)]

    assert [run.state for run in runs] == [State.COMPLETED] * 2
    assert all(40 < run.result < 55 for run in runs)
    assert runs[0].config == {"learning_rate": 0.1, "trees": 100, "depth": 1, "seed": 7}
    assert study.results("train")[0].result == min(run.result for run in runs)


def test_a_project_of_functions_runs_here(real: Any) -> None:
    run = real("wine").run("which_wine", {"model": {"neighbours": 5}}, echo=False)

    assert (run.state, run.metric.name) == (State.COMPLETED, "accuracy")
    assert run.result > 0.9
