"""New dimensions are tried away from their default at first."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("optuna", reason="the tuners of this plugin need Optuna")

import itertools

from hyperspace_core.ranges import Choice, Float, Range
from hyperspace_core.records.run import Metric
from hyperspace_tuning.samplers.novelty import SETTLED, TRIES, unexplored
from hyperspace_tuning.samplers.tuners import GP, TPE
from hyperspace_tuning.space import Assignment, Dimension, Space
from hyperspace_tuning.testing.tuners import (
    conditional_space,
    grown_space,
    searched,
    valley as loss_of_a_class,
)
from hyperspace_tuning.tuner import History, Trial, TrialState, next_proposal

LOSS = (Metric(name="loss", goal="minimize"),)


def space(**ranges: Range) -> Space:
    return Space(entries=tuple(Dimension(path=name, key=name, range=one, default=default_of(one))
                               for name, one in ranges.items()))


def default_of(range_: Range) -> Any:
    return range_.values[0] if isinstance(range_, Choice) else range_.low


def history(*assignments: Assignment, state: TrialState = "completed", **changes: Any) -> History:
    value = 0.5 if state == "completed" else None
    return History(metrics=LOSS, trials=tuple(
        Trial(assignment=one, state=state, value=value, **changes) for one in assignments))


OLD = [{"x": number / 20, "new": 0.0} for number in range(20)]
SPACE = space(x=Float(0, 1), new=Float(0, 1))


def test_a_parameter_always_at_its_default_gets_another_value() -> None:
    found = unexplored(SPACE, history(*OLD), random.Random(0))

    assert set(found) == {"new"}
    assert found["new"] > 0.5                    # the farthest of several


def test_the_next_value_is_far_from_all_tried_values() -> None:
    tried = [{"x": 0.5, "new": 1.0}, {"x": 0.5, "new": 0.9}]

    for seed in range(5):
        assert 0.2 < unexplored(SPACE, history(*OLD, *tried), random.Random(seed))["new"] < 0.8


@pytest.mark.parametrize("state", ["completed", "failed", "pending", "pruned"])
def test_after_some_tries_the_sampler_chooses_the_value(state: TrialState) -> None:
    tries = history(*({"x": 0.5, "new": 0.1 + share / 10} for share in range(TRIES)), state=state)
    old = history(*OLD)

    assert unexplored(SPACE, replace(old, trials=old.trials + tries.trials), random.Random(0)) == {}
    assert unexplored(SPACE, replace(old, trials=old.trials + tries.trials[1:]), random.Random(0))


def test_nothing_is_new_at_the_start_of_a_search() -> None:
    assert unexplored(SPACE, History(), random.Random(0)) == {}
    assert unexplored(SPACE, history(*OLD[:SETTLED - 1]), random.Random(0)) == {}
    assert unexplored(SPACE, history({"x": 0.1, "new": 0.3}, *OLD), random.Random(0)) == {}


def test_runs_of_related_tasks_do_not_decide_what_is_new() -> None:
    assert unexplored(SPACE, history(*OLD, weight=0.5), random.Random(0)) == {}


def test_a_late_value_of_a_choice_is_tried_three_times() -> None:
    grown = space(x=Float(0, 1), kind=Choice("a", "b", "late"))
    old = [{"x": number / 20, "kind": "ab"[number % 2]} for number in range(20)]
    late = {"x": 0.5, "kind": "late"}

    for times in range(3):
        assert unexplored(grown, history(*old, *[late] * times), random.Random(0)) == {"kind": "late"}
    assert unexplored(grown, history(*old, *[late] * 3), random.Random(0)) == {}


def test_half_of_several_new_parameters_change_at_a_time() -> None:
    wide = space(**{name: Float(0, 1) for name in "abcde"})
    old = history(*[dict.fromkeys("abcde", 0.0)] * SETTLED)

    moved = [set(unexplored(wide, old, random.Random(seed))) for seed in range(20)]

    assert {len(one) for one in moved} == {3}
    assert set.union(*moved) == set("abcde")


def proposed_after(known: History, space: Space, loss: Callable[[Assignment], float], *, runs: int,
                   seed: int) -> list[Assignment]:
    """The next proposals of TPE, run after run."""
    rng, tuner, found = random.Random(seed), TPE(), []
    for _ in range(runs):
        proposal = next_proposal(tuner, space, known, rng)
        assert proposal is not None
        found.append(proposal.assignment)
        done = Trial(assignment=found[-1], state="completed", value=loss(found[-1]))
        known = replace(known, trials=(*known.trials, done))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_a_class_registered_during_a_search_is_tried_three_times(seed: int) -> None:
    before = searched(TPE(), conditional_space(), loss_of_a_class, runs=20, seed=1)

    known = History(trials=before, metrics=LOSS)
    found = proposed_after(known, grown_space(), lambda _: 9.0, runs=3, seed=seed)

    assert [one["method.className"] for one in found] == ["Late"] * 3


@pytest.mark.parametrize("seed", range(5))
def test_an_added_parameter_is_first_spread_over_its_range(seed: int) -> None:
    old = replace(history(*OLD), trials=tuple(replace(one, value=one.assignment["x"])
                                              for one in history(*OLD).trials))

    found = proposed_after(old, SPACE, lambda at: at["x"], runs=TRIES, seed=seed)

    values = [0.0, *sorted(one["new"] for one in found)]
    assert min(after - before for before, after in itertools.pairwise(values)) > 0.03
    assert values[-1] > 0.8
    assert statistics.median(one["x"] for one in found) < 0.5       # TPE has chosen the other values


@pytest.mark.parametrize("seed", range(3))
def test_gp_tries_new_parameters_away_from_their_defaults(seed: int) -> None:
    known = history(*OLD)
    known = replace(known, trials=tuple(replace(one, value=one.assignment["x"]) for one in known.trials))
    rng, tuner = random.Random(seed), GP()

    for _ in range(TRIES):
        proposal = next_proposal(tuner, SPACE, known, rng)
        assert proposal is not None
        found = proposal.assignment
        assert found["new"] >= 0.1
        done = Trial(assignment=found, state="completed", value=found["x"] + found["new"])   # worse and worse
        known = replace(known, trials=(*known.trials, done))
