"""Grid and Random, and the handling of tried proposals."""

from __future__ import annotations

import random

import pytest

from hyperspace_core.config.registry import Registry
from hyperspace_core.config.signature import signature_of
from hyperspace_core.errors import ConfigError
from hyperspace_tuning.builtin import Grid, Random, combinations
from hyperspace_tuning.space import Assignment, Space
from hyperspace_tuning.testing.tuners import conditional_space, flat_space, searched, small_space
from hyperspace_tuning.tuner import History, Trial, Tuner, next_proposal


def history(*assignments: Assignment, weight: float = 1.0) -> History:
    return History(trials=tuple(Trial(assignment=one, state="completed", value=0.0, weight=weight)
                                for one in assignments))


def test_the_last_parameter_of_a_grid_varies_fastest() -> None:
    found = list(combinations(small_space(), 5))
    assert [(one["a"], one["b"]) for one in found] == [
        ("x", 1), ("x", 2), ("y", 1), ("y", 2), ("z", 1), ("z", 2)]
    assert len(list(combinations(flat_space(), 4))) == 4 * 4 * 4


def test_a_grid_has_only_parameters_of_the_chosen_class() -> None:
    found = list(combinations(conditional_space(), 2))
    # kind and noise; of Wide 2 sizes and 2 rates, of Narrow 2 sizes and None or 2 depths, Plain
    assert len(found) == 3 * 2 * (2 * 2 + 2 * (1 + 2) + 1)
    assert all(conditional_space().contains(one) for one in found)
    assert len({str(one) for one in found}) == len(found)


def test_a_grid_skips_tried_combinations() -> None:
    grid, space = Grid(steps=2), small_space()
    there = history({"a": "x", "b": 1}, {"a": "y", "b": 1})
    assert grid.propose(space, there, random.Random(0)) == {"a": "x", "b": 2}


def test_a_grid_ends_when_all_was_tried() -> None:
    trials = searched(Grid(), small_space(), lambda one: 0.0, runs=100, seed=0)
    assert len(trials) == 6
    there = History(trials=trials)
    assert next_proposal(Grid(), small_space(), there, random.Random(0)) is None


def test_a_grid_of_no_steps_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Grid.steps: expected 1 or more, found 0"):
        Grid(steps=0)


def test_runs_of_a_related_task_do_not_count_as_tried() -> None:
    there = history({"a": "x", "b": 1}, weight=0.5)
    assert Grid().propose(small_space(), there, random.Random(0)) == {"a": "x", "b": 1}


class Insisting(Tuner):
    """Always proposes the same assignment."""

    asked = 0

    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        self.asked += 1
        return {"a": "x", "b": 1}


def test_a_tried_proposal_is_redrawn_then_changed_at_random() -> None:
    tuner = Insisting()
    proposal = next_proposal(tuner, small_space(), history({"a": "x", "b": 1}), random.Random(0), redraws=3)
    assert proposal is not None
    assert tuner.asked == 4
    assert proposal.assignment != {"a": "x", "b": 1}
    assert proposal.duplicate_of is None
    assert proposal.redrawn >= 4


def test_a_space_without_anything_new_gives_a_repeat_at_once() -> None:
    tuner, everything = Insisting(), history(*combinations(small_space(), 5))
    proposal = next_proposal(tuner, small_space(), everything, random.Random(0))
    assert proposal is not None
    assert (tuner.asked, proposal.assignment, proposal.duplicate_of) == (1, {"a": "x", "b": 1}, 0)


def test_a_proposal_outside_the_space_is_an_error() -> None:
    class Wrong(Tuner):
        def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
            return {"a": "w", "b": 1}

    with pytest.raises(ConfigError, match="Wrong proposed an assignment outside the space: "
                                          "`a`: 'w' is outside"):
        next_proposal(Wrong(), small_space(), History(), random.Random(0))


def test_workers_that_ask_concurrently_get_different_proposals() -> None:
    space, there = flat_space(), History()
    for number in range(8):
        proposal = next_proposal(Random(), space, there, random.Random(7))       # the same generator for all
        assert proposal is not None
        assert proposal.assignment not in [trial.assignment for trial in there.trials]
        pending = Trial(assignment=proposal.assignment, state="pending", run=number)
        there = History(trials=(*there.trials, pending))


def test_core_s_tuners_are_components_that_a_config_can_name() -> None:
    registry = Registry()
    for one in (Grid, Random):
        registry.add(Tuner, one)
    assert [entry.name for entry in registry.entries(Tuner)] == ["Grid", "Random"]
    assert [parameter.name for parameter in signature_of(Grid).parameters] == ["steps"]
