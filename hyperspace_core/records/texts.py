"""Conversion of parts of a record to text and back, for stores that keep text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from hyperspace_core.records.codec import from_text, storable, to_text
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Attempt, Late, Owner, WorkerInfo
from hyperspace_core.records.states import Outcome


def moment_text(moment: datetime) -> str:
    """ISO 8601 in UTC; the texts sort in the order of the moments."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def moment_of(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def tree_text(tree: Any, path: str) -> str | None:
    """Encode a tree with the codec; None stays None. Raises `ValueNotStorable`."""
    return None if tree is None else to_text(storable(tree, path))


def tree_of(text: str | None) -> Any:
    return None if text is None else from_text(text)


def plain_text(text: str | None, path: str) -> str | None:
    """Check a text. Raises `ValueNotStorable` for one that is not storable."""
    plain: str | None = storable(text, path)
    return plain


# cached: every claim names its worker, and a listing repeats few workers
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


def late_of(text: str) -> Late:
    fields = from_text(text)
    return Late(outcome=Outcome(fields["outcome"]), reason=fields["reason"], result=fields["result"],
                metrics=fields["metrics"], at=moment_of(fields["at"]))


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
        started_at=moment_of(info["started_at"]), seen_at=moment_of(seen_at), beat=beat)


def attempt_of(kept: tuple[Any, ...], read: Callable[[str], Any] = from_text) -> Attempt:
    """Build an attempt from its stored texts, in the order of the columns.

    The worker may be empty. `read` decodes the text of the provenance.
    """
    number, outcome, reason, worker, started_at, ended_at, traceback, provenance, late = kept
    return Attempt(number=number, outcome=None if outcome is None else Outcome(outcome), reason=reason,
                   worker=owner_of(worker) if worker else None, started_at=moment_of(started_at),
                   ended_at=moment_of(ended_at), traceback=traceback, provenance=read(provenance),
                   late=None if late is None else late_of(late))
