"""Backfill of a parameter in 10,000 runs, compared with bare UPDATEs."""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools import show

from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import Attempt, Metric, RunRecord
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.study import Study
from hyperspace_migrate.check import check_project
from hyperspace_migrate.plan import BATCH, apply_plan, plan_backfill, undo
from pytest_hyperspace.project import make_project

RUNS = 10_000
ENTRY = """
from hyperspace_core.markers import hookimpl

@hookimpl
def hyperspace_register(register):
    from grown import parts
    register.module(parts)
"""
PARTS = """
from dataclasses import dataclass
from hyperspace_core.components import Component, Scenario

class Classifier(Component): ...

@dataclass
class Forest(Classifier):
    trees: int = 100
    max_depth: int | None = None

class Scaler(Component): ...

@dataclass
class Standard(Scaler):
    with_std: bool = True

@dataclass
class Holdout(Scenario):
    test_share: float = 0.25

    def single_run(self, classifier: Classifier, scaler: Scaler = Standard()) -> dict[str, float]: ...
"""


def config(number: int) -> dict[str, Any]:
    """A config from before Forest had `max_depth`, different for each run."""
    return {"classifier": {"className": "Forest", "trees": number},
            "scaler": {"className": "Standard", "with_std": True}}


def fill(study: Study) -> None:
    provenance = {"packages": {f"package-{number}": "1.2.3" for number in range(50)}}
    for start in range(0, RUNS, BATCH):
        study.store.restore([RunRecord(
            id=0, uid=uuid.uuid4().hex, project=study.name, task="holdout", state=State.COMPLETED,
            submitted=config(number), config=config(number), seed=0, metric=Metric(name="accuracy"),
            scenario={"className": "Holdout", "test_share": 0.25}, result=0.5, metrics={"accuracy": 0.5},
            attempts=(Attempt(number=1, outcome=Outcome.COMPLETED, provenance=provenance),))
            for number in range(start, start + BATCH)])


def bare_s(path: Path) -> float:
    """Seconds for as many rows of a bare table, with equal durability."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                             "CREATE TABLE bodies(run INTEGER PRIMARY KEY, config TEXT NOT NULL) STRICT;"
                             "BEGIN")
    connection.executemany("INSERT INTO bodies VALUES(?, ?)",
                           [(number, json.dumps(config(number))) for number in range(RUNS)])
    connection.execute("COMMIT")
    rows = [(json.dumps(config(number)), number) for number in range(RUNS)]

    def rewrite() -> None:
        for start in range(0, RUNS, BATCH):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("UPDATE bodies SET config = ? WHERE run = ?", rows[start:start + BATCH])
            connection.execute("COMMIT")

    return timed(rewrite)[0]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    done = work()
    return time.perf_counter() - began, done


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = make_project(folder / "project", name="grown",
                               files={"hyperspace.py": ENTRY, "parts.py": PARTS})
        sys.path.insert(0, str(project.root))
        with Study("grown", f"sqlite:///{folder / 'runs.db'}") as study:
            fill(study)
            planning, plan = timed(lambda: plan_backfill(study.project, study.store))
            applying, done = timed(lambda: apply_plan(study.store, plan))
            checking, report = timed(
                lambda: check_project(study.project, study.store, RunFilter(project=study.name)))
            [migration] = done
            undoing, undone = timed(lambda: undo(study.store, study.name, migration))
        if done[migration] != RUNS or len(undone) != RUNS or report.findings or report.looked_at != RUNS:
            raise SystemExit(f"not every run was rewritten: {done}, {len(undone)} undone, {report}")
        bare = bare_s(folder / "bare.db")
    show(f"a new parameter for {RUNS:,} finished runs, {BATCH:,} in a step", [
        ("bare UPDATEs", f"{bare:8.2f} s"),
        ("hyperspace backfill", f"{planning + applying:8.2f} s   (aim: under 10)"),
        ("of that, planning", f"{planning:8.2f} s"),
        ("ratio", f"{(planning + applying) / bare:8.1f}"),
        ("hyperspace backfill --undo", f"{undoing:8.2f} s"),
        ("hyperspace check", f"{checking:8.2f} s"),
    ])


if __name__ == "__main__":
    main()
