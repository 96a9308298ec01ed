"""Our tuners and plain Optuna behind one interface."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import create_trial

from hyperspace_core.ranges import Choice, Int
from hyperspace_core.records.run import Metric
from hyperspace_tuning.space import Assignment, Dimension, Space
from hyperspace_tuning.tuner import History, Trial, Tuner, next_proposal

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)

METRICS = (Metric(name="regret", goal="minimize"),)
MakeSampler = Callable[[int], optuna.samplers.BaseSampler]


class Searcher(Protocol):
    """One search; several points may be requested before the first result."""

    def past(self, trials: Sequence[tuple[Assignment, float]]) -> None: ...

    def grow(self, space: Space, added: Mapping[str, Any]) -> None:
        """Add parameters to the space; earlier runs had these values."""

    def ask(self) -> tuple[int, Assignment]: ...

    def tell(self, ticket: int, value: float) -> None: ...


class Ours:
    """Proposes like a worker, from the current history with pending runs."""

    def __init__(self, make: Callable[[], Tuner], space: Space, seed: int) -> None:
        self.tuner, self.space, self.rng = make(), space, random.Random(seed)
        self.trials: list[Trial] = []

    def past(self, trials: Sequence[tuple[Assignment, float]]) -> None:
        for assignment, value in trials:
            self.trials.append(_done(assignment, value))

    def grow(self, space: Space, added: Mapping[str, Any]) -> None:
        self.space = space
        for number, trial in enumerate(self.trials):
            values = space.walk(lambda one, old=trial.assignment: old.get(one.path, added.get(one.path)))
            self.trials[number] = Trial(assignment=values, state=trial.state, value=trial.value,
                                        values=trial.values)

    def ask(self) -> tuple[int, Assignment]:
        history = History(trials=tuple(self.trials), metrics=METRICS)
        proposal = next_proposal(self.tuner, self.space, history, self.rng)
        assert proposal is not None
        self.trials.append(Trial(assignment=proposal.assignment, state="pending"))
        return len(self.trials) - 1, proposal.assignment

    def tell(self, ticket: int, value: float) -> None:
        self.trials[ticket] = _done(self.trials[ticket].assignment, value)


class Plain:
    """Plain Optuna, as in its manual. Past trials do not have a new parameter."""

    def __init__(self, make: MakeSampler, space: Space, seed: int) -> None:
        self.space = space
        self.study = optuna.create_study(direction="minimize", sampler=make(seed))
        self.asked: dict[int, optuna.Trial] = {}

    def past(self, trials: Sequence[tuple[Assignment, float]]) -> None:
        for assignment, value in trials:
            params = {one.key: assignment[one.path] for one in self.space.active(assignment)}
            ranges = {one.key: _distribution(one) for one in self.space.active(assignment)}
            self.study.add_trial(create_trial(value=value, params=params, distributions=ranges))

    def grow(self, space: Space, added: Mapping[str, Any]) -> None:
        self.space = space

    def ask(self) -> tuple[int, Assignment]:
        trial = self.study.ask()
        self.asked[trial.number] = trial
        return trial.number, self.space.walk(lambda one: _suggest(trial, one))

    def tell(self, ticket: int, value: float) -> None:
        self.study.tell(self.asked.pop(ticket), value)


def _done(assignment: Assignment, value: float) -> Trial:
    return Trial(assignment=assignment, state="completed", value=value, values={"regret": value})


def _distribution(one: Dimension) -> BaseDistribution:
    if isinstance(one.range, Choice):
        return CategoricalDistribution(one.range.values)
    kind = IntDistribution if isinstance(one.range, Int) else FloatDistribution
    return kind(one.range.low, one.range.high, log=one.range.log)


def _suggest(trial: optuna.Trial, one: Dimension) -> Any:
    if isinstance(one.range, Choice):
        return trial.suggest_categorical(one.key, one.range.values)
    suggest = trial.suggest_int if isinstance(one.range, Int) else trial.suggest_float
    return suggest(one.key, one.range.low, one.range.high, log=one.range.log)
