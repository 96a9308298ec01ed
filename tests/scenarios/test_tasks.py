"""Tasks that wrap a scenario: their configs, records and errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hyperspace_core.capture.code_fingerprint import component_fingerprints
from hyperspace_core.errors import ConfigError, UnknownClassError
from hyperspace_core.records.states import State
from hyperspace_core.records.task import Task
from hyperspace_core.study import Study
from pytest_hyperspace.project import ProjectFolder
from support.parted import trial


def completed(study: Study, scenario: dict[str, Any]) -> dict[str, Any]:
    return study.project.complete_scenario(Task(name="t", scenario=scenario))


def repeated(**settings: Any) -> dict[str, Any]:
    return {"className": "Repeated", "scenario": trial()} | settings


@pytest.mark.parametrize("task", ["repeated", "folds", "series", "rolling", "both"])
def test_the_hyper_parameters_are_those_of_the_wrapped_scenario(study: Study, task: str) -> None:
    signature = study.project.scenario_signature(study.project.task(task))

    assert list(signature.by_name) == ["learner", "stumble"]
    config = study.project.complete(study.project.task(task), {"learner": "Counting"})
    assert config == {"learner": {"className": "Counting", "rate": 1.0}, "stumble": ""}


def test_a_misspelt_wrapped_hyper_parameter_is_named(study: Study) -> None:
    with pytest.raises(ConfigError, match=r"`learner\.rat`: Counting has no such parameter; did you mean"):
        study.submit("folds", {"learner": {"className": "Counting", "rat": 2}})


def test_the_wrapped_scenario_is_completed_like_any_component(study: Study) -> None:
    scenario = completed(study, repeated(scenario={"className": "Trial", "dataset": "Numbers"}))

    assert scenario["scenario"]["dataset"]["series"] == "a"
    assert scenario["times"] == 5
    assert completed(study, scenario) == scenario


def test_a_grid_of_the_wrapped_scenario_s_hyper_parameters(study: Study) -> None:
    runs = study.submit_grid("folds", {"learner": {"className": "Counting", "rate": [0.5, 1.0]}})

    assert [study.store.get(run).config for run in runs] == [
        {"learner": {"className": "Counting", "rate": rate}, "stumble": ""} for rate in (0.5, 1.0)]


def test_the_code_of_the_wrapped_scenario_is_fingerprinted(study: Study) -> None:
    opened = study.project
    scenario = opened.complete_scenario(opened.task("folds"))
    found = component_fingerprints(opened, scenario, opened.complete(scenario, {}))

    assert {path: one["class"] for path, one in found.items()} == {
        "scenario": "Repeated", "scenario.scenario": "Trial", "scenario.scenario.dataset": "Numbers",
        "learner": "Counting"}


@pytest.mark.parametrize(("scenario", "message"), [
    (repeated(fold="dataset.fald"),
     "`scenario.fold`: 'dataset.fald': dataset has no setting 'fald'; did you mean 'fold'?"),
    (repeated(fold="learner.rate"), "has no setting 'learner'; it has dataset, folder"),
    (repeated(times=0), "`scenario.times`: expected at least 1, found 0"),
    (repeated(slots=0), "`scenario.slots`: expected at least 1 process, found 0"),
    ({"className": "PerSeries", "scenario": trial(), "series": []}, "`scenario.series`: the list is empty"),
    ({"className": "PerSeries", "scenario": trial(), "key": "dataset.machine"},
     "`scenario.key`: 'dataset.machine': dataset has no setting 'machine'"),
    ({"className": "Rolling", "scenario": trial(), "first": "2014-01-01", "last": "2015-01-01",
      "step": "1 fortnight"}, "`scenario.step`: expected a length of time such as '1 month'"),
    ({"className": "PerSeries", "scenario": repeated(times=0), "key": "scenario.dataset.series"},
     "`scenario.scenario.times`: expected at least 1"),
    ({"className": "Repeated"}, "`scenario.scenario`: missing; Repeated needs it"),
])
def test_a_wrapper_that_does_not_fit_is_refused_at_submission(
        study: Study, scenario: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        completed(study, scenario)

    assert message in str(refused.value)


def test_an_unknown_class_within_is_named_with_its_place(study: Study) -> None:
    with pytest.raises(UnknownClassError, match=r"`scenario\.scenario\.className`.*Trail"):
        completed(study, {"className": "Repeated", "scenario": {"className": "Trail"}})


def test_a_task_in_the_old_spelling_wraps_a_function(study: Study) -> None:
    record = study.run("old", {"rate": 0.25})

    assert record.state is State.COMPLETED, record.reason
    assert [record.metrics[f"result/repeat-{time}"] for time in range(5)] == [7.25, 8.25, 9.25, 10.25, 11.25]
    assert record.result == pytest.approx(9.25)


def test_the_result_is_the_mean_and_parts_are_stored(study: Study) -> None:
    record = study.run("folds", {"learner": {"className": "Counting", "rate": 0.0}})

    assert record.state is State.COMPLETED, record.reason
    assert record.result == 22.0
    assert [record.metrics[f"score/fold-{fold}"] for fold in range(4)] == [7.0, 17.0, 27.0, 37.0]
    names = {point.name for point in study.store.points(record.id)}
    assert {f"fold-{fold}/loss" for fold in range(4)} <= names


def test_the_data_of_all_parts_are_named_in_their_order(study: Study) -> None:
    one, many = study.run("repeated"), study.run("folds")

    assert len(set(data_of(one))) == 1
    assert len(data_of(one)) == 3
    assert len(set(data_of(many))) == 4                        # every fold loads other data


def data_of(record: Any) -> list[str]:
    assert record.attempt is not None
    return list(record.attempt.provenance["data"]["fingerprints"])


def test_every_part_uses_its_own_seed(study: Study) -> None:
    many, folds = study.run("repeated"), study.run("folds")

    assert len({many.metrics[f"drawn/repeat-{time}"] for time in range(3)}) == 3
    assert len({folds.metrics[f"drawn/fold-{fold}"] for fold in range(4)}) == 1
    assert many.metrics["drawn/repeat-0"] == folds.metrics["drawn/fold-0"]


def test_every_part_must_return_the_metric(study: Study, project: ProjectFolder) -> None:
    wrong = {"scenario": repeated(), "metric": {"name": "scores"}}
    project.write("tasks/wrong.json", json.dumps(wrong))
    with Study("lab", str(study.store.url)) as anew:
        record = anew.run("wrong")

    assert record.state is State.FAILED
    assert "not the task's metric 'scores'; did you mean 'score'?" in str(record.reason)
    assert "part/repeat-0" not in record.info
