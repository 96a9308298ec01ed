"""Core's pruners pass the suite; pruners with state fail it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from hyperspace_core.records.run import Goal
from hyperspace_tuning.builtin import Median, SuccessiveHalving
from hyperspace_tuning.pruner import Curve, Peer, Pruner
from hyperspace_tuning.testing import PrunerConformance


class TestMedian(PrunerConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Pruner]:
        return Median


class TestSuccessiveHalving(PrunerConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Pruner]:
        return SuccessiveHalving


class Tosses(Pruner):
    def should_stop(self, curve: Curve, peers: Sequence[Peer], goal: Goal) -> bool:
        return random.random() < 0.5


@dataclass(kw_only=True)
class Counts(Pruner):
    calls: int = 0

    def should_stop(self, curve: Curve, peers: Sequence[Peer], goal: Goal) -> bool:
        self.calls += 1
        return self.calls > 7


class First(Pruner):
    def should_stop(self, curve: Curve, peers: Sequence[Peer], goal: Goal) -> bool:
        return bool(peers) and peers[0].curve.value > curve.value


class Never(Pruner):
    def should_stop(self, curve: Curve, peers: Sequence[Peer], goal: Goal) -> bool:
        return False


@pytest.mark.parametrize(("make", "test"), [
    (Tosses, "test_other_generators_are_left_alone"),
    (Counts, "test_equal_questions_have_equal_answers"),
    (First, "test_the_order_of_the_peers_has_no_effect"),
    (Never, "test_the_worst_of_many_is_stopped_before_its_end"),
    (First, "test_the_best_run_is_never_stopped"),
])
def test_a_wrong_pruner_fails_the_suite(make: type[Pruner], test: str) -> None:
    with pytest.raises(AssertionError):
        getattr(PrunerConformance(), test)(make, "minimize")
