"""Conversion between rows of the tables and records of the port."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from hyperspace_core.records.alike import Alike
from hyperspace_core.records.codec import from_text, storable, to_text
from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.records.run import Attempt, Goal, Metric, RunRecord
from hyperspace_core.records.states import Command, State
from hyperspace_core.records.texts import attempt_of, moment_of, moment_text, tree_of

Row = tuple[Any, ...]

# in the order that `record_of` expects
RUN = ("id, uid, project, task, state, reason, priority, tags, submitted_by, metric, goal, seed, validated, "
       "progress, result, result_special, losses, max_losses, failures, max_failures, command, parent, "
       "search, submitted_at, finished_at")
BODY = ("note, submitted, scenario, config, metrics, info, "
        "(SELECT code FROM codes WHERE codes.run = bodies.run), "
        "(SELECT json_group_array(migration) FROM "
        "(SELECT migration FROM rewrites WHERE rewrites.run = bodies.run ORDER BY number))")
NOT_KNOWN = ""                 # an owner or a time that the source store of a copied attempt did not have
ATTEMPT = "run, number, outcome, reason, worker, started_at, ended_at, traceback, provenance, late"


def now() -> str:
    """The current time as the store writes it; the texts sort by time."""
    return moment_text(datetime.now(UTC))


def record_of(row: Row, attempts: tuple[Attempt, ...], alike: Alike | None = None) -> RunRecord:
    """Build a record from `RUN` and `BODY`; `alike` shares equal trees."""
    shared = tree_of if alike is None else alike.tree
    (number, uid, project, task, state, reason, priority, tags, submitted_by, metric, goal, seed, validated,
     progress, result, special, losses, max_losses, failures, max_failures, command, parent, search,
     submitted_at, finished_at, note, submitted, scenario, config, metrics, info, code, migrated) = row
    return RunRecord(
        id=number, uid=uid, project=project, task=task, state=State(state), reason=reason, priority=priority,
        tags=tuple(from_text(tags)), note=note, submitted=from_text(submitted), submitted_by=submitted_by,
        scenario=shared(scenario), config=tree_of(config), metric=_metric(metric, cast(Goal, goal)),
        seed=seed, validated=bool(validated),
        progress=None if progress is None else Progress(**from_text(progress)),
        result=number_of(result, special), metrics=from_text(metrics), info=from_text(info),
        attempts=attempts, losses=losses, max_losses=max_losses, failures=failures, max_failures=max_failures,
        command=None if command is None else Command(command), parent=parent, search=search,
        code={} if code is None else shared(code), migrated=tuple(from_text(migrated)),
        submitted_at=moment_of(submitted_at), started_at=attempts[-1].started_at if attempts else None,
        finished_at=moment_of(finished_at))


def attempt_of_row(row: Row, alike: Alike | None = None) -> Attempt:
    """Build an attempt from the columns `ATTEMPT`."""
    return attempt_of(row[1:], from_text if alike is None else alike.sections)


def attempts_by_run(rows: Iterable[Row], alike: Alike) -> dict[int, tuple[Attempt, ...]]:
    """Group rows that are sorted by attempt number."""
    found: dict[int, list[Attempt]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(attempt_of_row(row, alike))
    return {run: tuple(attempts) for run, attempts in found.items()}


@lru_cache(maxsize=64)
def _metric(name: str, goal: Goal) -> Metric:
    return Metric(name=name, goal=goal)


def number_of(value: float | None, special: str | None) -> float | None:
    return value if special is None else float(special)


def special_of(value: float | None) -> str | None:
    """The name of a number that SQLite changes: NaN to NULL, -0.0 to 0.0."""
    if value is None:
        return None
    if math.isnan(value):
        return "nan"
    return "-0.0" if value == 0.0 and math.copysign(1.0, value) < 0 else None


def point_of(row: Row) -> Point:
    seq, name, step, value, special, at = row
    return Point(seq=seq, name=name, step=step, value=value if special is None else float(special), at=at)


def numbers_text(numbers: Iterable[int]) -> str:
    """A list of ids as one parameter, for `json_each`."""
    return to_text(list(numbers))


def texts_text(texts: Iterable[str]) -> str:
    """Texts as one parameter to compare `hex(column)` with, as JSON ends at NUL."""
    return to_text([text.encode("utf-8", "surrogatepass").hex().upper() for text in texts])


def checked_tags(tags: Sequence[str]) -> str:
    return to_text(storable(list(tags), "tags"))
