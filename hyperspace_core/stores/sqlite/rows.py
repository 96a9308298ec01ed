"""Rows of the tables and records of the port: the one place where the one becomes the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from hyperspace_core.records.codec import from_text, storable, to_text
from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.records.run import Attempt, Goal, Late, Metric, Owner, RunRecord, WorkerInfo
from hyperspace_core.records.states import Command, Outcome, State

Row = tuple[Any, ...]

# in the order in which `record_of` takes them apart
RUN = ("id, uid, project, task, state, reason, priority, tags, submitted_by, metric, goal, seed, validated, "
       "progress, result, result_special, losses, max_losses, failures, max_failures, command, parent, "
       "search, submitted_at, finished_at")
BODY = ("note, submitted, scenario, config, metrics, info, "
        "(SELECT code FROM codes WHERE codes.run = bodies.run), "
        "(SELECT json_group_array(migration) FROM "
        "(SELECT migration FROM rewrites WHERE rewrites.run = bodies.run ORDER BY number))")
NOT_KNOWN = ""                 # an owner or a moment that the store did not know from which an attempt came
ATTEMPT = "run, number, outcome, reason, worker, started_at, ended_at, traceback, provenance, late"


def now() -> str:
    """The wall clock as the store writes it: texts that sort as the moments do."""
    return moment_text(datetime.now(UTC))


def moment_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def record_of(row: Row, attempts: tuple[Attempt, ...]) -> RunRecord:
    """From the columns `RUN` and `BODY`."""
    (number, uid, project, task, state, reason, priority, tags, submitted_by, metric, goal, seed, validated,
     progress, result, special, losses, max_losses, failures, max_failures, command, parent, search,
     submitted_at, finished_at, note, submitted, scenario, config, metrics, info, code, migrated) = row
    return RunRecord(
        id=number, uid=uid, project=project, task=task, state=State(state), reason=reason, priority=priority,
        tags=tuple(from_text(tags)), note=note, submitted=from_text(submitted), submitted_by=submitted_by,
        scenario=_tree(scenario), config=_tree(config), metric=Metric(name=metric, goal=cast(Goal, goal)),
        seed=seed, validated=bool(validated),
        progress=None if progress is None else Progress(**from_text(progress)),
        result=number_of(result, special), metrics=from_text(metrics), info=from_text(info),
        attempts=attempts, losses=losses, max_losses=max_losses, failures=failures, max_failures=max_failures,
        command=None if command is None else Command(command), parent=parent, search=search,
        code={} if code is None else from_text(code), migrated=tuple(from_text(migrated)),
        submitted_at=_moment(submitted_at), started_at=attempts[-1].started_at if attempts else None,
        finished_at=_moment(finished_at))


def attempt_of(row: Row) -> Attempt:
    """From the columns `ATTEMPT`."""
    _, number, outcome, reason, worker, started_at, ended_at, traceback, provenance, late = row
    return Attempt(number=number, outcome=None if outcome is None else Outcome(outcome), reason=reason,
                   worker=owner_of(worker) if worker else None, started_at=_moment(started_at),
                   ended_at=_moment(ended_at), traceback=traceback, provenance=from_text(provenance),
                   late=None if late is None else _late(late))


def attempts_by_run(rows: Iterable[Row]) -> dict[int, tuple[Attempt, ...]]:
    """Of rows that come in the order of their numbers."""
    found: dict[int, list[Attempt]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(attempt_of(row))
    return {run: tuple(attempts) for run, attempts in found.items()}


def number_of(value: float | None, special: str | None) -> float | None:
    return value if special is None else float(special)


def special_of(value: float | None) -> str | None:
    """What SQLite would not give back: NaN becomes NULL there, -0.0 becomes 0.0."""
    if value is None:
        return None
    if math.isnan(value):
        return "nan"
    return "-0.0" if value == 0.0 and math.copysign(1.0, value) < 0 else None


# a worker names itself with every claim, and every listing names few workers often
@lru_cache(maxsize=64)
def owner_text(owner: Owner) -> str:
    return to_text(vars(owner))


@lru_cache(maxsize=1024)
def owner_of(text: str) -> Owner:
    return Owner(**from_text(text))


def progress_text(progress: Progress | None) -> str | None:
    return None if progress is None else to_text(storable(vars(progress), "progress"))


def late_text(late: Late) -> str:
    at = None if late.at is None else moment_text(late.at)
    return to_text(storable({"outcome": late.outcome.value, "reason": late.reason, "result": late.result,
                             "metrics": late.metrics, "at": at}, "late"))


def worker_text(worker: WorkerInfo) -> str:
    started = None if worker.started_at is None else moment_text(worker.started_at)
    return to_text(storable(
        {"owner": vars(worker.owner), "tasks": worker.tasks, "state": worker.state, "slots": worker.slots,
         "running": worker.running, "refused": worker.refused, "started_at": started}, "worker"))


def worker_of(project: str, text: str, beat: int, seen_at: str) -> WorkerInfo:
    info = from_text(text)
    return WorkerInfo(
        owner=Owner(**info["owner"]), project=project, tasks=tuple(info["tasks"]), state=info["state"],
        slots=info["slots"], running=tuple(info["running"]), refused=tuple(info["refused"]),
        started_at=_moment(info["started_at"]), seen_at=_moment(seen_at), beat=beat)


def point_of(row: Row) -> Point:
    seq, name, step, value, special, at = row
    return Point(seq=seq, name=name, step=step, value=value if special is None else float(special), at=at)


def numbers_text(numbers: Iterable[int]) -> str:
    """A list of ids as one parameter, for `json_each`."""
    return to_text(list(numbers))


def texts_text(texts: Iterable[str]) -> str:
    """Texts as one parameter, to compare `hex(column)` with: in JSON, SQLite ends a text at its first NUL."""
    return to_text([text.encode("utf-8", "surrogatepass").hex().upper() for text in texts])


def tree_text(tree: Any, path: str) -> str | None:
    """A tree as the codec keeps it; None stays None. Raises `ValueNotStorable`."""
    return None if tree is None else to_text(storable(tree, path))


def plain_text(text: str | None, path: str) -> str | None:
    """Raises `ValueNotStorable` for what is not text that every store keeps."""
    plain: str | None = storable(text, path)
    return plain


def checked_tags(tags: Sequence[str]) -> str:
    return to_text(storable(list(tags), "tags"))


def _tree(text: str | None) -> Any:
    return None if text is None else from_text(text)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _late(text: str) -> Late:
    told = from_text(text)
    return Late(outcome=Outcome(told["outcome"]), reason=told["reason"], result=told["result"],
                metrics=told["metrics"], at=_moment(told["at"]))
