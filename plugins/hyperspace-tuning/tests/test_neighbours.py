"""Neighbours of an assignment that has been tried."""

from __future__ import annotations

import random

import pytest

from hyperspace_core.ranges import Float, Int
from hyperspace_tuning.sampling import sample, untried_neighbour
from hyperspace_tuning.space import Dimension, Space, identity
from hyperspace_tuning.testing.tuners import conditional_space, small_space


def test_one_changed_value_is_enough_where_it_is_untried() -> None:
    space = small_space()
    here = {"a": "x", "b": 1}

    other = untried_neighbour(space, here, {identity(here)}, random.Random(0))

    assert other is not None
    assert space.contains(other)
    assert sum(other[path] != here[path] for path in here) == 1


def test_more_values_change_where_all_neighbours_were_tried() -> None:
    space = small_space()
    everything = [{"a": a, "b": b} for a in "xyz" for b in (1, 2)]
    tried = {identity(one) for one in everything if one != {"a": "z", "b": 2}}

    assert untried_neighbour(space, {"a": "x", "b": 1}, tried, random.Random(0)) == {"a": "z", "b": 2}


def test_there_is_no_neighbour_where_all_were_tried() -> None:
    everything = {identity({"a": a, "b": b}) for a in "xyz" for b in (1, 2)}

    assert untried_neighbour(small_space(), {"a": "x", "b": 1}, everything, random.Random(0)) is None


def test_the_next_number_comes_before_a_far_one() -> None:
    space = Space(entries=(Dimension(path="n", key="n", range=Int(0, 1000, step=5)),
                           Dimension(path="x", key="x", range=Float(0, 1, step=0.1))))
    here = {"n": 500, "x": 0.3}
    near = [{"n": 495, "x": 0.3}, {"n": 505, "x": 0.3}, {"n": 500, "x": 0.2}, {"n": 500, "x": 0.4}]
    tried = {identity(here)}

    for _ in near:
        other = untried_neighbour(space, here, tried, random.Random(1))
        assert other is not None
        assert any(other == pytest.approx(one) for one in near)
        tried.add(identity(other))
    assert len(tried) == 5


def test_at_the_end_of_a_range_there_is_one_neighbour() -> None:
    space = Space(entries=(Dimension(path="n", key="n", range=Int(0, 1000)),))

    assert untried_neighbour(space, {"n": 0}, {identity({"n": 0})}, random.Random(0)) == {"n": 1}


def test_another_class_brings_its_own_parameters() -> None:
    space = conditional_space()
    for seed in range(50):
        rng = random.Random(seed)
        here = sample(space, rng)
        assert space.problems(untried_neighbour(space, here, {identity(here)}, rng) or {}) == ()
