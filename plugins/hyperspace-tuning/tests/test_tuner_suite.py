"""Core's tuners and a learning tuner pass the suite; wrong tuners fail it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from hyperspace_tuning.builtin import Grid, Random
from hyperspace_tuning.sampling import sample, sample_value
from hyperspace_tuning.space import Assignment, Dimension, Space
from hyperspace_tuning.testing.tuners import TunerConformance, conditional_space
from hyperspace_tuning.tuner import History, Tuner


class Climber(Tuner):
    """Changes values of the best trial at random: the simplest learning tuner."""

    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        sign = 1 if history.metrics[0].goal == "minimize" else -1
        valued = [trial for trial in history.trials if trial.value is not None and trial.weight == 1]
        if len(valued) < 8 or rng.random() < 0.1:
            return sample(space, rng)
        best = min(valued, key=lambda trial: sign * (trial.value or 0)).assignment

        def change(one: Dimension) -> Any:
            kept = one.path in best and one.range.contains(best[one.path]) and rng.random() > 0.25
            return best[one.path] if kept else sample_value(one.range, rng)

        return space.walk(change)


class TestRandom(TunerConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Tuner]:
        return Random


class TestGrid(TunerConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Tuner]:
        return Grid


class TestOneThatLearns(TunerConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Tuner]:
        return Climber


class Outsider(Tuner):
    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        return sample(space, rng) | {"elsewhere": 1}


class OfItsOwnMind(Tuner):
    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        return sample(space, random.Random())


class Counting(Tuner):
    """Depends on the number of calls."""

    asked = 0

    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        self.asked += 1
        return sample(space, random.Random(self.asked))


class Forgetful(Tuner):
    """Caches a trial's first state."""

    def __init__(self) -> None:
        self.seen: dict[int, Any] = {}

    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        for index, trial in enumerate(history.trials):
            self.seen.setdefault(index, trial.value)
        return sample(space, random.Random(repr((self.seen, rng.random()))))


class Reseeding(Tuner):
    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        random.seed(rng.random())
        return sample(space, random)             # type: ignore[arg-type]


class Stubborn(Tuner):
    """Claims to learn, but ignores the results."""

    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        return sample(space, random.Random(len(history.trials)))


@pytest.mark.parametrize(("tuner", "test"), [
    (Outsider, "test_every_proposal_lies_in_the_space"),
    (OfItsOwnMind, "test_equal_questions_have_equal_answers"),
    (Counting, "test_internal_state_changes_no_answer"),
    (Forgetful, "test_the_end_of_a_pending_trial_is_used"),
    (Reseeding, "test_other_generators_are_left_alone"),
    (Stubborn, "test_finds_the_best_class_faster_than_random_search"),
])
def test_a_wrong_tuner_fails_the_suite(tuner: type[Tuner], test: str) -> None:
    suite = TunerConformance()
    before = random.getstate()
    try:
        with pytest.raises(AssertionError):
            getattr(suite, test)(tuner, conditional_space())
    finally:
        random.setstate(before)
