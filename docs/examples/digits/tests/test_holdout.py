"""Tests of the scenario, without queue, store or worker."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from digits_study.components import Classifier, Forest, Linear, Standard, Support, Unscaled
from digits_study.data import Digits
from digits_study.scenarios import Holdout
from hyperspace_core import Run
from hyperspace_core.records import Progress
from hyperspace_core.run import Memory


def test_the_scenario_runs_without_the_framework() -> None:
    result = Holdout(dataset=Digits()).single_run(Run.local(seed=0), Forest())

    assert result["accuracy"] > 0.95
    assert 0 < result["log_loss"] < 1


def test_it_leaves_a_learning_curve() -> None:
    run = Run.local(seed=0)
    Holdout(dataset=Digits(), curve_points=3).single_run(run, Forest(trees=10))

    sink = run.sink
    assert isinstance(sink, Memory)
    assert [point.step for point in sink.points if point.name == "loss"] == [449, 898, 1347]
    assert [point.step for point in sink.points if point.name == "accuracy"] == [449, 898, 1347]
    assert sink.last_progress == Progress(done=3, total=3, eta_s=0, note="1347 images")


@pytest.mark.parametrize("classifier", [Forest(trees=20), Support(), Linear()])
def test_the_same_seed_gives_the_same_result(classifier: Classifier) -> None:
    scenario = Holdout(dataset=Digits(limit=400), curve_points=1)

    first, second = (scenario.single_run(Run.local(seed=3), classifier, Standard()) for _ in range(2))

    assert first == second


def test_scaling_changes_what_the_classifier_sees() -> None:
    scenario = Holdout(dataset=Digits(limit=400), curve_points=1)

    scaled = scenario.single_run(Run.local(seed=3), Linear(), Standard())
    unscaled = scenario.single_run(Run.local(seed=3), Linear(), Unscaled())

    assert scaled != unscaled


def test_the_task_names_its_metric() -> None:
    text = resources.files("digits_study.tasks").joinpath("holdout.json").read_text(encoding="utf-8")

    assert json.loads(text)["metric"] == {"name": "accuracy", "goal": "maximize"}
