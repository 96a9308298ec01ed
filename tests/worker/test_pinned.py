"""A queued run executes the code of its submission, despite later edits."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.study import Study
from hyperspace_core.worker import runners
from hyperspace_core.worker.events import Notice
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker
from pytest_hyperspace.project import ProjectFolder, forget

NAME = "moving_on"
FILES = {
    "hyperspace.py": """
        from hyperspace_core import hookimpl

        @hookimpl
        def hyperspace_register(register):
            from moving_on.train import train
            register.scenario(train)
        """,
    "train.py": """
        import os

        def train(lr: float = 1.0) -> dict[str, float]:
            from moving_on import helper                   # only when it runs
            return {"result": lr * helper.FACTOR, "pid": os.getppid()}
        """,
    "helper.py": "FACTOR = 1\n",
}


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder], tmp_path: Path,
            monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return hyperspace_project(FILES, name=NAME)


class Drainer:
    """Workers that drain the queue, and their notices."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.notices: list[str] = []

    def __call__(self, **options: Any) -> list[RunRecord]:
        def hear(event: Any) -> None:
            if isinstance(event, Notice):
                self.notices.append(event.text)

        report = Worker(self.study.store, NAME, self.study.extensions, WorkerOptions(drain=True, **options),
                        on_event=hear).run()
        return [self.study.get(ended.run) for ended in report.ended]


@pytest.fixture
def drained(study: Study) -> Drainer:
    return Drainer(study)


def source(record: RunRecord) -> dict[str, Any]:
    assert record.attempt is not None
    return dict(record.attempt.provenance["source"])


@pytest.mark.parametrize("isolation", ["warm", "spawn"])
def test_each_run_executes_the_code_of_its_submission(
        project: ProjectFolder, study: Study, drained: Drainer, isolation: str) -> None:
    for factor in (1, 10, 100):
        project.write("helper.py", f"FACTOR = {factor}\n")
        study.submit("train")
    project.write("helper.py", "FACTOR = 1000\n")
    study.submit("train", code="current")

    records = drained(isolation=isolation)

    assert [record.result for record in records] == [1, 10, 100, 1000]
    assert [source(record)["pinned"] for record in records] == [True, True, True, False]
    for record in records[:3]:
        assert source(record)["snapshot"] == record.code["snapshot"]
    assert records[3].code == {} and source(records[3])["snapshot"] not in {
        record.code["snapshot"] for record in records[:3]}


def test_a_run_finds_a_module_that_was_removed_later(
        project: ProjectFolder, study: Study, drained: Drainer) -> None:
    study.submit("train")
    (project.package / "helper.py").unlink()

    assert [record.result for record in drained()] == [1]


def test_unchanged_code_runs_in_the_current_fork_server(
        study: Study, drained: Drainer) -> None:
    for _ in range(3):
        study.submit("train")

    records = drained()

    assert len({record.metrics["pid"] for record in records}) == 1
    assert {source(record)["pinned"] for record in records} == {False}
    assert {source(record)["snapshot"] for record in records} == {records[0].code["snapshot"]}
    assert all("note" not in source(record) for record in records)


