"""The conformance suite for tuners: tests of `hyperspace_tuning.Tuner`.

A tuner's test file is one class with one fixture:

    from hyperspace_tuning.testing import TunerConformance

    class TestMine(TunerConformance):
        @pytest.fixture
        def make(self):
            return Mine                # called without arguments, each time for a fresh tuner

A tuner declares whether it learns and whether it takes several metrics (`Tuner.learns`,
`Tuner.several_metrics`). If its `check` refuses conditional spaces, the tests that need such a space are
skipped.
"""

from __future__ import annotations

import copy
import math
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import pytest

from hyperspace_core.components import Component
from hyperspace_core.errors import ConfigError
from hyperspace_core.plugin import Registry, signatures
from hyperspace_core.ranges import Choice, Float, Int
from hyperspace_core.records import Goal, Metric
from hyperspace_tuning.from_signature import space_from_signature
from hyperspace_tuning.sampling import sample
from hyperspace_tuning.space import Assignment, Space
from hyperspace_tuning.tuner import History, Trial, TrialState, Tuner, next_proposal

STATES: tuple[tuple[TrialState, float | None], ...] = (
    ("completed", 0.5), ("pruned", 0.2), ("failed", None), ("pending", None))


class Method(Component):
    """A family whose classes have parameters of their own, two of them with the same name."""


@dataclass
class Wide(Method):
    size: Annotated[int, Int(1, 1000, log=True)] = 30
    rate: Annotated[float, Float(1e-4, 1, log=True)] = 0.01


@dataclass
class Narrow(Method):
    size: Annotated[int, Int(2, 8, step=2)] = 4
    depth: Annotated[int | None, Int(1, 9)] = None


@dataclass
class Plain(Method):
    pass


@dataclass
class Late(Method):
    """A class registered after the search has begun."""

    share: Annotated[float, Float(0, 1)] = 0.5


def _conditional(method: Method, kind: Annotated[str, Choice("a", "b", "c")] = "a",
                 noise: Annotated[float, Float(0, 1, step=0.25)] = 0.0, held: bool = True) -> None: ...


def _flat(x: Annotated[float, Float(-5, 5)] = 4.0, y: Annotated[float, Float(1e-3, 1e3, log=True)] = 1.0,
          n: Annotated[int, Int(0, 20)] = 0) -> None: ...


def _small(a: Annotated[str, Choice("x", "y", "z")] = "x", b: Annotated[int, Int(1, 2)] = 1) -> None: ...


def _fixed(a: int = 1) -> None: ...


def _of(function: Callable[..., Any], *classes: type) -> Space:
    registry = Registry()
    for one in classes:
        registry.add(Method, one)
    return space_from_signature(signatures.signature_of(function), registry)


def conditional_space() -> Space:
    """Three classes: one without parameters, one with a number that may be None."""
    return _of(_conditional, Wide, Narrow, Plain)


def grown_space() -> Space:
    """The same with a class that was registered later."""
    return _of(_conditional, Wide, Narrow, Plain, Late)


def flat_space() -> Space:
    """Three numbers without conditions."""
    return _of(_flat)


def small_space() -> Space:
    """Six assignments in all."""
    return _of(_small)


def bowl(assignment: Assignment) -> float:
    """Loss on `flat_space`: 0 at x = 2, y = 10, n = 7, higher everywhere else."""
    x, y, n = assignment["x"], assignment["y"], assignment["n"]
    return float(((x - 2) / 5) ** 2 + ((math.log10(y) - 1) / 3) ** 2 + ((n - 7) / 20) ** 2)


def valley(assignment: Assignment) -> float:
    """Loss on `conditional_space`: 0 for `Wide` with a size of 100 and a rate of 0.1, kind b, no noise."""
    loss = 0.5 * assignment["noise"] + (0 if assignment["kind"] == "b" else 0.3)
    if assignment["method.className"] != "Wide":
        return float(loss + 1)
    return float(loss + abs(math.log10(assignment["method.size"]) - 2) / 2
                 + abs(math.log10(assignment["method.rate"]) + 1) / 3)


def searched(tuner: Tuner, space: Space, loss: Callable[[Assignment], float], *, runs: int, seed: int,
             goal: Goal = "minimize") -> tuple[Trial, ...]:
    """A whole search, one run after the other; `maximize` seeks the highest `-loss`."""
    rng, sign = random.Random(seed), 1 if goal == "minimize" else -1
    history = History(metrics=(Metric(name="loss", goal=goal),))
    for number in range(runs):
        proposal = next_proposal(tuner, space, history, rng)
        if proposal is None:
            break
        value = sign * loss(proposal.assignment)
        trial = Trial(assignment=proposal.assignment, state="completed", value=value, run=number + 1,
                      values={"loss": value})
        history = replace(history, trials=(*history.trials, trial))
    return history.trials


