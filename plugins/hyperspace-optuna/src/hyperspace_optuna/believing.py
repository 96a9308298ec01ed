"""Propose assignments by a Gaussian process that is fitted to a history.

The hyper-parameters of the process are fitted at stages, each an eighth more results than the one before, and
cached: they change slowly, and fitting takes most of the time. A trial without a value (pending or failed)
gets the value that the process expects, so that no proposal near it repeats its information (Ginsbourger et
al., Kriging Is Well-Suited to Parallelize Optimization, 2010).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from hyperspace_core.config.searchspace import Assignment, Space
from hyperspace_core.records.run import Metric
from hyperspace_core.tuner import History, Trial
from hyperspace_optuna.cube import Cube, Rows
from hyperspace_optuna.feeding import fed, limited
from hyperspace_optuna.gaussian import Posterior, Shape, fitted
from hyperspace_optuna.goodness import badness, valued
from hyperspace_optuna.improvement import Limits, most_promising

DRAWS = 30                     # samples of which the first proposals are those farthest from all trials
BEST = 5                       # results from which the search for the next assignment starts, too


class Believer:
    """The Gaussian process of one space; caches the shape that it fitted last."""

    def __init__(self, space: Space) -> None:
        self.space, self._cube = space, Cube(space)
        self._fitted: tuple[Any, Shape] | None = None

    def proposed(self, history: History, rng: Random, new: Mapping[str, Any], *, startup: int,
                 limit: int) -> Assignment:
        """The next assignment. `new`: keys of new dimensions, each with the value to try."""
        chance, metric = np.random.default_rng(rng.getrandbits(64)), history.metrics[0]
        fixed, shunned = self._cube.new(new)
        trials = fed(history)
        results = valued(trials, metric)
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
        known, values, owner = self._rows(results), badness(results, metric), self._cube.owner
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
        rows = self._cube.settled(self._cube.drawn(DRAWS, chance), fixed)
        if not trials:
            return self._cube.assignment(rows[0])
        here, there = self._cube.features(rows), self._cube.features(self._rows(trials))
        distances = ((here[:, None, :] - there[None, :, :]) ** 2).sum(2).min(1)
        return self._cube.assignment(rows[int(distances.argmax())])

    def _shape(self, trials: Sequence[Trial], metric: Metric) -> Shape:
        rows, values = self._rows(trials), badness(trials, metric)
        key = (rows.tobytes(), values.tobytes())
        if self._fitted is None or self._fitted[0] != key:
            self._fitted = key, fitted(self._cube.features(rows), self._cube.owner, values)
        return self._fitted[1]

    def _rows(self, trials: Sequence[Trial]) -> Rows:
        return np.stack([self._cube.row(one.assignment) for one in trials])


@functools.cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()
