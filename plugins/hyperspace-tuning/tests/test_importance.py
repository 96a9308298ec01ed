"""Parameter importance by Optuna."""

from __future__ import annotations

import random

import pytest

from hyperspace_core.ranges import Choice, Float
from hyperspace_core.records.run import Metric
from hyperspace_tuning.samplers.tuners import NSGAII, TPE
from hyperspace_tuning.sampling import sample
from hyperspace_tuning.space import Dimension, Space
from hyperspace_tuning.tuner import History, Trial

SPACE = Space(entries=(
    Dimension(path="m.className", key="m.className", range=Choice("A", "B")),
    Dimension(path="m.x", key="m[A].x", range=Float(0, 1), when=(("m.className", "A"),)),
    Dimension(path="y", key="y", range=Float(0, 1)),
))


def history(count: int, goal: str = "maximize") -> History:
    """Only x of class A matters; class B gives the middle value."""
    rng, trials = random.Random(3), []
    for _ in range(count):
        one = sample(SPACE, rng)
        value = one.get("m.x", 0.5)
        trials.append(Trial(assignment=one, state="completed", value=value if goal == "maximize" else -value))
    return History(trials=tuple(trials), metrics=(Metric(name="score", goal=goal),))  # type: ignore[arg-type]


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_the_deciding_parameter_is_the_most_important_one(goal: str) -> None:
    found = TPE().importance(SPACE, history(80, goal))

    assert set(found) == {"m.className", "m[A].x", "y"}
    assert sum(found.values()) == pytest.approx(1)
    assert max(found, key=lambda key: found[key]) == "m[A].x"


def test_few_results_give_no_importance() -> None:
    assert NSGAII().importance(SPACE, history(9)) == {}
    assert TPE().importance(Space(entries=()), history(80)) == {}


def test_runs_of_related_tasks_and_failed_ones_do_not_count() -> None:
    few = history(9).trials
    related = Trial(assignment=few[0].assignment, state="completed", value=1.0, weight=0.5)
    failed = Trial(assignment=few[0].assignment, state="failed")

    assert TPE().importance(SPACE, History(trials=(*few, related, failed, related))) == {}
