"""CMA-ES and genetic samplers as functions of a history.

Optuna's CMA-ES keeps its state in the trials that it proposed, and ignores all others. Here each proposal
replays the whole evolution: a new optimizer receives the results in order, a generation at a time. Results
that it is unlikely to have sampled itself are pulled towards the mean, to the length of an unusually long
step (Hansen, Injecting External Solutions Into CMA-ES, INRIA RR-7748, 2011). After convergence it restarts
with twice the population (Auger and Hansen, A Restart CMA Evolution Strategy, CEC 2005).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import cmaes  # type: ignore[import-untyped]
import numpy as np
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseGASampler, BaseSampler, NSGAIIISampler, NSGAIISampler, RandomSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from optuna.study import Study

Numeric = FloatDistribution | IntDistribution

STEP = 1 / 6                   # initial standard deviation, as a share of the range


class Evolution(BaseSampler):
    """Samples the numbers, which all trials must have; choices are sampled at random."""

    def __init__(self, distributions: Mapping[str, BaseDistribution], *, seed: int,
                 population: int | None = None) -> None:
        self._searched = {name: one for name, one in distributions.items()
                          if isinstance(one, FloatDistribution | IntDistribution) and not one.single()}
        self._seed, self._population = seed, population
        self._by_chance = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return dict(self._searched)

    def sample_relative(self, study: Study, trial: FrozenTrial,
                        search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        if not search_space:
            return {}
        sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
        results = [(_to_unit(one.params, search_space), sign * float(one.values[0]))
                   for one in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]
        optimizer = evolved(results, len(search_space), self._population)
        optimizer.reseed_rng(self._seed)
        return _from_unit(optimizer.ask(), search_space)

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str,
                           param_distribution: BaseDistribution) -> Any:
        return self._by_chance.sample_independent(study, trial, param_name, param_distribution)


def evolved(results: Sequence[tuple[np.ndarray, float]], dimensions: int,
            population: int | None = None) -> cmaes.CMA:
    """The optimizer after all whole generations of results; lower is better."""
    optimizer, start = _begun(dimensions, population), 0
    while start + optimizer.population_size <= len(results):
        if optimizer.should_stop():
            optimizer = _begun(dimensions, 2 * optimizer.population_size, start)
            continue
        block = results[start:start + optimizer.population_size]
        optimizer.tell([(_pulled(optimizer, point), value) for point, value in block])
        start += len(block)
    return optimizer


def _begun(dimensions: int, population: int | None, seed: int = 0) -> cmaes.CMA:
    """A new optimizer at the centre of the cube; a restart begins at a random point."""
    mean = np.random.RandomState(seed).uniform(size=dimensions) if seed else np.full(dimensions, 0.5)
    bounds = np.array([[0.0, 1.0]] * dimensions)
    return cmaes.CMA(mean=mean, sigma=STEP, bounds=bounds, seed=seed, population_size=population,
                     n_max_resampling=10 * dimensions)


def _pulled(optimizer: cmaes.CMA, point: np.ndarray) -> np.ndarray:
    """The point itself, or one towards it at the length of an unusually long step."""
    axes, lengths = optimizer._eigen_decomposition()       # not public; cmaes is pinned below 1
    count = optimizer.dim
    away = point - optimizer.mean
    distance = float(np.linalg.norm(axes.T @ away / lengths)) / optimizer._sigma
    longest = math.sqrt(count) + 2 * count / (count + 2)
    return point if distance <= longest else optimizer.mean + away * (longest / distance)


def _to_unit(params: Mapping[str, Any], space: Mapping[str, BaseDistribution]) -> np.ndarray:
    point = []
    for name, one in space.items():
        low, high = _ends(one)
        value = math.log(params[name]) if _log(one) else params[name]
        point.append((value - low) / (high - low))
    return np.array(point)


def _from_unit(point: np.ndarray, space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for share, (name, ranged) in zip(point.tolist(), space.items(), strict=True):
        one = cast(Numeric, ranged)
        low, high = _ends(one)
        value = low + share * (high - low)
        value = math.exp(value) if _log(one) else value
        if one.step is not None:
            value = one.low + round((value - one.low) / one.step) * one.step
        value = min(max(value, one.low), one.high)
        made[name] = int(value) if isinstance(one, IntDistribution) else value
    return made


def _ends(ranged: BaseDistribution) -> tuple[float, float]:
    """The ends of a range with half a step more on either side; log if it is log."""
    one = cast(Numeric, ranged)
    half = (one.step or 0) / 2
    return ((math.log(one.low - half), math.log(one.high + half)) if one.log
            else (one.low - half, one.high + half))


def _log(one: BaseDistribution) -> bool:
    return isinstance(one, FloatDistribution | IntDistribution) and one.log


# -- Genetic samplers, with all results as their archive ----------------------------------------------------
#
# Optuna's own samplers store a generation number with each trial that they proposed, and ignore other trials.
# These derive generations from the number of results. The sampler's rule chooses the parents of the next
# generation among all earlier results, also those of runs by hand and of other searches.

class _BestOfAll(BaseGASampler):
    """The common part; must precede the sampler among the base classes."""

    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        return len(_results(study)) // (self.population_size or 1)

    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """All results up to the end of that generation."""
        return _results(study)[:(generation + 1) * (self.population_size or 1)]

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        # `select_parent` adds the previous generation's parents: they are in its population already
        current = self.get_trial_generation(study, study.get_trials(deepcopy=False)[-1])
        return self.select_parent(study, generation) if 0 < generation == current else []


class NSGAII(_BestOfAll, NSGAIISampler):
    """NSGA-II with all past trials as its archive."""


class NSGAIII(_BestOfAll, NSGAIIISampler):
    """NSGA-III with all past trials as its archive."""


def _results(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
