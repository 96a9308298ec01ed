"""hyperspace: experiments from the first prototype to production.

Each name below is loaded when it is first used, so that importing a project's components stays cheap.
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
    from hyperspace_core.errors import (
        ConfigError,
        HyperspaceError,
        NotFound,
        ProjectError,
        Refused,
        RegistrationError,
        StoreError,
        StoreUnavailable,
        TaskError,
        UnknownClassError,
        UnknownTaskError,
        UsageError,
        ValueNotStorable,
    )
    from hyperspace_core.extension.project import open_project
    from hyperspace_core.markers import hookimpl
    from hyperspace_core.production.load import GoldenDiffers, check_golden, load_artifact, load_component
    from hyperspace_core.queue import RunQueue
    from hyperspace_core.ranges import Choice, Float, Int
    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.run import Run, RunInterrupted, current_run
    from hyperspace_core.scenarios import PerSeries, Pipeline, Repeated, Rolling
    from hyperspace_core.study import Study

_HOMES = {
    "hyperspace_core.components": (
        "Component", "Dataset", "Fit", "Lazy", "Model", "Preprocessor", "Scenario", "Scorer", "Trainer",
        "Unchanged",
    ),
    "hyperspace_core.errors": (
        "ConfigError", "HyperspaceError", "NotFound", "ProjectError", "Refused", "RegistrationError",
        "StoreError", "StoreUnavailable", "TaskError", "UnknownClassError", "UnknownTaskError",
        "UsageError", "ValueNotStorable",
    ),
    "hyperspace_core.extension.project": ("open_project",),
    "hyperspace_core.markers": ("hookimpl",),
    "hyperspace_core.production.load": ("GoldenDiffers", "check_golden", "load_artifact", "load_component"),
    "hyperspace_core.queue": ("RunQueue",),
    "hyperspace_core.ranges": ("Choice", "Float", "Int"),
    "hyperspace_core.records.filter": ("RunFilter",),
    "hyperspace_core.records.run": ("RunRecord",),
    "hyperspace_core.run": ("Run", "RunInterrupted", "current_run"),
    "hyperspace_core.scenarios": ("PerSeries", "Pipeline", "Repeated", "Rolling"),
    "hyperspace_core.study": ("Study",),
}
_HOME_OF = {name: (home, name) for home, names in _HOMES.items() for name in names}
# names that this package had earlier and that written code may still import from it
_EARLIER = {
    "Absent": ("hyperspace_core.run", "Absent"), "Section": ("hyperspace_core.run", "Section"),
    "active": ("hyperspace_core.run", "as_current_run"), "each": ("hyperspace_core.ranges", "each"),
}

__all__ = [
    "Choice", "Component", "ConfigError", "Dataset", "Fit", "Float", "GoldenDiffers", "HyperspaceError",
    "Int", "Lazy", "Model", "NotFound", "PerSeries", "Pipeline", "Preprocessor", "ProjectError", "Refused",
    "RegistrationError", "Repeated", "Rolling", "Run", "RunFilter", "RunInterrupted", "RunQueue",
    "RunRecord", "Scenario", "Scorer", "StoreError", "StoreUnavailable", "Study", "TaskError", "Trainer",
    "Unchanged", "UnknownClassError", "UnknownTaskError", "UsageError", "ValueNotStorable", "check_golden",
    "current_run", "hookimpl", "load_artifact", "load_component", "open_project",
]


def __getattr__(name: str) -> Any:
    home, attribute = _HOME_OF.get(name) or _EARLIER.get(name) or ("", "")
    if not home:
        raise AttributeError(f"module 'hyperspace_core' has no attribute {name!r}")
    return getattr(importlib.import_module(home), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
