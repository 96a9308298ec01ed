"""A project whose runs compute a formula, so that they are fast."""

from __future__ import annotations

from hyperspace_core.extension.manager import build_manager
from hyperspace_core.study import Study
from hyperspace_core.worker.events import WorkerReport
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker

MODELS = '''
from dataclasses import dataclass
from typing import Annotated

from hyperspace_core.components import Component, Scenario
from hyperspace_core.run import Run
from hyperspace_core.ranges import Float, Int


class Model(Component):
    """A family."""


@dataclass
class Tree(Model):
    depth: Annotated[int, Int(1, 10)] = 3

    def score(self):
        return float(self.depth)


@dataclass
class Line(Model):
    slope: Annotated[float, Float(0.01, 100, log=True)] = 1.0

    def score(self):
        return self.slope


@dataclass
class Fit(Scenario):
    offset: float = 0.0

    def single_run(self, run: Run, model: Model = Tree(), fail: bool = False) -> dict[str, float]:
        if fail:
            raise ValueError("on purpose")
        return {"score": self.offset + model.score(), "seconds": 0.5}


@dataclass
class Seeded(Scenario):
    def single_run(self, seed: Annotated[int, Int(0, 9)], rate: Annotated[float, Float(0, 1)] = 0.5) -> float:
        return rate + seed
'''

FILES = {
    "hyperspace.py": '''
        from hyperspace_core.markers import hookimpl

        @hookimpl
        def hyperspace_register(register):
            from formula import models
            register.module(models)
            register.tasks("formula.tasks")
        ''',
    "models.py": MODELS,
    "tasks/__init__.py": "",
    "tasks/main.json": '{"scenario": "Fit", "metric": {"name": "score"}, "seed": 7}',
    "tasks/seeded.json": '{"scenario": "Seeded", "metric": {"name": "result"}}',
    "tasks/quick.json": '{"scenario": "Fit", "metric": {"name": "seconds", "goal": "minimize"}}',
    "tasks/near.json": '{"scenario": {"className": "Fit", "offset": 5.0}, "metric": {"name": "score"}}',
}


def work(study: Study, **options: object) -> WorkerReport:
    """Run a worker in this process until the queue is empty, or for `max_runs` runs."""
    chosen = WorkerOptions(isolation="inline", drain=True, **options)  # type: ignore[arg-type]
    return Worker(study.store, "formula", build_manager(), chosen).run()
