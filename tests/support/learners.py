"""A small project of two classifiers without data, a store, and workers to empty its queue."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hyperspace_core.extension.manager import build_manager
from hyperspace_core.stores.sqlite import open_store
from hyperspace_core.worker.events import WorkerReport
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker
from pytest_hyperspace.project import ProjectFolder

FILES = {
    "hyperspace.py": """
        from hyperspace_core.markers import hookimpl

        @hookimpl
        def hyperspace_register(register):
            from lab import parts
            register.module(parts)
            register.scenario(parts.train, goal="minimize")
            register.tasks("lab.tasks")
        """,
    "parts.py": """
        import os
        import time
        from dataclasses import dataclass, field
        from pathlib import Path
        from typing import Annotated

        from hyperspace_core.components import Component, Scenario
        from hyperspace_core.run import Run
        from hyperspace_core.ranges import Float, Int


        class Learner(Component):
            "Learns."


        @dataclass
        class Forest(Learner):
            "Many trees."
            aliases = ("OldForest",)
            trees: Annotated[int, Int(1, 1000)] = 100


        @dataclass
        class Net(Learner):
            "Layers."
            layers: list[int] = field(default_factory=lambda: [10])
            dropout: Annotated[float, Float(0, 1)] = 0.5


        @dataclass
        class Trial(Scenario):
            "Scores a learner by its parameters alone."
            offset: float = 0.0

            def single_run(self, run: Run, learner: Learner = Forest(), rate: float = 0.1,
                           fail: bool = False, wait: str = "") -> dict[str, float]:
                run.log_scalar("rate", rate, 0)
                run.info["process"] = os.getpid()
                print("a trial with seed", run.seed)
                if fail:
                    raise ValueError("as requested")
                if wait:
                    run.progress(1, 4, "waiting <b>")
                    while not Path(wait).exists() and not run.should_stop():
                        time.sleep(0.01)
                size = learner.trees if isinstance(learner, Forest) else sum(learner.layers)
                return {"score": self.offset + size * rate, "drawn": run.seed % 1000}


        def train(lr: float = 0.1, seed: int = 0) -> float:
            "A script's function, with a parameter for the seed."
            return lr + seed
        """,
    "tasks/__init__.py": "",
    "tasks/first.json": """
        {"scenario": {"className": "Trial"}, "metric": {"name": "score"}, "seed": 7}
        """,
    "tasks/unseeded.json": """
        {"scenario": {"className": "Trial", "offset": 100.0}, "metric": {"name": "score"}}
        """,
}

Drain = Callable[..., WorkerReport]


def number(run: object) -> int:
    """One id, where a list of ids is possible."""
    assert isinstance(run, int)
    return run


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name="lab")


@pytest.fixture
def drain(url: str) -> Drain:
    """Let a real worker execute all queued runs."""

    def drained(project: str = "lab", isolation: str = "inline", **options: object) -> WorkerReport:
        with open_store(url, project) as store:
            chosen = WorkerOptions(isolation=isolation, drain=True, **options)  # type: ignore[arg-type]
            return Worker(store, project, build_manager(), chosen).run()

    return drained
