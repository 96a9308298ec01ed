"""What is tried instead of what was tried already."""

from __future__ import annotations

import random

from hyperspace_core.config.drawing import draw
from hyperspace_core.config.searchspace import identity
from hyperspace_core.testing.tuners import conditional_space, small_space
from hyperspace_optuna.beside import beside


def test_one_value_is_changed_where_that_suffices() -> None:
    space = small_space()
    here = {"a": "x", "b": 1}

    other = beside(space, here, {identity(here)}, random.Random(0))

    assert space.contains(other)
    assert sum(other[path] != here[path] for path in here) == 1


def test_more_values_are_changed_where_all_beside_it_were_tried() -> None:
    space = small_space()
    everything = [{"a": a, "b": b} for a in "xyz" for b in (1, 2)]
    tried = {identity(one) for one in everything if one != {"a": "z", "b": 2}}

    assert beside(space, {"a": "x", "b": 1}, tried, random.Random(0)) == {"a": "z", "b": 2}


def test_where_everything_was_tried_it_stays() -> None:
    everything = {identity({"a": a, "b": b}) for a in "xyz" for b in (1, 2)}

    assert beside(small_space(), {"a": "x", "b": 1}, everything, random.Random(0)) == {"a": "x", "b": 1}


def test_another_class_brings_its_own_parameters() -> None:
    space = conditional_space()
    for seed in range(50):
        rng = random.Random(seed)
        here = draw(space, rng)
        assert space.problems(beside(space, here, {identity(here)}, rng)) == ()
