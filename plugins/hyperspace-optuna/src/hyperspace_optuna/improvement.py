"""Maximize the expected improvement: random samples, then hill climbing.

It compares logarithms, which still differ where the improvement itself is 0 in floating point (Ament et al.,
Unexpected Improvements to Expected Improvement for Bayesian Optimization, NeurIPS 2023). It uses changes and
not gradients, because usually half of the dimensions are choices and whole numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import erfcx, ndtr  # type: ignore[import-untyped]

from hyperspace_optuna.cube import Cube, Rows

DRAWS = 1000                   # samples of the whole space
CLIMBERS = 10                  # the best samples, where climbing starts
ROUNDS = 25
CHANGES = 20                   # of each climber in a round
AWAY = 0.1                     # minimum distance from an avoided value, as a share of the range
WIDEST, NARROWEST = 0.3, 3e-4  # standard deviations of a change, as shares of the range

Belief = Callable[[Rows], tuple[np.ndarray, np.ndarray]]       # mean and deviation


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The rows that are not allowed."""

    tried: Rows                        # never proposed again, even if results are noisy
    fixed: Mapping[int, float]         # by column: the only value
    shunned: Mapping[int, float]       # by column: the value to avoid


def most_promising(cube: Cube, belief: Belief, best: Rows, limits: Limits, rng: np.random.Generator) -> Rows:
    """Rows, most promising first; values are minimized; `best`: further starts."""
    there, goal, fixed = _marks(limits.tried), float(belief(best)[0].min()), limits.fixed

    def hope(rows: Rows) -> np.ndarray:
        mean, deviation = belief(rows)
        hopes = log_improvement((goal - mean) / deviation) + np.log(deviation)
        out = np.isin(_marks(rows), there)
        for column, value in limits.shunned.items():
            out |= np.abs(rows[:, column] - value) < AWAY
        return np.where(out, -np.inf, hopes)

    near = _changed(cube, _filled(cube, np.repeat(best, CHANGES, axis=0), rng), rng)
    begun = np.vstack([cube.drawn(DRAWS, rng), near])
    hopes = hope(cube.settled(begun, fixed))
    top = np.argsort(-hopes, kind="stable")[:CLIMBERS]
    rows, hopes = begun[top], hopes[top]
    for _ in range(ROUNDS):
        changed = _changed(cube, np.repeat(rows, CHANGES, axis=0), rng)
        theirs = hope(cube.settled(changed, fixed)).reshape(len(rows), CHANGES)
        chosen = theirs.argmax(axis=1)
        better = theirs.max(axis=1) > hopes
        rows = np.where(better[:, None], changed[np.arange(len(rows)) * CHANGES + chosen], rows)
        hopes = np.where(better, theirs.max(axis=1), hopes)
    return cube.settled(rows[np.argsort(-hopes, kind="stable")], fixed)


def log_improvement(z: np.ndarray) -> np.ndarray:
    """log(density(z) + z * distribution(z)) of the standard normal, for any z."""
    density = -z ** 2 / 2 - math.log(2 * math.pi) / 2
    near, middle = np.maximum(z, -1.0), np.clip(z, -25.0, -1.0)
    far = np.minimum(z, -25.0)
    by_ratio = np.log1p(middle * math.sqrt(math.pi / 2) * erfcx(-middle / math.sqrt(2)))
    by_sum = np.log(np.exp(-near ** 2 / 2) / math.sqrt(2 * math.pi) + near * ndtr(near))
    found: np.ndarray = np.where(z > -1, by_sum, density + np.where(z > -25, by_ratio, -2 * np.log(-far)))
    return found


def _marks(rows: Rows) -> np.ndarray:
    """A number for each row, almost surely the same for equal rows only."""
    weights = np.sqrt(2 + np.arange(rows.shape[1]))
    made: np.ndarray = np.round(np.where(np.isnan(rows), -1.0, rows) @ weights, 9)
    return made


def _filled(cube: Cube, rows: Rows, rng: np.random.Generator) -> Rows:
    """Fill inactive dimensions at random, in case a change activates them."""
    return np.where(np.isnan(rows), cube.drawn(len(rows), rng), rows)


def _changed(cube: Cube, rows: Rows, rng: np.random.Generator) -> Rows:
    """Change one or more dimensions of each row: numbers a little, choices at random."""
    count, width = rows.shape
    share = np.where(rng.random(count) < 0.5, 1 / width, rng.random(count))[:, None]
    moves = rng.random(rows.shape) < share
    moves[np.arange(count), rng.integers(width, size=count)] = True
    scale = np.exp(rng.uniform(math.log(NARROWEST), math.log(WIDEST), size=(count, 1)))
    moved = rows + scale * rng.standard_normal(rows.shape)
    moved = np.clip(np.where((moved < 0) | (moved > 1), rows - (moved - rows), moved), 0, 1)
    return np.where(moves, np.where(cube.choices > 0, cube.drawn(count, rng), moved), rows)
