"""A Gaussian process on the features of a cube: Matérn 5/2, ARD lengths.

Lengths, height and noise maximize the posterior density. Priors: lengths log-normal around the root of the
number of dimensions, so that many dimensions do not need many more results than few (after Hvarfner et al.,
Vanilla Bayesian Optimization Performs Great in High Dimensions, ICML 2024); small noise unless the results
contradict it. Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), chapters 2 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular  # type: ignore[import-untyped]
from scipy.optimize import minimize  # type: ignore[import-untyped]
from scipy.special import ndtri  # type: ignore[import-untyped]
from scipy.stats import rankdata  # type: ignore[import-untyped]

from hyperspace_core.records import Metric
from hyperspace_tuning.samplers.history_filter import values_of
from hyperspace_tuning.tuner import Trial

ROOT = math.sqrt(5)
LENGTHS = (0.05, 100.0)            # of the cube's side
NOISE = (1e-6, 1.0)                # of the variance of all results
HEIGHT = (0.05, 20.0)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The hyper-parameters of the process."""

    lengths: np.ndarray                # one for each dimension
    height: float
    noise: float


def fitted(features: np.ndarray, owner: np.ndarray, values: np.ndarray) -> Shape:
    """Fit the hyper-parameters to results of mean about 0 and variance about 1.

    features: (results, features), owner: the dimension of each feature, values: (results,)
    """
    count = int(owner.max()) + 1
    apart = np.stack([_apart(features[:, owner == one]) for one in range(count)])
    usual = np.array([*[math.log(count) / 2] * count, 0.0, -4.0])      # of the logarithms; deviation 1
    bounds = [*[LENGTHS] * count, HEIGHT, NOISE]
    logs = [(math.log(low), math.log(high)) for low, high in bounds]

    def badness(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = _unlikelihood(point, apart, values)
        off = point - usual
        return value + float(off @ off) / 2, slope + off

    starts = (usual, np.array([*[math.log(0.5)] * count, 0.0, -6.0]))
    found = min((minimize(badness, start, jac=True, method="L-BFGS-B", bounds=logs,
                          options={"maxiter": 60}) for start in starts), key=lambda one: float(one.fun))
    *lengths, height, noise = np.exp(found.x)
    return Shape(lengths=np.array(lengths), height=float(height), noise=float(noise))


class Posterior:
    """The posterior distribution after results at some points."""

    def __init__(self, shape: Shape, features: np.ndarray, owner: np.ndarray, values: np.ndarray) -> None:
        self._shape, self._lengths = shape, shape.lengths[owner]
        self._points = features / self._lengths
        matrix = shape.height * _matern(_between(self._points, self._points))
        matrix[np.diag_indices_from(matrix)] += shape.noise
        self._root = cholesky(matrix, lower=True)
        self._alpha = cho_solve((self._root, True), values)

    def at(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation at each point, without the noise of a result."""
        cross = self._shape.height * _matern(_between(features / self._lengths, self._points))
        half = solve_triangular(self._root, cross.T, lower=True, check_finite=False)
        variance = self._shape.height - np.einsum("ij,ij->j", half, half)
        return cross @ self._alpha, np.sqrt(np.maximum(variance, 1e-12))


def _apart(columns: np.ndarray) -> np.ndarray:
    return _between(columns, columns)


def _between(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Squared distances."""
    squared = (left ** 2).sum(1)[:, None] + (right ** 2).sum(1)[None, :] - 2 * left @ right.T
    found: np.ndarray = np.maximum(squared, 0)
    return found


def _matern(squared: np.ndarray) -> np.ndarray:
    reach = ROOT * np.sqrt(squared)
    found: np.ndarray = (1 + reach + reach ** 2 / 3) * np.exp(-reach)
    return found


def _unlikelihood(point: np.ndarray, apart: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray]:
    """Minus the log marginal likelihood and its gradient by the log-parameters."""
    *lengths, height, noise = np.exp(point)
    near = 1 / np.array(lengths) ** 2
    squared = np.tensordot(near, apart, 1)
    reach = ROOT * np.sqrt(squared)
    fall = np.exp(-reach)
    kernel = height * (1 + reach + reach ** 2 / 3) * fall
    root = cholesky(kernel + noise * np.eye(len(values)), lower=True, check_finite=False)
    inverse = cho_solve((root, True), np.eye(len(values)), check_finite=False)
    alpha = inverse @ values
    loss = float(values @ alpha) / 2 + float(np.log(np.diag(root)).sum())
    pull = inverse - np.outer(alpha, alpha)
    by_distance = pull * (-5 / 6 * height) * (1 + reach) * fall        # d kernel / d squared
    by_lengths = -near * np.tensordot(apart, by_distance, 2)
    return loss, np.array([*by_lengths, (pull * kernel).sum() / 2, noise * np.trace(pull) / 2])


# -- Scores of results: lower is better, mean 0 -------------------------------------------------------------
#
# Results better than the median keep their distances. Worse ones are placed by rank as in a normal
# distribution, so that a diverged run does not hide all relevant differences (the half-rank warping of Song
# et al., The Vizier Gaussian Process Bandit Algorithm, 2024). A pruned trial ranks behind all completed
# ones, by its last value.

LARGEST = 1e100                # an infinite result has a rank, too


def with_values(trials: Sequence[Trial], metric: Metric) -> list[Trial]:
    """The trials that have a usable value."""
    return [one for one in trials if one.state in ("completed", "pruned") and values_of(one, (metric,))]


def scores(trials: Sequence[Trial], metric: Metric) -> np.ndarray:
    """One number for each trial; mean 0, and deviation 1 where any two differ."""
    sign = -1 if metric.goal == "maximize" else 1
    values = sign * np.clip(np.array([one.value for one in trials], dtype=float), -LARGEST, LARGEST)
    pruned = np.array([one.state == "pruned" for one in trials])
    middle = float(np.median(values[~pruned])) if not pruned.all() else 0.0
    good = ~pruned & (values <= middle)
    spread = float(np.sqrt(np.mean((values[good] - middle) ** 2))) if good.any() else 0.0
    warped = np.where(good, values - middle, 0.0)
    warped[~good] = (spread or 1.0) * _upper_half(values[~good], pruned[~good])
    spread = float(warped.std())
    made: np.ndarray = (warped - warped.mean()) / (spread if spread > 0 else 1.0)
    return made


def _upper_half(values: np.ndarray, late: np.ndarray) -> np.ndarray:
    """Quantiles of ranks in the upper half of a normal distribution; `late` last."""
    if not len(values):
        return values
    ranks = np.empty(len(values))
    ranks[~late] = rankdata(values[~late])
    ranks[late] = rankdata(values[late]) + np.sum(~late)
    made: np.ndarray = ndtri(0.5 + (ranks - 0.5) / (2 * len(values)))
    return made
