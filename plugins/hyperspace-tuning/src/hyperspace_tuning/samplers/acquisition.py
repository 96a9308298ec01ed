"""Propose assignments by a Gaussian process that is fitted to a history.

The hyper-parameters of the process are fitted at stages, each an eighth more results than the one before, and
cached: they change slowly, and fitting takes most of the time. A trial without a value (pending or failed)
gets the value that the process expects, so that no proposal near it repeats its information (Ginsbourger et
al., Kriging Is Well-Suited to Parallelize Optimization, 2010).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from scipy.special import erfcx, ndtr  # type: ignore[import-untyped]
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from hyperspace_core.records import Metric
from hyperspace_tuning.samplers.features import FeatureSpace, Rows
from hyperspace_tuning.samplers.gaussian_process import Posterior, Shape, fitted, scores, with_values
from hyperspace_tuning.samplers.history_filter import limited, usable_trials
from hyperspace_tuning.space import Assignment, Space
from hyperspace_tuning.tuner import History, Trial

# -- Maximize the expected improvement: random samples, then hill climbing ----------------------------------
#
# It compares logarithms, which still differ where the improvement itself is 0 in floating point (Ament et
# al., Unexpected Improvements to Expected Improvement for Bayesian Optimization, NeurIPS 2023). It uses
# changes and not gradients, because usually half of the dimensions are choices and whole numbers.

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


def most_promising(cube: FeatureSpace, belief: Belief, best: Rows, limits: Limits,
                   rng: np.random.Generator) -> Rows:
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


def _filled(cube: FeatureSpace, rows: Rows, rng: np.random.Generator) -> Rows:
    """Fill inactive dimensions at random, in case a change activates them."""
    return np.where(np.isnan(rows), cube.drawn(len(rows), rng), rows)


def _changed(cube: FeatureSpace, rows: Rows, rng: np.random.Generator) -> Rows:
    """Change one or more dimensions of each row: numbers a little, choices at random."""
    count, width = rows.shape
    share = np.where(rng.random(count) < 0.5, 1 / width, rng.random(count))[:, None]
    moves = rng.random(rows.shape) < share
    moves[np.arange(count), rng.integers(width, size=count)] = True
    scale = np.exp(rng.uniform(math.log(NARROWEST), math.log(WIDEST), size=(count, 1)))
    moved = rows + scale * rng.standard_normal(rows.shape)
    moved = np.clip(np.where((moved < 0) | (moved > 1), rows - (moved - rows), moved), 0, 1)
    return np.where(moves, np.where(cube.choices > 0, cube.drawn(count, rng), moved), rows)


FIRST_DRAWS = 30               # samples of which the first proposals are those farthest from all trials
BEST = 5                       # results from which the search for the next assignment starts, too


class GaussianProcess:
    """The Gaussian process of one space; caches the shape that it fitted last."""

    def __init__(self, space: Space) -> None:
        self.space, self._cube = space, FeatureSpace(space)
        self._fitted: tuple[Any, Shape] | None = None

    def propose(self, history: History, rng: Random, new: Mapping[str, Any], *, startup: int,
                limit: int) -> Assignment:
        """The next assignment. `new`: keys of new dimensions, each with the value to try."""
        chance, metric = np.random.default_rng(rng.getrandbits(64)), history.metrics[0]
        fixed, shunned = self._cube.new(new)
        trials = usable_trials(history)
        results = with_values(trials, metric)
        silent = [one for one in trials if one.state in ("pending", "failed")][-limit:]
        if len(results) < startup:
            return self._far([*results, *silent], fixed, chance)
        stage = len(results) - len(results) % max(1, len(results) // 8)
        # small matrices: threads cost more than they gain, above all beside training runs
        with _threads().limit(limits=1):
            shape = self._shape(limited(results[:stage], limit, metric), metric)
            known, posterior = self._posterior(shape, limited(results, limit, metric), silent, metric)
            expected = posterior.at(self._cube.features(known))[0]
            best = known[np.argsort(expected, kind="stable")[:BEST]]
            rows = most_promising(self._cube, lambda rows: posterior.at(self._cube.features(rows)), best,
                                  Limits(tried=known, fixed=fixed, shunned=shunned), chance)
        return self._cube.assignment(rows[0])

    def _posterior(self, shape: Shape, results: Sequence[Trial], silent: Sequence[Trial],
                   metric: Metric) -> tuple[Rows, Posterior]:
        """The posterior after all results, with expected values for trials without one."""
        known, values, owner = self._rows(results), scores(results, metric), self._cube.owner
        posterior = Posterior(shape, self._cube.features(known), owner, values)
        if not silent:
            return known, posterior
        other = self._rows(silent)
        believed = posterior.at(self._cube.features(other))[0]
        known = np.vstack([known, other])
        return known, Posterior(shape, self._cube.features(known), owner, np.append(values, believed))

    def _far(self, trials: Sequence[Trial], fixed: Mapping[int, float],
             chance: np.random.Generator) -> Assignment:
        """The sample farthest from all trials."""
        rows = self._cube.settled(self._cube.drawn(FIRST_DRAWS, chance), fixed)
        if not trials:
            return self._cube.assignment(rows[0])
        here, there = self._cube.features(rows), self._cube.features(self._rows(trials))
        distances = ((here[:, None, :] - there[None, :, :]) ** 2).sum(2).min(1)
        return self._cube.assignment(rows[int(distances.argmax())])

    def _shape(self, trials: Sequence[Trial], metric: Metric) -> Shape:
        rows, values = self._rows(trials), scores(trials, metric)
        key = (rows.tobytes(), values.tobytes())
        if self._fitted is None or self._fitted[0] != key:
            self._fitted = key, fitted(self._cube.features(rows), self._cube.owner, values)
        return self._fitted[1]

    def _rows(self, trials: Sequence[Trial]) -> Rows:
        return np.stack([self._cube.row(one.assignment) for one in trials])


@functools.cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()
