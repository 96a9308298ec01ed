"""The tuners, each a function of (space, history, generator). Optuna is imported by the first proposal."""

from __future__ import annotations

import random
import warnings
from abc import abstractmethod
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from hyperspace_core.config.searchspace import Assignment, Space, identity
from hyperspace_core.errors import ConfigError
from hyperspace_core.records.run import Metric
from hyperspace_core.space import Choice, Int
from hyperspace_core.tuner import History, Trial, Tuner

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from hyperspace_optuna.replaying import Replay


ASKED = 5                      # times, before what was tried already is changed by hand


class _ByOptuna(Tuner):
    """A tuner that asks a sampler of Optuna about a study which is kept equal to the history."""

    _replay: Replay | None = None

    def fresh_sampler(self, seed: int, space: Space) -> BaseSampler:
        """A sampler that knows nothing yet, without Optuna's word that what we test is experimental."""
        from optuna.exceptions import ExperimentalWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return self.sampler(seed, space)

    @abstractmethod
    def sampler(self, seed: int, space: Space) -> BaseSampler:
        """One as the tuner's settings say."""

    def feed(self, history: History) -> list[Trial]:
        """The trials that the sampler gets to see."""
        from hyperspace_optuna.feeding import fed

        return fed(history)

    def propose(self, space: Space, history: History, rng: random.Random) -> Assignment | None:
        from hyperspace_optuna.beside import beside
        from hyperspace_optuna.novelty import unexplored

        if not space.dimensions:
            return {}
        replay, trials = self._replay_of(space, history), self.feed(history)
        new = unexplored(space, history, rng)
        for _ in range(ASKED):
            replay.follow(trials)
            assignment = replay.ask(lambda seed: self.fresh_sampler(seed, space), rng, new)
            if identity(assignment) not in history.tried:
                return assignment
            # what was tried is no better for being tried again: said to be pending, it draws less
            trials = [*trials, Trial(assignment=assignment, state="pending")]
        return beside(space, assignment, history.tried, rng)

    def importance(self, space: Space, history: History) -> dict[str, float]:
        from hyperspace_optuna.importance import importance

        return importance(space, history)

    def _replay_of(self, space: Space, history: History) -> Replay:
        from hyperspace_optuna.replaying import Replay

        known = self._replay
        if known is None or known.space != space or known.metrics != history.metrics:
            known = self._replay = Replay(space, history.metrics)
        return known


@dataclass
class TPE(_ByOptuna):
    """Tree-structured Parzen estimator, of all parameters together, the classes' parameters by groups.

    The one to begin with: it takes conditional spaces, choices, several metrics, pending and pruned runs.
    Bergstra et al., Algorithms for Hyper-Parameter Optimization, NIPS 24 (2011).

    startup: results before it leaves chance behind
    candidates: draws of which the most promising is proposed
    """

    several_metrics: ClassVar[bool] = True

    startup: Annotated[int, Int(1, 50)] = 10
    candidates: Annotated[int, Int(1, 500, log=True)] = 24

    def sampler(self, seed: int, space: Space) -> BaseSampler:
        from optuna.samplers import TPESampler

        return TPESampler(seed=seed, n_startup_trials=self.startup, n_ei_candidates=self.candidates,
                          multivariate=True, group=conditional(space) is not None, constant_liar=True)


