"""Records without a store: single runs, repeats, runs in parts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hyperspace_core.records.run import Metric, RunRecord
from hyperspace_core.records.states import State

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def completed(number: int, result: float | None, config: dict[str, Any] | None = None, *,
              task: str = "holdout", goal: Any = "maximize", metric: str = "accuracy",
              **others: Any) -> RunRecord:
    """A completed run."""
    values: dict[str, Any] = {
        "state": State.COMPLETED, "seed": 0, "metrics": {} if result is None else {metric: result}}
    return RunRecord(id=number, uid=f"u{number}", project="digits", task=task, result=result,
                     config=forest(100) if config is None else config,
                     metric=Metric(name=metric, goal=goal), **values | others)


def forest(trees: int, **others: Any) -> dict[str, Any]:
    return {"classifier": {"className": "Forest", "trees": trees}, **others}


def runs_of(first: int, config: dict[str, Any], *results: float, seed: int = 0,
            **others: Any) -> list[RunRecord]:
    """Runs of a config at consecutive seeds."""
    return [completed(first + place, result, config, seed=seed + place, **others)
            for place, result in enumerate(results)]


SMALL = runs_of(1, forest(10), 0.50, 0.60, 0.55, 0.58)
LARGE = runs_of(11, forest(50), 0.60, 0.71, 0.64, 0.69)


def in_parts(number: int, trees: int, values: dict[str, float], *, seed: int = 0,
             drawn: bool = False) -> RunRecord:
    """A run in parts, as `Repeated` stores it; `drawn`: each part has its own seed."""
    info = {f"part/{name}": {"metrics": {"accuracy": value}, "seed": seed + place if drawn else seed}
            for place, (name, value) in enumerate(values.items())}
    mean = sum(values.values()) / len(values)
    metrics = {"accuracy": mean, "accuracy/sd": 0.1}
    return completed(number, mean, forest(trees), seed=seed, info=info,
                     metrics=metrics | {f"accuracy/{name}": value for name, value in values.items()})


def folds(*values: float) -> dict[str, float]:
    return {f"fold-{place}": value for place, value in enumerate(values)}


def repeats(*values: float) -> dict[str, float]:
    return {f"repeat-{place}": value for place, value in enumerate(values)}
