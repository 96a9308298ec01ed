"""A resumed run executes only the missing parts."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.study import Study
from pytest_hyperspace.project import ProjectFolder
from support.behaving import alive, until
from support.parted import Drain

FOLDS = ("folds", "folds_at_once")


def begun(folder: Path, attempt: int) -> set[int]:
    """The folds that an attempt has started."""
    return {int(file.name.split("-")[0]) for file in folder.iterdir() if file.name.endswith(f"-{attempt}")}


def record_of(study: Study, run: Any) -> RunRecord:
    return study.store.get(run)


@pytest.mark.parametrize("task", FOLDS)
def test_a_retry_does_only_the_folds_that_are_missing(study: Study, drain: Drain, began: Path,
                                                      task: str) -> None:
    run = study.submit(task, {"stumble": "raise,2"}, retries=1)
    drain()

    record = record_of(study, run)
    assert record.state is State.COMPLETED, record.reason
    assert [one.outcome for one in record.attempts] == [Outcome.FAILED, Outcome.COMPLETED]
    done = {fold for fold in range(4) if record.info[f"part/fold-{fold}"]["attempt"] == 1}
    assert {0, 1} <= done
    assert begun(began, 2) == {0, 1, 2, 3} - done
    assert record.result == 23.0                   # the mean over all of them
    assert [record.metrics[f"score/fold-{fold}"] for fold in range(4)] == [8.0, 18.0, 28.0, 38.0]


@pytest.mark.parametrize("task", FOLDS)
def test_the_numbers_do_not_depend_on_which_attempt_made_them(study: Study, drain: Drain, task: str) -> None:
    whole = study.submit(task)
    broken = study.submit(task, {"stumble": "raise,2"}, retries=1)
    drain()

    assert record_of(study, whole).metrics == record_of(study, broken).metrics


def test_a_run_whose_process_was_killed_goes_on(study: Study, drain: Drain, began: Path) -> None:
    run = study.submit("folds", {"stumble": "kill,3"}, retries=1)
    drain()

    assert record_of(study, run).state is State.COMPLETED
    assert begun(began, 2) == {3}


def test_changed_code_repeats_all_parts(study: Study, project: ProjectFolder, drain: Drain,
                                        began: Path) -> None:
    run: Any = study.submit("folds", {"stumble": "raise,2"}, code="current")
    drain()
    source = project.package / "wrapped.py"
    project.write("wrapped.py", source.read_text().replace("run.seed + 10 *", "run.seed + 100 *"))
    study.store.requeue(run)
    drain()

    record = record_of(study, run)
    assert record.state is State.COMPLETED, record.reason
    assert begun(began, 2) == {0, 1, 2, 3}
    assert record.metrics["score/fold-1"] == 108.0


@pytest.mark.parametrize("task", FOLDS)
def test_a_run_that_is_asked_to_stop_leaves_no_process_behind(study: Study, drain: Drain, began: Path,
                                                              task: str) -> None:
    run: Any = study.submit(task, {"stumble": "wait,2"})
    worker = until_waiting(study, drain, began, run)

    assert record_of(study, run).state is State.CANCELLED
    assert "part/fold-0" in record_of(study, run).info
    assert not any(alive(int(file.read_text())) for file in began.iterdir())
    worker.join(30)


def test_a_part_that_was_stopped_early_is_not_stored(study: Study, drain: Drain,
                                                     began: Path) -> None:
    run: Any = study.submit("folds", {"stumble": "polite,2"})
    until_waiting(study, drain, began, run).join(30)

    record = record_of(study, run)
    assert record.state is State.CANCELLED
    assert {key for key in record.info if key.startswith("part/")} == {"part/fold-0", "part/fold-1"}


def until_waiting(study: Study, drain: Drain, began: Path, run: int) -> Any:
    """A worker reaches the waiting fold; then the run is cancelled and ends."""
    worker = threading.Thread(target=drain, daemon=True)
    worker.start()
    until(lambda: any(file.name.startswith("2-") and file.read_text() for file in began.iterdir()),
          "fold 2 begins")
    study.store.cancel(run)
    until(lambda: record_of(study, run).state is not State.RUNNING, "the run has ended")
    return worker
