"""Tests of the five stages, without the framework."""

from __future__ import annotations

import pytest

from digits_study.stages import Accuracy, Binarized, Network, Passes, Perceptron, Rescaled, SplitDigits
from hyperspace_core import Fit, Model, Preprocessor, Run
from hyperspace_core.run import Memory, as_current_run


def steps_of(run: Run) -> list[int | None]:
    assert isinstance(run.sink, Memory)
    return [point.step for point in run.sink.points]


@pytest.mark.parametrize(("preprocessor", "model"), [(Rescaled(), Network()), (Binarized(), Perceptron())])
def test_the_stages_train_a_model(preprocessor: Preprocessor, model: Model) -> None:
    run = Run.local(seed=0)
    with as_current_run(run):
        data = preprocessor.apply(SplitDigits().load())
        trained = Passes(epochs=5).train(model.build(data), data)
        scores = Accuracy().score(trained, data)

    assert scores["accuracy"] > 0.85
    assert steps_of(run) == [1, 2, 3, 4, 5]


def test_core_s_trainer_fit_works() -> None:
    with as_current_run(Run.local(seed=0)):
        data = Rescaled().apply(SplitDigits().load())
        trained = Fit().train(Perceptron().build(data), data)

    assert Accuracy().score(trained, data)["accuracy"] > 0.9


def test_a_stopped_run_keeps_its_model() -> None:
    run = Run.local(seed=0)
    run.request_stop()
    with as_current_run(run):
        data = Rescaled().apply(SplitDigits().load())
        trained = Passes(epochs=50).train(Perceptron().build(data), data)

    assert steps_of(run) == [1]
    assert Accuracy().score(trained, data)["accuracy"] > 0.5


def test_all_runs_use_the_same_test_images() -> None:
    first, second = SplitDigits().load(), SplitDigits().load()

    assert (first.test_images == second.test_images).all()
    assert len(first.test_labels) == 450
