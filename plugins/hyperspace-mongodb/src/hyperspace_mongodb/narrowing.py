"""Translate a filter into a server query; `RunFilter.matches` has the last word.

A part that is left out only costs time. Values are always compared by an explicit operator: text typed by a
user is never read as an operator.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from hyperspace_core.config.tree import HIGHEST, LOWEST
from hyperspace_core.records.codec import moment_text
from hyperspace_core.records.filter import (
    ORDER_BEST,
    ORDER_NEWEST,
    ORDER_OLDEST,
    ORDER_QUEUE,
    Condition,
    RunFilter,
)
from hyperspace_mongodb.connection import Document

Order = list[tuple[str, int]]

ORDERING: dict[str, Order] = {
    ORDER_NEWEST: [("_id", -1)],
    ORDER_OLDEST: [("_id", 1)],
    ORDER_QUEUE: [("hyperspace.priority", -1), ("_id", 1)],
    ORDER_BEST: [("hyperspace.ranked", -1), ("hyperspace.rank", 1), ("_id", 1)],
}

# paths that always mean the field, and comparisons that are equal on the server for a number
_FIELDS = {"priority": "hyperspace.priority", "id": "_id"}
_COMPARE = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte", "=": "$eq", "==": "$eq"}


def narrowed(where: RunFilter) -> Document:
    """A query that is true for every matching document of ours."""
    parts: list[Document] = [{"hyperspace.project": {"$ne": None}}]
    if where.project is not None:
        parts = [{"hyperspace.project": {"$eq": where.project}}]
    if where.states:
        parts.append({"status": {"$in": [state.value for state in where.states]}})
    if where.tasks:
        parts.append({"experiment.name": {"$in": _texts(where.tasks)}})
    if where.ids:
        parts.append({"_id": {"$in": [run for run in where.ids if LOWEST <= run <= HIGHEST]}})
    if where.uids:
        parts.append({"hyperspace.uid": {"$in": _texts(where.uids)}})
    if where.since is not None:
        parts.append({"hyperspace.submitted_at": {"$gte": moment_text(where.since)}})
    if where.parent is not None:
        parts.append({"hyperspace.parent": {"$eq": where.parent}})
    if where.search is not None:
        parts.append({"hyperspace.search": {"$eq": where.search}})
    if _texts(where.tags):
        parts.append({"omniboard.tags": {"$all": _texts(where.tags)}})
    parts += [part for condition in where.where if (part := _compared(condition)) is not None]
    return {"$and": parts}


def decided(where: RunFilter) -> bool:
    """Whether `narrowed` is equivalent to the filter."""
    return not where.tags and not where.where


def place_of(ours: Document, run: int, order: str) -> tuple[Any, ...]:
    """The sort key of a document of ours, the same as on the server."""
    if order == ORDER_QUEUE:
        return -ours["priority"], run
    if order == ORDER_BEST:
        return -ours["ranked"], ours["rank"], run
    return (-run,) if order == ORDER_NEWEST else (run,)


def _texts(values: Iterable[object]) -> list[str]:
    """Only texts can equal a task, a uid or a tag; a document would be read as operators."""
    return [value for value in values if isinstance(value, str)]


def _compared(condition: Condition) -> Document | None:
    field, operator = _FIELDS.get(condition.path), _COMPARE.get(condition.op)
    value = condition.value
    if field is None or operator is None or type(value) not in (int, float):
        return None
    if (isinstance(value, int) and not LOWEST <= value <= HIGHEST) or math.isnan(value):
        return None
    return {field: {operator: value}}
