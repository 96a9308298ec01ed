"""The tuners, functions of (space, history, generator); Optuna is imported late."""

from __future__ import annotations

import random
import warnings
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from hyperspace_core.errors import ConfigError
from hyperspace_core.ranges import Choice, Int
from hyperspace_core.records import Metric
from hyperspace_tuning.space import Assignment, Space
from hyperspace_tuning.tuner import History, Trial, Tuner

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from hyperspace_tuning.samplers.acquisition import GaussianProcess
    from hyperspace_tuning.samplers.replay import Replay

class _WithImportance(Tuner):
    """A tuner that can estimate the importance of each parameter."""

    def importance(self, space: Space, history: History) -> dict[str, float]:
        from hyperspace_tuning.samplers.replay import importance

        return importance(space, history)


class _ByOptuna(_WithImportance):
    """A tuner that asks an Optuna sampler about a study kept equal to the history."""

    _replay: Replay | None = None

    def fresh_sampler(self, seed: int, space: Space) -> BaseSampler:
        """A new sampler, without Optuna's warning about experimental features."""
        from optuna.exceptions import ExperimentalWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return self.sampler(seed, space)

    @abstractmethod
    def sampler(self, seed: int, space: Space) -> BaseSampler:
        """A sampler with the tuner's settings."""

    def feed(self, history: History) -> list[Trial]:
        """The trials for the sampler."""
        from hyperspace_tuning.samplers.history_filter import usable_trials

        return usable_trials(history)

    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        from hyperspace_tuning.samplers.novelty import unexplored

        if not space.dimensions:
            return {}
        replay = self._replay_of(space, history)
        replay.follow(self.feed(history))
        return replay.ask(lambda seed: self.fresh_sampler(seed, space), rng, unexplored(space, history, rng))

    def _replay_of(self, space: Space, history: History) -> Replay:
        from hyperspace_tuning.samplers.replay import Replay

        known = self._replay
        if known is None or known.space != space or known.metrics != history.metrics:
            known = self._replay = Replay(space, history.metrics)
        return known


@dataclass
class TPE(_ByOptuna):
    """Tree-structured Parzen estimator, multivariate, grouped by class.

    It takes conditional spaces, choices, several metrics, pending and pruned runs.
    Bergstra et al., Algorithms for Hyper-Parameter Optimization, NIPS 24 (2011).

    startup: results before the first learned proposal
    candidates: samples of which the most promising is proposed
    """

    several_metrics: ClassVar[bool] = True
    preference: ClassVar[int] = 10

    startup: Annotated[int, Int(1, 50)] = 10
    candidates: Annotated[int, Int(1, 500, log=True)] = 24

    def sampler(self, seed: int, space: Space) -> BaseSampler:
        from optuna.samplers import TPESampler

        return TPESampler(seed=seed, n_startup_trials=self.startup, n_ei_candidates=self.candidates,
                          multivariate=True, group=conditional(space) is not None, constant_liar=True)


@dataclass
class GP(_WithImportance):
    """Gaussian process with expected improvement.

    The default tuner: it takes classes and their parameters, choices, pruned, failed and pending runs.
    Snoek et al., Practical Bayesian Optimization of Machine Learning Algorithms, NIPS 25 (2012).

    startup: results before the first learned proposal
    limit: results that it uses, half of them the best, half the latest; its time grows with their cube
    """

    preference: ClassVar[int] = 20

    startup: Annotated[int, Int(1, 50)] = 10
    limit: Annotated[int, Int(20, 1000, log=True)] = 200

    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        from hyperspace_tuning.samplers.acquisition import GaussianProcess
        from hyperspace_tuning.samplers.novelty import unexplored

        if not space.dimensions:
            return {}
        known: GaussianProcess | None = self.__dict__.get("_process")  # a dataclass: no class attribute
        if known is None or known.space != space:
            known = self.__dict__["_process"] = GaussianProcess(space)
        return known.propose(history, rng, unexplored(space, history, rng), startup=self.startup,
                             limit=self.limit)


@dataclass
class CmaEs(_ByOptuna):
    """Covariance matrix adaptation (CMA-ES): for many cheap runs of numbers only.

    Pruned and failed runs are ignored. Hansen and Ostermeier, Completely Derandomized Self-Adaptation in
    Evolution Strategies, Evolutionary Computation 9 (2001).

    population: runs of a generation; by default set by the number of parameters
    """

    population: Annotated[int | None, Int(4, 200, log=True)] = None

    def check(self, space: Space, metrics: tuple[Metric, ...]) -> None:
        super().check(space, metrics)
        _check_flat(self, space)
        choice = next((one for one in space.dimensions if isinstance(one.range, Choice)), None)
        if choice is not None:
            raise ConfigError(f"CmaEs: `{choice.path}` is a choice, and CmaEs takes numbers only; fix it "
                              "in space=, or choose TPE or GP")

    def sampler(self, seed: int, space: Space) -> BaseSampler:
        from hyperspace_tuning.samplers.evolution import Evolution
        from hyperspace_tuning.samplers.replay import distribution_of

        return Evolution({one.key: distribution_of(one) for one in space.dimensions}, seed=seed,
                         population=self.population)


@dataclass
class NSGAII(_ByOptuna):
    """Genetic search for the front of several metrics, with all trials as archive.

    Parameters that only some assignments have are sampled at random; pruned and failed runs are ignored.
    Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, IEEE Transactions on
    Evolutionary Computation 6 (2002).

    population: results of a generation; the first generation is random
    """

    several_metrics: ClassVar[bool] = True

    population: Annotated[int, Int(4, 500, log=True)] = 20

    def sampler(self, seed: int, space: Space) -> BaseSampler:
        from hyperspace_tuning.samplers.evolution import NSGAII as Bred

        return Bred(seed=seed, population_size=self.population)


@dataclass
class Sampler(_ByOptuna):
    """Any other sampler of Optuna, by its name in `optuna.samplers`.

    name: as `BruteForceSampler`
    settings: arguments of its constructor, without the seed
    """

    several_metrics: ClassVar[bool] = True         # Optuna raises where its sampler does not

    name: str
    settings: dict[str, Any] = field(default_factory=dict)

    def check(self, space: Space, metrics: tuple[Metric, ...]) -> None:
        super().check(space, metrics)
        self.fresh_sampler(0, space)

    def sampler(self, seed: int, space: Space) -> BaseSampler:
        from hyperspace_tuning.samplers.naming import arguments_of, sampler_class

        made = sampler_class(self.name, self.settings)
        try:
            return made(**{**arguments_of(made, seed), **self.settings})
        except (TypeError, ValueError, ImportError) as error:
            raise ConfigError(f"Sampler.settings: {self.name} refuses them: {error}") from None


def conditional(space: Space) -> str | None:
    """A parameter that only some assignments have, for a message; else None."""
    return next((one.key for one in space.dimensions if one.when), None)


def _check_flat(tuner: Tuner, space: Space) -> None:
    key = conditional(space)
    if key is not None:
        raise ConfigError(f"{type(tuner).__name__}: `{key}` exists under some choices only, and it takes "
                          "only unconditional parameters; name one class in space=, or choose TPE or GP")
