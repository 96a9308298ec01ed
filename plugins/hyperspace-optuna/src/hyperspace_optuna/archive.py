"""Genetic samplers of Optuna that breed from the best of everything.

Optuna's keep a generation number with every trial that they made themselves, and so know nothing of others.
These count generations by the results that are there, and the parents of the next are chosen, by the rule of
the sampler, among all results of before: runs by hand and of other searches are ancestors like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna.samplers import BaseGASampler, NSGAIIISampler, NSGAIISampler
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from optuna.study import Study


class _BestOfAll(BaseGASampler):
    """What both share; stands before the sampler in the order of classes."""

    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        return len(_results(study)) // (self.population_size or 1)

    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """All results up to the end of that generation."""
        return _results(study)[:(generation + 1) * (self.population_size or 1)]

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        # `select_parent` adds the parents of the generation before: these are in its population already
        current = self.get_trial_generation(study, study.get_trials(deepcopy=False)[-1])
        return self.select_parent(study, generation) if 0 < generation == current else []


class NSGAII(_BestOfAll, NSGAIISampler):
    """NSGA-II with everything that was tried as its archive."""


class NSGAIII(_BestOfAll, NSGAIIISampler):
    """NSGA-III with everything that was tried as its archive."""


def _results(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