def drawn_history(space: Space, count: int, *, seed: int = 0, mixed: bool = True,
                  metrics: tuple[Metric, ...] = (Metric(),)) -> History:
    """Random trials; `mixed`: in every state, some of a related task."""
    rng = random.Random(seed)
    trials = []
    for number in range(count):
        state, value = rng.choice(STATES) if mixed else STATES[0]
        value = None if value is None else rng.random()
        values = {} if value is None else {one.name: value * (index + 1) for index, one in enumerate(metrics)}
        trials.append(Trial(assignment=sample(space, rng), state=state, value=value, values=values,
                            weight=0.5 if mixed and number % 7 == 0 else 1.0, run=number + 1))
    return History(trials=tuple(trials), metrics=metrics)


class TunerConformance:
    """Subclass it and define the fixture `make`: a callable that makes a fresh tuner."""

    runs = 40                      # the budget of each search in which it has to show that it learns
    seeds = 5

    @pytest.fixture
    def make(self) -> Callable[[], Tuner]:
        raise NotImplementedError("define the fixture `make`: a callable that makes a fresh tuner")

    @pytest.fixture
    def conditional(self, make: Callable[[], Tuner]) -> Space:
        """A space with classes, if the tuner takes such a space."""
        try:
            make().check(conditional_space(), (Metric(),))
        except ConfigError as error:
            pytest.skip(f"does not take conditional spaces: {error}")
        return conditional_space()

    # -- what it proposes ------------------------------------------------------------------------------------

    def test_the_first_proposal_needs_no_history(self, make: Callable[[], Tuner]) -> None:
        for seed in range(5):
            proposed = make().propose(flat_space(), History(), random.Random(seed))
            assert proposed is not None
            assert flat_space().problems(proposed) == ()

    def test_every_proposal_lies_in_the_space(self, make: Callable[[], Tuner], conditional: Space) -> None:
        tuner, history, rng = make(), History(), random.Random(1)
        for number in range(60):
            proposed = tuner.propose(conditional, history, rng)
            assert proposed is not None
            assert conditional.problems(proposed) == ()
            state, value = STATES[number % 4]
            trial = Trial(assignment=proposed, state=state, value=value, run=number + 1)
            history = replace(history, trials=(*history.trials, trial))

    def test_a_proposal_becomes_a_config_and_comes_back(self, make: Callable[[], Tuner],
                                                        conditional: Space) -> None:
        history = drawn_history(conditional, 20)
        for seed in range(10):
            proposed = make().propose(conditional, history, random.Random(seed))
            assert proposed is not None
            placed = conditional.from_config(conditional.to_config(proposed))
            assert placed.assignment == proposed
            assert placed.inside

    def test_an_empty_space_has_one_proposal(self, make: Callable[[], Tuner]) -> None:
        assert make().propose(_of(_fixed), History(), random.Random(0)) == {}

    # -- determinism -----------------------------------------------------------------------------------------

    def test_equal_questions_have_equal_answers(self, make: Callable[[], Tuner], conditional: Space) -> None:
        history = drawn_history(conditional, 30)
        first = make().propose(conditional, history, random.Random(3))
        assert make().propose(conditional, copy.deepcopy(history), random.Random(3)) == first

    def test_internal_state_changes_no_answer(self, make: Callable[[], Tuner], conditional: Space) -> None:
        whole = drawn_history(conditional, 30)
        tuner = make()
        for count in (0, 10, 30, 5):                       # runs are added and deleted again
            tuner.propose(conditional, replace(whole, trials=whole.trials[:count]), random.Random(count))
        other = drawn_history(conditional, 30, seed=8)
        tuner.propose(conditional, other, random.Random(0))
        assert tuner.propose(conditional, whole, random.Random(5)) == make().propose(
            conditional, whole, random.Random(5))

    def test_the_end_of_a_pending_trial_is_used(self, make: Callable[[], Tuner], conditional: Space) -> None:
        whole = drawn_history(conditional, 20)
        ended = tuple(replace(trial, state="completed", value=0.1 * index, values={"result": 0.1 * index})
                      for index, trial in enumerate(whole.trials))
        tuner = make()
        tuner.propose(conditional, whole, random.Random(0))
        after = replace(whole, trials=ended)
        assert tuner.propose(conditional, after, random.Random(1)) == make().propose(
            conditional, after, random.Random(1))

    def test_other_generators_are_left_alone(self, make: Callable[[], Tuner], conditional: Space) -> None:
        history = drawn_history(conditional, 20)
        before, random_before = copy.deepcopy(history), random.getstate()
        make().propose(conditional, history, random.Random(0))
        assert history == before
        assert random.getstate() == random_before

    # -- use of the history ----------------------------------------------------------------------------------

    @pytest.mark.parametrize("state", ["failed", "pending"])
    def test_a_history_without_values_is_accepted(self, make: Callable[[], Tuner], conditional: Space,
                                                  state: TrialState) -> None:
        drawn = drawn_history(conditional, 30)
        trials = tuple(replace(one, state=state, value=None, values={}) for one in drawn.trials)
        history = replace(drawn, trials=trials)
        proposal = next_proposal(make(), conditional, history, random.Random(0))
        assert proposal is not None
        assert conditional.contains(proposal.assignment)

    def test_a_history_of_a_related_task_only_is_accepted(self, make: Callable[[], Tuner],
                                                          conditional: Space) -> None:
        drawn = drawn_history(conditional, 30, mixed=False)
        history = replace(drawn, trials=tuple(replace(one, weight=0.2) for one in drawn.trials))
        proposal = next_proposal(make(), conditional, history, random.Random(0))
        assert proposal is not None
        assert conditional.contains(proposal.assignment)

    def test_pending_assignments_are_not_proposed_again(self, make: Callable[[], Tuner]) -> None:
        space, rng, tuner, history = small_space(), random.Random(0), make(), History()
        for number in range(6):
            proposal = next_proposal(tuner, space, history, rng)
            assert proposal is not None
            assert proposal.duplicate_of is None
            assert proposal.assignment not in [trial.assignment for trial in history.trials]
            pending = Trial(assignment=proposal.assignment, state="pending", run=number + 1)
            history = replace(history, trials=(*history.trials, pending))

    def test_a_repeat_is_marked_when_all_was_tried(self, make: Callable[[], Tuner]) -> None:
        space = small_space()
        drawn = {tuple(one.items()): one for one in (sample(space, random.Random(seed))
                                                     for seed in range(200))}
        assert len(drawn) == 6 == space.size
        trials = tuple(Trial(assignment=one, state="completed", value=0.5) for one in drawn.values())
        proposal = next_proposal(make(), space, History(trials=trials), random.Random(0))
        if proposal is not None:
            assert proposal.duplicate_of is not None
            assert trials[proposal.duplicate_of].assignment == proposal.assignment

    def test_five_thousand_trials_are_accepted(self, make: Callable[[], Tuner], conditional: Space) -> None:
        history, tuner = drawn_history(conditional, 5000), make()
        for seed in range(3):
            proposal = next_proposal(tuner, conditional, history, random.Random(seed))
            assert proposal is None or conditional.contains(proposal.assignment)

    def test_importance_is_a_share_for_each_parameter(self, make: Callable[[], Tuner]) -> None:
        trials = tuple(replace(one, value=bowl(one.assignment), values={"result": bowl(one.assignment)})
                       for one in drawn_history(flat_space(), 60, mixed=False).trials)
        history = History(trials=trials)
        found = make().importance(flat_space(), history)
        assert found == make().importance(flat_space(), copy.deepcopy(history))
        assert set(found) <= {one.key for one in flat_space().dimensions}
        assert not found or (min(found.values()) >= 0 and math.isclose(sum(found.values()), 1))
        assert make().importance(flat_space(), History()) == {}

    # -- several metrics -------------------------------------------------------------------------------------

    def test_several_metrics_are_accepted_or_refused(self, make: Callable[[], Tuner]) -> None:
        tuner, metrics = make(), (Metric(name="accuracy"), Metric(name="seconds", goal="minimize"))
        if not tuner.several_metrics:
            with pytest.raises(ConfigError, match="accuracy, seconds"):
                tuner.check(flat_space(), metrics)
            return
        tuner.check(flat_space(), metrics)
        history = drawn_history(flat_space(), 30, metrics=metrics)
        proposed = tuner.propose(flat_space(), history, random.Random(0))
        assert proposed is not None
        assert flat_space().contains(proposed)

    # -- learning --------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("goal", ["minimize", "maximize"])
    def test_finds_a_minimum_faster_than_random_search(self, make: Callable[[], Tuner], goal: Goal) -> None:
        self._skip_unless_learning(make)
        self._beats_chance(make, flat_space(), bowl, goal)

    def test_finds_the_best_class_faster_than_random_search(self, make: Callable[[], Tuner],
                                                            conditional: Space) -> None:
        self._skip_unless_learning(make)
        self._beats_chance(make, conditional, valley, "minimize")

    def test_a_new_class_is_tried(self, make: Callable[[], Tuner], conditional: Space) -> None:
        self._skip_unless_learning(make)
        before = searched(make(), conditional, valley, runs=20, seed=1)
        space, rng, tuner, history = grown_space(), random.Random(2), make(), History(
            trials=before, metrics=(Metric(name="loss", goal="minimize"),))
        tried = set()
        for number in range(30):
            proposal = next_proposal(tuner, space, history, rng)
            assert proposal is not None
            tried.add(proposal.assignment["method.className"])
            trial = Trial(assignment=proposal.assignment, state="completed", run=21 + number,
                          value=valley(proposal.assignment), values={"loss": valley(proposal.assignment)})
            history = replace(history, trials=(*history.trials, trial))
        assert "Late" in tried

    @staticmethod
    def _skip_unless_learning(make: Callable[[], Tuner]) -> None:
        if not make().learns:
            pytest.skip("does not claim to learn")

    def _beats_chance(self, make: Callable[[], Tuner], space: Space, loss: Callable[[Assignment], float],
                      goal: Goal) -> None:
        found = [min(loss(trial.assignment) for trial in
                     searched(make(), space, loss, runs=self.runs, seed=seed, goal=goal))
                 for seed in range(self.seeds)]
        rng = random.Random(0)
        by_chance = sorted(min(loss(sample(space, rng)) for _ in range(self.runs)) for _ in range(200))
        # the median search must beat 80 % of random searches; luck alone rarely does
        assert statistics.median(found) < by_chance[40]