def test_a_pinned_snapshot_has_one_fork_server(project: ProjectFolder, study: Study, drained: Drainer,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        study.submit("train")
    project.write("helper.py", "FACTOR = 5\n")

    unpacked = Mock(side_effect=runners.unpacked)
    monkeypatch.setattr(runners, "unpacked", unpacked)

    records = drained()

    assert [record.result for record in records] == [1, 1, 1]
    assert len({record.metrics["pid"] for record in records}) == 1
    assert unpacked.call_count == 1            # it is read and hashed only once


def test_fork_servers_beyond_the_most_are_ended(project: ProjectFolder, study: Study, drained: Drainer,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "MOST", 1)
    for factor in (1, 2, 1):
        project.write("helper.py", f"FACTOR = {factor}\n")
        study.submit("train")
    project.write("helper.py", "FACTOR = 5\n")

    records = drained()

    assert [record.result for record in records] == [1, 2, 1]
    assert len({record.metrics["pid"] for record in records}) == 3
    assert not any(Path(f"/proc/{int(record.metrics['pid'])}").exists() for record in records)


def test_code_current_executes_the_installed_code(
        project: ProjectFolder, study: Study, drained: Drainer) -> None:
    study.submit("train")
    project.write("helper.py", "FACTOR = 5\n")

    (record,) = drained(code="current")

    assert record.result == 5
    assert source(record)["note"] == ("pinned code was not used: its worker was started with --code current")


def test_a_corrupt_snapshot_is_reported_and_not_used(
        project: ProjectFolder, study: Study, drained: Drainer, tmp_path: Path) -> None:
    study.submit("train")
    project.write("helper.py", "FACTOR = 5\n")
    for path in (tmp_path / "runs.db.artifacts").glob("*/*"):
        path.write_bytes(b"something else")

    (record,) = drained()

    assert record.result == 5
    assert source(record)["note"].startswith("the pinned code could not be unpacked: ")
    assert any("the current code is used" in notice for notice in drained.notices)


def test_code_too_large_to_pin_is_noted_on_the_run(
        project: ProjectFolder, study: Study, drained: Drainer) -> None:
    with (project.package / "weights.py").open("wb") as file:
        file.truncate(200 << 20)

    pin = study.pin()
    study.submit("train")
    project.write("helper.py", "FACTOR = 5\n")
    (record,) = drained()

    assert "weights.py" in pin.warning and "MiB" in pin.warning
    assert record.result == 5
    assert source(record) == {"absent": record.code["absent"]}             # the reason, once
    assert "weights.py" in record.code["absent"]


def test_a_broken_checkout_does_not_stop_pinned_runs(
        project: ProjectFolder, study: Study, tmp_path: Path) -> None:
    """The worker has opened the project; an edit breaks it, another fixes it."""
    first, unpinned, second = (study.submit("train", code=code) for code in ("pinned", "current", "pinned"))
    notices: list[str] = []
    seen: list[int] = []

    def hear(event: Any) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)
        if type(event).__name__ == "RunEnded":
            seen.append(event.run)
            if event.run == first:
                project.write("hyperspace.py", "def broken(:\n")
            if event.run == second:
                project.write("hyperspace.py", FILES["hyperspace.py"])

    worker = Worker(study.store, NAME, study.extensions, WorkerOptions(max_runs=3, poll_s=0.1), on_event=hear)
    worker.run()

    assert seen == [first, second, unpinned]
    assert any(text.startswith("only runs with pinned code are claimed for now: ") for text in notices)
    records = [study.get(run) for run in (first, second, unpinned)]  # type: ignore[arg-type]
    assert {record.state for record in records} == {State.COMPLETED}
    assert [len(record.attempts) for record in records] == [1, 1, 1]


def test_a_worker_with_older_code_executes_pinned_runs(
        project: ProjectFolder, study: Study, drained: Drainer) -> None:
    """The submission has a parameter that the worker's own code does not know."""
    old = (project.package / "train.py").read_text()
    project.write("train.py", """
        def train(lr: float = 1.0, bonus: float = 0.0) -> float:
            return lr + bonus
        """)
    forget(NAME)
    with Study(NAME, study.store.url) as newer:
        newer.submit("train", {"bonus": 2.5})
    project.write("train.py", old)

    assert [record.result for record in drained()] == [3.5]


def test_processes_of_a_pinned_run_find_the_same_code(
        project: ProjectFolder, study: Study, drained: Drainer) -> None:
    project.write("train.py", """
        import subprocess
        import sys

        def train() -> float:
            asked = "from moving_on import helper; print(helper.FACTOR)"
            return float(subprocess.check_output([sys.executable, "-c", asked]))
        """)
    forget(NAME)
    with Study(NAME, study.store.url) as edited:
        edited.submit("train")
    project.write("helper.py", "FACTOR = 5\n")

    assert [record.result for record in drained()] == [1.0]


def test_the_original_code_can_be_run_again_with_changes(
        project: ProjectFolder, study: Study, drained: Drainer) -> None:
    run = study.submit("train")
    drained()
    project.write("helper.py", "FACTOR = 5\n")

    child = study.rerun(run, {"lr": 7.0}, code="original")  # type: ignore[arg-type]
    study.rerun(run, {"lr": 7.0})  # type: ignore[arg-type]
    original, current = drained()

    assert (original.id, original.parent, original.result, original.config) == (child, run, 7.0, {"lr": 7.0})
    assert (current.parent, current.result) == (run, 35.0)
    assert original.seed == study.get(run).seed  # type: ignore[arg-type]


def test_a_misfit_of_the_original_code_names_the_path(
        project: ProjectFolder, study: Study, drained: Drainer) -> None:
    run = study.submit("train")
    drained()

    study.rerun(run, {"bonus": 7.0}, code="original")  # type: ignore[arg-type]
    project.write("helper.py", "FACTOR = 5\n")
    (record,) = drained()

    assert record.state is State.FAILED
    assert record.reason is not None and record.reason.startswith("`bonus`: ")


def test_the_cache_folder_is_this_user_s_alone(project: ProjectFolder, study: Study,
                                               drained: Drainer) -> None:
    study.submit("train")
    project.write("helper.py", "FACTOR = 5\n")
    (record,) = drained()

    place = Path(os.environ["XDG_CACHE_HOME"]) / "hyperspace" / "code" / record.code["snapshot"]
    assert place.stat().st_mode & 0o077 == 0
    assert (place / NAME / "helper.py").read_text() == "FACTOR = 1\n"


