"""hyperspace: experiments from the first prototype to production.

The names below are loaded when they are first used, so that importing a project's components stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperspace_core.components import (
        Component,
        Dataset,
        Fit,
        Lazy,
        Model,
        Preprocessor,
        Scenario,
        Scorer,
        Trainer,
        Unchanged,
    )
    from hyperspace_core.config.grid import each
    from hyperspace_core.markers import hookimpl
    from hyperspace_core.production.golden import GoldenDiffers, check_golden
    from hyperspace_core.production.load import load_artifact, load_component
    from hyperspace_core.queue import RunQueue
    from hyperspace_core.ranges import Choice, Float, Int
    from hyperspace_core.run import Absent, Run, RunInterrupted, Section, active, current_run
    from hyperspace_core.scenarios import PerSeries, Pipeline, Repeated, Rolling
    from hyperspace_core.study import Study

_HOMES = {
    "hyperspace_core.components": (
        "Component", "Dataset", "Fit", "Model", "Preprocessor", "Scenario", "Scorer", "Trainer", "Unchanged",
        "Lazy",
    ),
    "hyperspace_core.config.grid": ("each",),
    "hyperspace_core.markers": ("hookimpl",),
    "hyperspace_core.production.golden": ("GoldenDiffers", "check_golden"),
    "hyperspace_core.production.load": ("load_artifact", "load_component"),
    "hyperspace_core.queue": ("RunQueue",),
    "hyperspace_core.run": ("Absent", "Run", "RunInterrupted", "Section", "active", "current_run"),
    "hyperspace_core.scenarios": ("PerSeries", "Pipeline", "Repeated", "Rolling"),
    "hyperspace_core.ranges": ("Choice", "Float", "Int"),
    "hyperspace_core.study": ("Study",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Absent", "Choice", "Component", "Dataset", "Fit", "Float", "GoldenDiffers", "Int", "Lazy", "Model",
    "PerSeries", "Pipeline", "Preprocessor", "Repeated", "Rolling", "Run", "RunInterrupted", "RunQueue",
    "Scenario", "Scorer", "Section", "Study", "Trainer", "Unchanged", "active", "check_golden",
    "current_run", "each", "hookimpl", "load_artifact", "load_component",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'hyperspace_core' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
