"""An Optuna study that is kept equal to a history and asked for proposals.

The trials are compared one by one with those of the last call: only new and newly ended ones are rebuilt; the
history may also be shorter or another one. Each question uses a new sampler, seeded from the generator, so
that the answer depends only on space, history and generator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hyperspace_core.config.dimensions import Dimension, holds
from hyperspace_core.config.searchspace import Assignment, Space
from hyperspace_core.records.run import Metric
from hyperspace_core.tuner import Trial
from hyperspace_optuna.feeding import values_of
from hyperspace_optuna.remembered import NAME, Remembered, frozen
from hyperspace_optuna.translating import distribution_of, from_optuna, to_optuna

MakeSampler = Callable[[int], BaseSampler]     # from a seed


class Replay:
    """The study of one space and one set of metrics."""

    def __init__(self, space: Space, metrics: tuple[Metric, ...]) -> None:
        self.space, self.metrics = space, metrics
        self._storage = Remembered([StudyDirection.MAXIMIZE if one.goal == "maximize"
                                    else StudyDirection.MINIMIZE for one in metrics])
        self._distributions = {one.key: distribution_of(one) for one in space.dimensions}
        self._fed: list[Trial] = []

    def follow(self, trials: Sequence[Trial]) -> None:
        """Make the study equal to these trials."""
        self._storage.cut(len(trials))
        del self._fed[len(trials):]
        for number, trial in enumerate(trials):
            known = self._fed[number] if number < len(self._fed) else None
            if known is not trial and known != trial:
                self._storage.put(number, self._frozen(number, trial))
                self._fed[number:number + 1] = [trial]

    def ask(self, make: MakeSampler, rng: Random, given: dict[str, Any]) -> Assignment:
        """The sampler's assignment, with the values that are `given`, by key."""
        count = len(self._fed)
        study = self.study(make(rng.getrandbits(32)))
        try:
            trial = study.ask()
            return self.space.walk(lambda one: given[one.key] if one.key in given
                                   else self._suggest(trial, one))
        finally:
            self._storage.cut(count)

    def study(self, sampler: BaseSampler | None = None) -> Study:
        """The current study."""
        return Study(study_name=NAME, storage=self._storage, sampler=sampler,
                     pruner=optuna.pruners.NopPruner())

    def _suggest(self, trial: optuna.Trial, one: Dimension) -> Any:
        distribution = self._distributions[one.key]
        match distribution:
            case optuna.distributions.CategoricalDistribution():
                value: Any = trial.suggest_categorical(one.key, distribution.choices)
            case optuna.distributions.IntDistribution():
                value = trial.suggest_int(one.key, distribution.low, distribution.high,
                                          step=distribution.step, log=distribution.log)
            case optuna.distributions.FloatDistribution():
                value = trial.suggest_float(one.key, distribution.low, distribution.high,
                                            step=distribution.step, log=distribution.log)
        return from_optuna(one, value)

    def _frozen(self, number: int, trial: Trial) -> FrozenTrial:
        active = [one for one in self.space.dimensions if holds(one.when, trial.assignment)]
        params = {one.key: to_optuna(one, trial.assignment[one.path]) for one in active}
        distributions = {one.key: self._distributions[one.key] for one in active}
        values = values_of(trial, self.metrics)
        if trial.state == "pending":
            return frozen(number, TrialState.RUNNING, params=params, distributions=distributions)
        if trial.state == "failed" or values is None or (trial.state == "pruned" and len(values) > 1):
            # Optuna refuses pruned trials with several metrics
            return frozen(number, TrialState.FAIL, params=params, distributions=distributions)
        if trial.state == "pruned":
            # no step is passed: all stopped at the same one, and the last value shows how good each was
            return frozen(number, TrialState.PRUNED, params=params, distributions=distributions,
                          reports={1: values[0]})
        return frozen(number, TrialState.COMPLETE, params=params, distributions=distributions, values=values)
