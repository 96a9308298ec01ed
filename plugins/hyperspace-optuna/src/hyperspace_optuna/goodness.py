"""Scores of a history's results for a regression: lower is better, mean 0.

Results better than the median keep their distances. Worse ones are placed by rank as in a normal
distribution, so that a diverged run does not hide all relevant differences (the half-rank warping of Song et
al., The Vizier Gaussian Process Bandit Algorithm, 2024). A pruned trial ranks behind all completed ones, by
its last value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri  # type: ignore[import-untyped]
from scipy.stats import rankdata  # type: ignore[import-untyped]

from hyperspace_core.records.run import Metric
from hyperspace_core.tuner import Trial
from hyperspace_optuna.feeding import values_of

LARGEST = 1e100                # an infinite result has a rank, too


def valued(trials: Sequence[Trial], metric: Metric) -> list[Trial]:
    """The trials that have a usable value."""
    return [one for one in trials if one.state in ("completed", "pruned") and values_of(one, (metric,))]


def badness(trials: Sequence[Trial], metric: Metric) -> np.ndarray:
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
