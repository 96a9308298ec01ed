"""The example projects in real workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hyperspace_core import Study
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from support.shell import Shell

STAGES = {"load_data", "preprocess", "build_model", "train", "score"}


@pytest.fixture
def store(here: Shell) -> Iterator[str]:
    url = f"sqlite:///{here.folder.parent / 'runs.db'}"
    here.environment["HYPERSPACE_STORAGE"] = url
    yield url


def drained(here: Shell, store: str, project: str, task: str, options: str) -> list[RunRecord]:
    """Submit configs and run a worker; return the records in the order of submission."""
    here.run(f"hyperspace submit {task} --project {project} {options}")
    here.run(f"hyperspace worker --project {project} --drain")
    with Study(project, store) as study:
        found = study.results(task, states=tuple(State))
        return sorted(found, key=lambda record: record.id)


def reasons(records: list[RunRecord]) -> list[str | None]:
    return [record.reason for record in records if record.state is not State.COMPLETED]


def model_of(record: RunRecord) -> Any:
    assert record.config is not None
    return record.config["model"]


def test_digits_on_the_standard_pipeline(here: Shell, store: str) -> None:
    records = drained(here, store, "digits", "pipeline",
                      "--grid model=Perceptron,Network --set preprocessor=Rescaled --set trainer=Passes")

    assert reasons(records) == []
    assert all((record.result or 0) > 0.85 for record in records)
    assert [model_of(record)["className"] for record in records] == ["Perceptron", "Network"]


def test_the_default_trainer_works_in_the_pipeline(here: Shell, store: str) -> None:
    record, = drained(here, store, "digits", "pipeline", "--set model=Perceptron")

    assert reasons([record]) == []
    assert record.config is not None and record.config["trainer"] == {"className": "Fit"}


def test_the_stage_timer_times_all_five_stages_of_a_run(here: Shell, store: str) -> None:
    record, = drained(here, store, "digits", "pipeline", "--set model=Perceptron --set trainer=Passes")

    assert set(record.info["stage_seconds"]) == STAGES
    assert all(seconds >= 0 for seconds in record.info["stage_seconds"].values())
    with Study("digits", store) as study:
        names = {point.name for point in study.store.points(record.id)}
    assert {f"stage_seconds/{stage}" for stage in STAGES} <= names
    assert "train_accuracy" in names


def test_data_loaded_by_the_pipeline_has_a_fingerprint(here: Shell, store: str) -> None:
    first, second = drained(here, store, "digits", "pipeline", "--set model=Perceptron --repeats 2")

    assert fingerprint(first) == fingerprint(second)


def fingerprint(record: RunRecord) -> Any:
    assert record.attempt is not None
    return record.attempt.provenance["data"]


def test_a_script_that_became_a_project(here: Shell, store: str) -> None:
    records = drained(here, store, "diabetes", "train", "--grid depth=1,2 --seed 7")

    assert reasons(records) == []
    assert all(40 < (record.result or 0) < 55 for record in records)
    assert [record.config for record in records] == [
        {"learning_rate": 0.1, "trees": 100, "depth": depth, "seed": 7} for depth in (1, 2)
    ]
    assert records[0].metric.goal == "minimize"
    assert "mean absolute error: " in here.run("hyperspace runs logs 1 --project diabetes").stdout


def test_a_project_of_functions_alone(here: Shell, store: str) -> None:
    records = drained(here, store, "wine", "which_wine", "--grid model.neighbours=1,5")

    assert reasons(records) == []
    assert [model_of(record) for record in records] == [{"neighbours": 1}, {"neighbours": 5}]
    assert all((record.result or 0) > 0.9 for record in records)


def test_the_projects_are_found_from_any_folder(here: Shell) -> None:
    listed = json.loads(here.run("hyperspace projects --json").stdout)

    assert {"digits", "diabetes", "wine"} <= {project["name"] for project in listed}
