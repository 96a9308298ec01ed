"""Frozen records of everything stored; independent of stores and projects.

The names below are what projects, notebooks and stores use; those of filters,
searches and tasks are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.records.run import (
    Artifact,
    Attempt,
    BeatAnswer,
    Claim,
    Finish,
    Goal,
    Held,
    Late,
    Lease,
    Metric,
    Migration,
    NewRun,
    OutputChunk,
    Owner,
    Rewrite,
    Rewritten,
    RunRecord,
    Snapshot,
    SourceFile,
    Update,
    WorkerInfo,
)
from hyperspace_core.records.states import Command, Outcome, State, Verb

if TYPE_CHECKING:
    from hyperspace_core.records.filter import (
        ORDER_BEST,
        ORDER_NEWEST,
        ORDER_OLDEST,
        ORDER_QUEUE,
        ORDERS,
        Condition,
        RunFilter,
        parse_condition,
    )
    from hyperspace_core.records.search import Budget, NewSearch, SearchRecord, SearchState
    from hyperspace_core.records.task import Task

_HOMES = {
    "hyperspace_core.records.filter": (
        "ORDERS", "ORDER_BEST", "ORDER_NEWEST", "ORDER_OLDEST", "ORDER_QUEUE", "Condition", "RunFilter",
        "parse_condition",
    ),
    "hyperspace_core.records.search": ("Budget", "NewSearch", "SearchRecord", "SearchState"),
    "hyperspace_core.records.task": ("Task",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ORDERS", "ORDER_BEST", "ORDER_NEWEST", "ORDER_OLDEST", "ORDER_QUEUE", "Artifact", "Attempt",
    "BeatAnswer", "Budget", "Claim", "Command", "Condition", "Finish", "Goal", "Held", "Late", "Lease",
    "Metric", "Migration", "NewRun", "NewSearch", "Outcome", "OutputChunk", "Owner", "Point", "Progress",
    "Rewrite", "Rewritten", "RunFilter", "RunRecord", "SearchRecord", "SearchState", "Snapshot", "SourceFile",
    "State", "Task", "Update", "Verb", "WorkerInfo", "parse_condition",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'hyperspace_core.records' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)
