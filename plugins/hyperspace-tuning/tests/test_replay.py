"""Ranges and values survive the conversion to Optuna and back."""

from __future__ import annotations

import random
import warnings
from typing import Any

import pytest

pytest.importorskip("optuna", reason="the tuners of this plugin need Optuna")

from hyperspace_core.ranges import Choice, Float, Int, Range
from hyperspace_tuning.samplers.replay import distribution_of, from_optuna, to_optuna
from hyperspace_tuning.samplers.tuners import TPE
from hyperspace_tuning.sampling import sample_value
from hyperspace_tuning.space import Dimension, Space
from hyperspace_tuning.tuner import History, Trial

RANGES = [Int(0, 10), Int(1, 1000, log=True), Int(2, 9, step=3), Int(1, 100, log=True, step=3), Int(4, 4),
          Float(-1, 1), Float(1e-5, 1, log=True), Float(0, 1, step=0.3), Float(0.1, 10, log=True, step=0.1),
          Float(2.5, 2.5), Choice("a", "b"), Choice(1, True, 1.0, "1", None), Choice([1, 2], {"a": 1}, [])]


def dimension(range_: Range) -> Dimension:
    return Dimension(path="p", key="k", range=range_)


@pytest.mark.parametrize("range_", RANGES, ids=repr)
def test_a_value_comes_back_as_it_was(range_: Range) -> None:
    one, rng = dimension(range_), random.Random(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distribution = distribution_of(one)

    for _ in range(30):
        value = sample_value(range_, rng)
        inside = distribution.to_external_repr(distribution.to_internal_repr(to_optuna(one, value)))
        back = from_optuna(one, inside)
        assert type(back) is type(value)
        assert back == (pytest.approx(value) if isinstance(value, float) else value)


@pytest.mark.parametrize("range_", RANGES, ids=repr)
def test_every_proposal_lies_in_the_range(range_: Range) -> None:
    space = Space(entries=(dimension(range_),))
    rng, tuner, history = random.Random(1), TPE(startup=3), History()

    for number in range(25):
        proposed = tuner.propose(space, history, rng)
        assert proposed is not None
        assert space.problems(proposed) == ()
        done = Trial(assignment=proposed, state="completed", value=float(number % 7))
        history = History(trials=(*history.trials, done))


def test_a_float_between_steps_stays_in_the_history() -> None:
    space = Space(entries=(dimension(Float(0, 1, step=0.25)),))
    odd: list[Any] = [Trial(assignment={"p": 0.3 + number / 100}, state="completed", value=0.5)
                      for number in range(12)]

    proposed = TPE().propose(space, History(trials=tuple(odd)), random.Random(0))

    assert proposed is not None
    assert proposed["p"] in (0, 0.25, 0.5, 0.75, 1)
