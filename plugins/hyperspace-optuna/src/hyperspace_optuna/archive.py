"""Optuna's genetic samplers, with all results as their archive.

Optuna's own samplers store a generation number with each trial that they proposed, and ignore other trials.
These derive generations from the number of results. The sampler's rule chooses the parents of the next
generation among all earlier results, also those of runs by hand and of other searches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna.samplers import BaseGASampler, NSGAIIISampler, NSGAIISampler
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from optuna.study import Study


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
