"""The conformance suite for pruners: tests of `hyperspace_tuning.Pruner`.

A pruner's test file is one class with one fixture:

    from hyperspace_tuning.testing import PrunerConformance

    class TestMine(PrunerConformance):
        @pytest.fixture
        def make(self):
            return Mine                # called without arguments, each time for a fresh pruner

The same is required in a search: equal answers to equal questions from any worker; bad runs are stopped and
the best run is not.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import get_args

import pytest

from hyperspace_core.errors import ConfigError
from hyperspace_core.records import Goal, Metric
from hyperspace_tuning.pruner import CurveBuilder, Peer, PeerState, Pruner, curve_of

GOALS: tuple[Goal, ...] = ("maximize", "minimize")
STEPS = 40
Values = Sequence[tuple[int | None, float]]


def climbing(level: float, goal: Goal = "maximize", steps: int = STEPS) -> list[tuple[int | None, float]]:
    """A series that approaches `level`, first fast, then slowly; negated for `minimize`."""
    sign = 1 if goal == "maximize" else -1
    return [(step, sign * level * (1 - math.exp(-step / 10))) for step in range(1, steps + 1)]


def peers_of(levels: Sequence[float], goal: Goal, state: PeerState = "completed",
             steps: int = STEPS) -> tuple[Peer, ...]:
    return tuple(Peer(run=number, state=state, curve=curve_of(climbing(level, goal, steps)))
                 for number, level in enumerate(levels, start=1))


def stopped_at(pruner: Pruner, values: Values, peers: Sequence[Peer], goal: Goal) -> int | None:
    """The step at which a run with these values is stopped; None if never."""
    tracing, asked = CurveBuilder(), -1
    for step, value in values:
        tracing.add(step, value)
        curve = tracing.curve(asked)
        if pruner.should_stop(curve, peers, goal):
            return curve.step
        asked = curve.step
    return None


class PrunerConformance:
    """Subclass it and define the fixture `make`: a callable that makes a fresh pruner."""

    @pytest.fixture
    def make(self) -> Callable[[], Pruner]:
        raise NotImplementedError("define the fixture `make`: a callable that makes a fresh pruner")

    @pytest.fixture(params=GOALS)
    def goal(self, request: pytest.FixtureRequest) -> Goal:
        found: Goal = request.param
        return found

    # -- what it decides -------------------------------------------------------------------------------------

    def test_a_single_run_is_never_stopped(self, make: Callable[[], Pruner], goal: Goal) -> None:
        assert stopped_at(make(), climbing(1.0, goal), (), goal) is None

    def test_the_best_run_is_never_stopped(self, make: Callable[[], Pruner], goal: Goal) -> None:
        peers = peers_of([level / 20 for level in range(20)], goal)
        assert stopped_at(make(), climbing(2.0, goal), peers, goal) is None

    def test_the_worst_of_many_is_stopped_before_its_end(self, make: Callable[[], Pruner],
                                                         goal: Goal) -> None:
        peers = peers_of([1 + level / 20 for level in range(20)], goal)
        stopped = stopped_at(make(), climbing(0.01, goal), peers, goal)
        assert stopped is not None
        assert stopped < STEPS

    def test_a_run_that_diverges_is_stopped(self, make: Callable[[], Pruner], goal: Goal) -> None:
        peers = peers_of([1 + level / 20 for level in range(20)], goal)
        diverging = [(step, math.nan) for step, _ in climbing(1.0)]
        assert stopped_at(make(), diverging, peers, goal) is not None

    def test_diverging_peers_stop_no_run(self, make: Callable[[], Pruner], goal: Goal) -> None:
        nothing = curve_of([(step, math.nan) for step, _ in climbing(1.0)])
        peers = tuple(replace(peer, curve=nothing) for peer in peers_of([1.0] * 20, goal))
        assert stopped_at(make(), climbing(0.1, goal), peers, goal) is None

    # -- determinism -----------------------------------------------------------------------------------------

    def test_equal_questions_have_equal_answers(self, make: Callable[[], Pruner], goal: Goal) -> None:
        used = make()
        for curve, peers in self._scenes(goal):
            before = copy.deepcopy(peers)
            answer = bool(used.should_stop(curve_of(curve), peers, goal))
            assert bool(make().should_stop(curve_of(curve), peers, goal)) is answer
            assert peers == before

    def test_the_order_of_the_peers_has_no_effect(self, make: Callable[[], Pruner], goal: Goal) -> None:
        for curve, peers in self._scenes(goal):
            answers = {bool(make().should_stop(curve_of(curve), order, goal))
                       for order in (peers, peers[::-1])}
            assert len(answers) == 1

    def test_other_generators_are_left_alone(self, make: Callable[[], Pruner], goal: Goal) -> None:
        state = random.getstate()
        for curve, peers in self._scenes(goal):
            make().should_stop(curve_of(curve), peers, goal)
        assert random.getstate() == state

    # -- accepted input --------------------------------------------------------------------------------------

    def test_odd_curves_are_accepted(self, make: Callable[[], Pruner], goal: Goal) -> None:
        odd: list[Values] = [[(None, math.inf)], [(None, -math.inf), (None, 1.0)], [(0, 1.0)],
                             [(10**12, 1.0)], [(5, 1.0), (5, 2.0), (3, 9.0)],
                             [(step, 0.5) for step in range(5000)]]
        peers = tuple(Peer(run=run, state="running", curve=curve_of(one)) for run, one in enumerate(odd))
        for one in odd:
            assert make().should_stop(curve_of(one), peers, goal) in (True, False)

    def test_a_thousand_peers_are_accepted(self, make: Callable[[], Pruner], goal: Goal) -> None:
        peers = peers_of([level / 1000 for level in range(1000)], goal)
        assert stopped_at(make(), climbing(2.0, goal), peers, goal) is None

    def test_the_series_it_watches_has_a_direction(self, make: Callable[[], Pruner], goal: Goal) -> None:
        own, pruner = Metric(name="accuracy", goal=goal), make()
        if pruner.metric is None:
            assert pruner.watched(own) == own
        pruner.metric, pruner.goal = "other", None
        with pytest.raises(ConfigError, match="other"):
            pruner.watched(own)

    @staticmethod
    def _scenes(goal: Goal) -> Iterator[tuple[Values, tuple[Peer, ...]]]:
        rng = random.Random(0)
        for _ in range(30):
            curve = climbing(rng.random(), goal, rng.randint(1, STEPS))
            levels = [rng.random() for _ in range(rng.randint(0, 12))]
            peers = tuple(replace(peer, state=rng.choice(get_args(PeerState)))
                          for peer in peers_of(levels, goal, steps=rng.randint(1, STEPS)))
            yield curve, peers
