"""What first-party plugins bring: the one place where core names a plugin.

It serves one purpose: a command, an accessor or a store whose plugin is not installed is one line that names
the plugin and the command that installs it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import hyperspace_core.errors


@dataclass(frozen=True, kw_only=True)
class Feature:
    """What one plugin brings, by the names that a user types."""

    commands: tuple[str, ...] = ()
    study: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    components: tuple[str, ...] = ()       # tuners and pruners that a stored search may name


FEATURES: Mapping[str, Feature] = {
    "hyperspace-tuning": Feature(
        commands=("tune", "searches", "queue cancel --search", "queue pause --search",
                  "queue resume --search"), study=("tune", "search", "searches"),
        components=("AsRecorded", "CmaEs", "GP", "Grid", "Median", "NSGAII", "Random", "Sampler",
                    "SuccessiveHalving", "TPE")),
    "hyperspace-analysis": Feature(
        commands=("compare", "effects", "plot"), study=("compare", "queue_pairs", "plot"),
        results=("compare", "effects", "plot")),
    "hyperspace-reproduce": Feature(
        commands=("reproduce", "parity", "rescore"), study=("reproduce", "register", "promote")),
    "hyperspace-migrate": Feature(commands=("check", "backfill", "store copy")),
    "hyperspace-mongodb": Feature(schemes=("mongodb", "mongodb+srv")),
}
RETIRED: Mapping[str, str] = {"hyperspace-optuna": "hyperspace-tuning"}        # distribution → its successor

# modules that written code may import and that are gone, and what has their names now
MOVED: Mapping[str, str] = {
    "hyperspace_core.config.lazy": "hyperspace_core",
    "hyperspace_core.config.searching": "hyperspace_tuning",
    "hyperspace_core.config.searchspace": "hyperspace_tuning",
    "hyperspace_core.config.steps": "hyperspace_core.migrations",
    "hyperspace_core.pruner": "hyperspace_tuning",
    "hyperspace_core.results.rescoring": "hyperspace_reproduce",
    "hyperspace_core.sink": "hyperspace_core.run",
    "hyperspace_core.space": "hyperspace_core.ranges",
    "hyperspace_core.testing": "pytest_hyperspace",
    "hyperspace_core.tuner": "hyperspace_tuning",
    "hyperspace_optuna": "hyperspace_tuning",
}


def moved_to(module: str) -> str | None:
    """What has the names of a module that is gone; None for any other module."""
    return next((new for old, new in MOVED.items() if module == old or module.startswith(f"{old}.")), None)


def install_command(distribution: str) -> str:
    """The command that installs a first-party plugin here: from the clone where core runs from one."""
    folder = Path(hyperspace_core.errors.__file__).parents[1] / "plugins" / distribution
    if (folder / "pyproject.toml").is_file():
        return f"pip install -e {shlex.quote(str(folder))}"
    return f"pip install {distribution}"


def missing_command(name: str) -> str | None:
    """One line for a command whose plugin is not installed; None for a name that no plugin of ours has."""
    return _line(f"hyperspace {name}", [one for one, feature in FEATURES.items() if name in feature.commands])


def missing_accessor(kind: str, name: str) -> str | None:
    """One line for `study.NAME` or `results.NAME` whose plugin is not installed, else None."""
    return _line(f"{kind}.{name}", [one for one, brings in FEATURES.items() if name in getattr(brings, kind)])


def missing_component(name: str) -> str | None:
    """One line for a tuner or pruner whose plugin is not installed, else None."""
    return _line(name, [one for one, feature in FEATURES.items() if name in feature.components])


def plugin_of_scheme(scheme: str) -> str | None:
    """The plugin that serves a URL scheme, else None."""
    return next((one for one, feature in FEATURES.items() if scheme in feature.schemes), None)


def schemes_of_plugins() -> list[str]:
    """The URL schemes that first-party plugins serve."""
    return [scheme for feature in FEATURES.values() for scheme in feature.schemes]


def _line(what: str, distributions: list[str]) -> str | None:
    if not distributions:
        return None
    return f"{what} is in {distributions[0]}: {install_command(distributions[0])}"
