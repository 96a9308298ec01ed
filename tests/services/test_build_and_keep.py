"""From a config, or a past run, to objects; and what a scenario returns beside its metrics."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hyperspace_core import Study
from hyperspace_core.errors import ConfigError, NotFound
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker
from pytest_hyperspace.project import ProjectFolder

FILES = {"hyperspace.py": """
    import random
    from hyperspace_core import Component, Run, Scenario, hookimpl

    class Model(Component): pass

    class Line(Model):
        def __init__(self, slope: float = 1.0):
            self.slope, self.start, self.trained = slope, random.random(), 0
        def fit(self, epochs):
            self.trained += epochs

    class Fits(Scenario):
        def __init__(self, epochs: int = 3): self.epochs = epochs
        def single_run(self, run: Run, model: Model = Line()):
            model.fit(self.epochs)
            run.log_scalar("epoch", self.epochs)
            return {"result": model.slope + model.start}, model

    def plain(x: float = 1.0):
        return x, ["anything", object()]

    def pair(kind: str = "texts"):
        return {"texts": ("a", "b"), "numbers": (0.9, 0.1), "three": (0.9, "a", "b")}[kind]

    @hookimpl
    def hyperspace_register(register):
        register.component(Model, Line)
        register.scenario(Fits, name="fits")
        register.scenario(plain)
        register.scenario(pair)
    """}


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name="fitting")


def test_a_run_gives_what_was_returned_beside_the_metrics(study: Study) -> None:
    record, model = study.run("fits", {"model": {"slope": 2}}, seed=1, keep=True)

    assert (record.state, model.slope, model.trained) == ("COMPLETED", 2.0, 3)
    assert record.result == model.slope + model.start and set(record.metrics) == {"result"}
    assert study.run("fits", seed=1).state == "COMPLETED"
    assert study.run("plain", keep=True)[1][0] == "anything"


@pytest.mark.parametrize("isolation", ["warm", "spawn", "inline"])
def test_a_worker_keeps_the_metrics_alone(study: Study, isolation: str) -> None:
    run = study.submit("fits", seed=1)

    Worker(study.store, study.name, study.extensions, WorkerOptions(drain=True, isolation=isolation)).run()

    record = study.get(run)
    assert (record.state, set(record.metrics)) == ("COMPLETED", {"result"}), record.reason


@pytest.mark.parametrize("kind", ["texts", "numbers", "three"])
def test_another_tuple_fails_the_run(study: Study, kind: str) -> None:
    record, kept = study.run("pair", {"kind": kind}, keep=True)

    assert record.state == "FAILED" and "single_run returned tuple" in str(record.reason)
    assert kept is None


def test_a_config_becomes_objects_without_a_run(study: Study) -> None:
    built = study.build("fits", {"model": {"slope": 5}}, seed=1)

    assert built.scenario.epochs == 3 and built.arguments["model"].slope == 5.0
    assert built.arguments["run"] is built.run and built.run.config["model"]["slope"] == 5.0
    assert study.store.ids(study.name) is None
    _, model = built.scenario.single_run(**built.arguments)
    assert model is built.arguments["model"] and model.trained == 3
    assert built.run.sink.points[0].name == "epoch"      # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="slop"):
        study.build("fits", {"model": {"slop": 5}})


@pytest.mark.parametrize("by", ["id", "record"])
def test_a_past_run_becomes_the_objects_that_it_had(study: Study, by: str) -> None:
    record, model = study.run("fits", {"model": {"slope": 2}}, seed=7, keep=True)
    given = record.id if by == "id" else record

    built, changed = study.build(given), study.build(given, {"model": {"slope": 3}})

    assert built.run.seed == 7
    assert (built.arguments["model"].slope, built.arguments["model"].start) == (2.0, model.start)
    assert changed.arguments["model"].slope == 3.0
    with pytest.raises(NotFound):
        study.build(99)


def test_pausing_the_queue_tells_how_many_runs_wait(study: Study) -> None:
    for _ in range(3):
        study.submit("plain")

    assert (study.queue.pause_all(), study.queue.resume_all()) == (3, 3)
