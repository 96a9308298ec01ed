"""Frozen records of everything stored; independent of stores and projects.

The names below are what projects and notebooks use; each is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperspace_core.records.filter import Condition, RunFilter, parse_condition
    from hyperspace_core.records.logged import Point, Progress
    from hyperspace_core.records.run import (
        Artifact,
        Attempt,
        Metric,
        OutputChunk,
        Owner,
        RunRecord,
        WorkerInfo,
    )
    from hyperspace_core.records.search import Budget, SearchRecord, SearchState
    from hyperspace_core.records.states import Outcome, State
    from hyperspace_core.records.task import Task

_HOMES = {
    "hyperspace_core.records.filter": ("Condition", "RunFilter", "parse_condition"),
    "hyperspace_core.records.logged": ("Point", "Progress"),
    "hyperspace_core.records.run": (
        "Artifact", "Attempt", "Metric", "OutputChunk", "Owner", "RunRecord", "WorkerInfo",
    ),
    "hyperspace_core.records.search": ("Budget", "SearchRecord", "SearchState"),
    "hyperspace_core.records.states": ("Outcome", "State"),
    "hyperspace_core.records.task": ("Task",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Artifact", "Attempt", "Budget", "Condition", "Metric", "Outcome", "OutputChunk", "Owner", "Point",
    "Progress", "RunFilter", "RunRecord", "SearchRecord", "SearchState", "State", "Task", "WorkerInfo",
    "parse_condition",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'hyperspace_core.records' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)
