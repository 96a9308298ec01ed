"""A project whose tasks wrap scenarios, and a store with workers for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.extension.manager import build_manager
from hyperspace_core.stores.sqlite import open_store
from hyperspace_core.worker.events import WorkerReport
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker
from pytest_hyperspace.project import ProjectFolder

HYPERSPACE = """
    from hyperspace_core.markers import hookimpl

    @hookimpl
    def hyperspace_register(register):
        from lab import wrapped
        register.module(wrapped)
        register.scenario(wrapped.plain)
        register.tasks("lab.tasks")
    """
Drain = Callable[..., WorkerReport]


def task(scenario: dict[str, Any], metric: str = "score") -> str:
    return json.dumps({"scenario": scenario, "metric": {"name": metric}, "seed": 7})


def trial(**settings: Any) -> dict[str, Any]:
    return {"className": "Trial", "dataset": {"className": "Numbers"}} | settings


def tasks(folder: Path) -> dict[str, str]:
    watched = trial(folder=str(folder))
    folds = {"className": "Repeated", "scenario": watched, "times": 4, "fold": "dataset.fold"}
    return {
        "repeated": task({"className": "Repeated", "scenario": watched, "times": 3}),
        "folds": task(folds),
        "folds_at_once": task(folds | {"slots": 2}),
        "series": task({"className": "PerSeries", "scenario": trial()}),
        "rolling": task({"className": "Rolling", "scenario": trial(), "first": 10, "last": 15, "step": 2}),
        "old": task({"className": "Repeated", "Scenario": {"className": "plain"}}, "result"),
        "both": task({"className": "PerSeries", "key": "scenario.dataset.series", "series": ["a", "b"],
                      "scenario": {"className": "Repeated", "times": 2, "scenario": trial()}}),
    }


@pytest.fixture
def began(tmp_path: Path) -> Path:
    """The folder where every starting part creates a file `FOLD-SEED-ATTEMPT`."""
    folder = tmp_path / "began"
    folder.mkdir()
    return folder


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder], began: Path) -> ProjectFolder:
    files = {"hyperspace.py": HYPERSPACE, "tasks/__init__.py": "",
             "wrapped.py": (Path(__file__).parent / "wrapped.py").read_text(encoding="utf-8")}
    files |= {f"tasks/{name}.json": text for name, text in tasks(began).items()}
    return hyperspace_project(files, name="lab")


@pytest.fixture
def drain(url: str) -> Drain:
    """Let a real worker execute all queued runs, each in its own process."""

    def drained(**options: Any) -> WorkerReport:
        with open_store(url, "lab") as store:
            return Worker(store, "lab", build_manager(), WorkerOptions(drain=True, **options)).run()

    return drained
