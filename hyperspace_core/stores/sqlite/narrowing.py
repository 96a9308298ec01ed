"""The part of a filter that SQL evaluates, before `RunFilter.matches` decides."""

from __future__ import annotations

import math
from typing import Any

from hyperspace_core.config.tree import HIGHEST, LOWEST
from hyperspace_core.records.codec import to_text
from hyperspace_core.records.filter import (
    ORDER_BEST,
    ORDER_NEWEST,
    ORDER_OLDEST,
    ORDER_QUEUE,
    Condition,
    RunFilter,
)
from hyperspace_core.records.texts import moment_text
from hyperspace_core.stores.sqlite.rows import numbers_text, texts_text

_ORDERS = {
    ORDER_NEWEST: "id DESC",
    ORDER_OLDEST: "id",
    ORDER_QUEUE: "priority DESC, id",
    ORDER_BEST: "rank IS NULL, rank, id",      # NULL for a missing result and for NaN
}

# paths that always mean the column, and comparisons with the same meaning in SQL for an existing number
_COLUMNS = {"result": "result", "priority": "priority", "seed": "seed", "id": "id"}
_OF_ATTEMPTS = ("attempt", "attempts", "started_at")
_COMPARE = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "=": "=", "==": "="}


def listing(where: RunFilter, order: str, limit: int | None) -> tuple[str, list[Any]]:
    """The statement that lists ids of possible matches, and its parameters.

    Give `limit` only where SQL decides the whole filter.
    """
    conditions, values = narrowed(where)
    statement = f"SELECT id FROM runs WHERE {conditions} ORDER BY {_ORDERS[order]}"
    return (statement, values) if limit is None else (statement + " LIMIT ?", [*values, limit])


def counting(where: RunFilter) -> tuple[str, list[Any]]:
    """The statement that counts runs by state, for a filter that SQL decides alone."""
    conditions, values = narrowed(where)
    return f"SELECT state, count(*) FROM runs WHERE {conditions} GROUP BY state", values


def narrowed(where: RunFilter) -> tuple[str, list[Any]]:
    """A condition on `runs` that every matching run fulfils, and its parameters."""
    parts: list[tuple[str, list[Any]]] = []
    if where.project is not None:
        parts.append(("project = ?", [where.project]))
    if where.states:
        marks = ", ".join("?" * len(where.states))
        parts.append((f"state IN ({marks})", [str(state) for state in where.states]))
    if where.tasks:
        parts.append(("hex(task) IN (SELECT value FROM json_each(?))", [texts_text(where.tasks)]))
    if where.ids:
        parts.append(("id IN (SELECT value FROM json_each(?))", [numbers_text(where.ids)]))
    if where.uids:
        parts.append(_uids(where.uids))
    if where.since is not None:
        parts.append(("submitted_at >= ?", [moment_text(where.since)]))
    if where.parent is not None:
        parts.append(("parent IN (SELECT value FROM json_each(?))", [numbers_text([where.parent])]))
    if where.search is not None:
        parts.append(("search = ?", [where.search]))
    # the list contains a tag as this text, but may also contain the text by accident
    parts += [("instr(tags, ?) > 0", [to_text(tag)]) for tag in where.tags]
    parts += [part for condition in where.where if (part := _compared(condition)) is not None]
    conditions = " AND ".join(text for text, _ in parts) or "TRUE"
    return conditions, [value for _, values in parts for value in values]


def decided(where: RunFilter) -> bool:
    """Whether `narrowed` covers the whole filter."""
    return not where.tags and not where.where


def looks_at_attempts(where: RunFilter) -> bool:
    return any(condition.path.partition(".")[0] in _OF_ATTEMPTS for condition in where.where)


def _uids(uids: tuple[str, ...]) -> tuple[str, list[Any]]:
    if any("\0" in uid for uid in uids):   # SQLite's JSON ends a text at NUL
        return "hex(uid) IN (SELECT value FROM json_each(?))", [texts_text(uids)]
    return "uid IN (SELECT value FROM json_each(?))", [to_text(list(uids))]


def _compared(condition: Condition) -> tuple[str, list[Any]] | None:
    column, operator = _COLUMNS.get(condition.path), _COMPARE.get(condition.op)
    value = condition.value
    if column is None or operator is None or type(value) not in (int, float):
        return None
    if (isinstance(value, int) and not LOWEST <= value <= HIGHEST) or math.isnan(value):
        return None
    return f"{column} {operator} ?", [value]