@dataclass
class GP(_ByOptuna):
    """Gaussian process with expected improvement: for few and costly runs of some numbers.

    It takes no parameters that only some assignments have; pruned and failed runs tell it nothing. Needs the
    extra `gp`. Snoek et al., Practical Bayesian Optimization of Machine Learning Algorithms, NIPS 25 (2012).

    startup: results before it leaves chance behind
    limit: results that it is fed, half of them the best, half the latest; its time grows with their cube
    """

    several_metrics: ClassVar[bool] = True

    startup: Annotated[int, Int(1, 50)] = 10
    limit: Annotated[int, Int(20, 2000, log=True)] = 300

    def check(self, space: Space, metrics: tuple[Metric, ...]) -> None:
        super().check(space, metrics)
        _check_flat(self, space)
        missing = [name for name in ("torch", "scipy") if find_spec(name) is None]
        if missing:
            raise ConfigError(f"GP needs {' and '.join(missing)}: pip install 'hyperspace-optuna[gp]'")

    def sampler(self, seed: int, space: Space) -> BaseSampler:
        from optuna.samplers import GPSampler

        return GPSampler(seed=seed, n_startup_trials=self.startup, warn_independent_sampling=False)

    def feed(self, history: History) -> list[Trial]:
        from hyperspace_optuna.feeding import limited

        return limited(super().feed(history), self.limit, history.metrics[0])


@dataclass
class CmaEs(_ByOptuna):
    """Covariance matrix adaptation: for many cheap runs of numbers, without classes and choices among them.

    Pruned and failed runs tell it nothing. Hansen and Ostermeier, Completely Derandomized Self-Adaptation in
    Evolution Strategies, Evolutionary Computation 9 (2001).

    population: runs of a generation; by the number of parameters where none is given
    """

    population: Annotated[int | None, Int(4, 200, log=True)] = None

    def check(self, space: Space, metrics: tuple[Metric, ...]) -> None:
        super().check(space, metrics)
        _check_flat(self, space)
        choice = next((one for one in space.dimensions if isinstance(one.range, Choice)), None)
        if choice is not None:
            raise ConfigError(f"CmaEs: `{choice.path}` is a choice, and it takes numbers only; hold it fast "
                              "in space=, or choose TPE")

    def sampler(self, seed: int, space: Space) -> BaseSampler:
        from hyperspace_optuna.evolution import Evolution
        from hyperspace_optuna.translating import distribution_of

        return Evolution({one.key: distribution_of(one) for one in space.dimensions}, seed=seed,
                         population=self.population)


@dataclass
class NSGAII(_ByOptuna):
    """Genetic search for the front of several metrics, bred from the best of all that was tried.

    Parameters that only some assignments have are drawn by chance; pruned and failed runs tell it nothing.
    Deb et al., A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, IEEE Transactions on
    Evolutionary Computation 6 (2002).

    population: results of a generation, of which the first is drawn by chance
    """

    several_metrics: ClassVar[bool] = True

    population: Annotated[int, Int(4, 500, log=True)] = 20

    def sampler(self, seed: int, space: Space) -> BaseSampler:
        from hyperspace_optuna.archive import NSGAII as Bred

        return Bred(seed=seed, population_size=self.population)


@dataclass
class Sampler(_ByOptuna):
    """Any other sampler of Optuna, by its name in `optuna.samplers`.

    name: as `BruteForceSampler`
    settings: arguments of its constructor, without the seed
    """

    several_metrics: ClassVar[bool] = True         # Optuna refuses where its sampler does not

    name: str
    settings: dict[str, Any] = field(default_factory=dict)

    def check(self, space: Space, metrics: tuple[Metric, ...]) -> None:
        super().check(space, metrics)
        self.fresh_sampler(0, space)

    def sampler(self, seed: int, space: Space) -> BaseSampler:
        from hyperspace_optuna.naming import arguments_of, sampler_class

        made = sampler_class(self.name, self.settings)
        try:
            return made(**{**arguments_of(made, seed), **self.settings})
        except (TypeError, ValueError, ImportError) as error:
            raise ConfigError(f"Sampler.settings: {self.name} says: {error}") from None


def conditional(space: Space) -> str | None:
    """A parameter that not every assignment has, for a message; None where all have all."""
    return next((one.key for one in space.dimensions if one.when), None)


def _check_flat(tuner: Tuner, space: Space) -> None:
    key = conditional(space)
    if key is not None:
        raise ConfigError(f"{type(tuner).__name__}: `{key}` is there under some choices only, and it takes "
                          "parameters that are always there; name one class in space=, or choose TPE")
