"""Look up Optuna's samplers by name, and refuse those that cannot be a tuner.

A tuner is a function of the history. The names are those of `optuna.samplers`, not paths of modules.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import optuna.samplers
from optuna.samplers import BaseSampler

from hyperspace_core.errors import ConfigError, did_you_mean
from hyperspace_tuning.samplers import evolution

SEED = "seed"                  # set by the search
QUIET = "warn_independent_sampling"
IN_PLACE: dict[str, Any] = {"NSGAIISampler": evolution.NSGAII, "NSGAIIISampler": evolution.NSGAIII}
REFUSED = {
    "CmaEsSampler": "learns only from trials that it made itself; use the tuner CmaEs",
    "QMCSampler": "continues its own sequence and ignores the history; use the tuner Random",
}


def known_samplers() -> dict[str, type[BaseSampler]]:
    """Concrete samplers whose required arguments are plain values, by name."""
    there: dict[str, Any] = {name: getattr(optuna.samplers, name) for name in optuna.samplers.__all__}
    return {name: IN_PLACE.get(name, one) for name, one in there.items()
            if name not in REFUSED and _is_sampler(one) and not _needed(one)}


def sampler_class(name: str, settings: Mapping[str, Any]) -> type[BaseSampler]:
    """The class. Raises `ConfigError` for an unknown name or unknown settings."""
    known = known_samplers()
    if name in REFUSED:
        raise ConfigError(f"Sampler.name: {name} {REFUSED[name]}")
    if name not in known:
        raise ConfigError(f"Sampler.name: Optuna has no sampler {name!r} that can be chosen"
                          f"{did_you_mean(name, known) or '.'} Known: {', '.join(sorted(known))}.")
    made = known[name]
    taken = set(inspect.signature(made).parameters) - {SEED}
    wrong = [key for key in settings if key not in taken]
    if wrong:
        raise ConfigError(*(f"Sampler.settings.{key}: {_because(key, name, taken)}" for key in wrong))
    return made


def arguments_of(made: type[BaseSampler], seed: int) -> dict[str, Any]:
    """Common arguments, where a sampler has them: the seed, no repeated warnings."""
    taken = inspect.signature(made).parameters
    given: dict[str, Any] = {SEED: seed} if SEED in taken else {}
    if QUIET in taken and taken[QUIET].default is True:
        given[QUIET] = False
    return given


def _because(key: str, name: str, taken: set[str]) -> str:
    if key == SEED:
        return "the seed comes from the search; leave it out"
    return f"{name} has no such setting{did_you_mean(key, taken)}"


def _is_sampler(one: Any) -> bool:
    return inspect.isclass(one) and issubclass(one, BaseSampler) and not inspect.isabstract(one)


def _needed(one: type[BaseSampler]) -> list[str]:
    """Parameters without a default."""
    return [parameter.name for parameter in inspect.signature(one).parameters.values()
            if parameter.default is parameter.empty
            and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)]
