"""An Optuna study that is kept equal to a history and asked for proposals.

The trials are compared one by one with those of the last call: only new and newly ended ones are rebuilt; the
history may also be shorter or another one. Each question uses a new sampler, seeded from the generator, so
that the answer depends only on space, history and generator.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hyperspace_core.ranges import Choice, Int
from hyperspace_core.records import Metric
from hyperspace_tuning.samplers.history_filter import values_of
from hyperspace_tuning.samplers.storage import NAME, HistoryStorage, frozen
from hyperspace_tuning.space import Assignment, Dimension, Space, holds, nearest_value, values_in
from hyperspace_tuning.tuner import History, Trial

# -- Dimensions and values in Optuna's form -----------------------------------------------------------------
#
# A dimension's key is the parameter's name, since two classes may have parameters with one path. A choice is
# passed as the index of its value: Optuna then need not distinguish 1 from True, nor store lists and dicts.
# Optuna has no logarithmic range with steps: the steps are dropped, and values rounded on the way back.

def distribution_of(one: Dimension) -> BaseDistribution:
    """The Optuna distribution of a dimension's range."""
    range_ = one.range
    if isinstance(range_, Choice):
        return CategoricalDistribution(range(len(range_.values)))
    low, high, step = range_.low, range_.high, range_.step
    if step is not None and not range_.log:
        # Optuna requires an end that the steps reach exactly
        high = float(f"{low + (values_in(range_) - 1) * step:.12g}")
    if isinstance(range_, Int):
        return IntDistribution(int(low), int(high), log=range_.log, step=1 if range_.log else range_.step)
    return FloatDistribution(low, high, log=range_.log, step=None if range_.log else step)


def to_optuna(one: Dimension, value: Any) -> Any:
    """Convert a value of the dimension for Optuna."""
    if not isinstance(one.range, Choice):
        return value
    return next(index for index, known in enumerate(one.range.values)
                if value == known and type(value) is type(known))


def from_optuna(one: Dimension, value: Any) -> Any:
    """Convert a value from Optuna for the dimension."""
    if isinstance(one.range, Choice):
        return one.range.values[value]
    return nearest_value(one.range, value)


MakeSampler = Callable[[int], BaseSampler]     # from a seed


class Replay:
    """The study of one space and one set of metrics."""

    def __init__(self, space: Space, metrics: tuple[Metric, ...]) -> None:
        self.space, self.metrics = space, metrics
        self._storage = HistoryStorage([StudyDirection.MAXIMIZE if one.goal == "maximize"
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


ENOUGH = 10                    # results; with fewer, the best tenth is random


def importance(space: Space, history: History) -> dict[str, float]:
    """Key of a dimension → its share in what separates the best tenth of the results.

    Uses the first metric; runs of related tasks do not count. Watanabe et al., PED-ANOVA: Efficiently
    Quantifying Hyperparameter Importance in Arbitrary Subspaces, IJCAI 32 (2023).
    """
    first = history.metrics[:1]
    done = [trial for trial in history.trials
            if trial.weight >= 1 and trial.state == "completed" and values_of(trial, first) is not None]
    if len(done) < ENOUGH or not space.dimensions:
        return {}
    replay = Replay(space, first)
    replay.follow(done)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")            # it is experimental; a parameter never varied
        return get_param_importances(replay.study(), evaluator=PedAnovaImportanceEvaluator())
