"""Restoring of another store's records, unchanged except for their ids."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hyperspace_core.errors import Refused
from hyperspace_core.records.run import Attempt, RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.records.texts import (
    late_text,
    moment_text,
    owner_text,
    plain_text,
    progress_text,
    tree_text,
)
from hyperspace_core.storage import new_token
from hyperspace_core.stores.sqlite import statements as sql
from hyperspace_core.stores.sqlite.base import Verbs, ring
from hyperspace_core.stores.sqlite.code_statements import ADD_CODE
from hyperspace_core.stores.sqlite.rows import NOT_KNOWN, Row, checked_tags, special_of

_WAITING = (State.QUEUED, State.PAUSED)


class RestoringVerbs(Verbs):
    """The method that stores runs of another store."""

    def restore(self, records: Sequence[RunRecord]) -> list[int]:
        rows = [_row_of(record) for record in records]
        attempts = [[_attempt_row(attempt) for attempt in record.attempts] for record in records]
        with self._database.writing() as connection:
            ids = [_restored(connection, row, tried) for row, tried in zip(rows, attempts, strict=True)]
            for project in {row["project"] for row in rows if row["state"] is State.QUEUED}:
                ring(connection, project)
        return ids


def _restored(connection: sqlite3.Connection, row: dict[str, Any], attempts: list[Row]) -> int:
    """Store a record unless its uid is known; return its id here."""
    known = connection.execute(sql.RESTORABLE, (row["uid"],)).fetchone()
    if known is not None:
        run, state, attempt = known
        further = row["attempt"] > 0 or row["state"].terminal
        if attempt > 0 or state not in _WAITING or not further:
            return int(run)
        connection.execute(sql.REMOVE, (run,))
    else:
        (last,) = connection.execute(sql.LAST_ID).fetchone() or (0,)
        run = last + 1
    row = row | {"id": run}
    connection.execute(sql.RESTORE_RUN, row)
    connection.execute(sql.RESTORE_BODY, row)
    if row["code"] is not None:
        connection.execute(ADD_CODE, row)
    connection.executemany(sql.RESTORE_ATTEMPT, [(run, *each) for each in attempts])
    return int(run)


def _row_of(record: RunRecord) -> dict[str, Any]:
    """The parameters to restore a run. Raises `Refused`, `ValueNotStorable`."""
    if record.state is State.RUNNING:
        raise Refused(f"run {record.id} ({record.uid}) is RUNNING: it can be restored when it has ended; "
                      "nothing was restored")
    return {
        **{name: plain_text(getattr(record, name), name) for name in (
            "uid", "project", "task", "reason", "submitted_by", "search", "note")},
        **{name: tree_text(getattr(record, name), name) for name in (
            "submitted", "scenario", "config", "metrics", "info")},
        "code": tree_text(record.code or None, "code"),
        **{name: getattr(record, name) for name in (
            "priority", "losses", "max_losses", "failures", "max_failures", "seed", "parent")},
        "state": record.state, "attempt": record.attempts[-1].number if record.attempts else 0,
        "metric": plain_text(record.metric.name, "metric.name"), "goal": record.metric.goal,
        "result": record.result, "special": special_of(record.result), "validated": int(record.validated),
        "tags": checked_tags(record.tags), "progress": progress_text(record.progress),
        "submitted_at": _moment(record.submitted_at) or NOT_KNOWN, "finished_at": _moment(record.finished_at),
    }


def _attempt_row(attempt: Attempt) -> Row:
    """The parameters of `RESTORE_ATTEMPT` after the run's id."""
    worker = NOT_KNOWN if attempt.worker is None else owner_text(attempt.worker)
    return (attempt.number, attempt.outcome, plain_text(attempt.reason, "attempt.reason"), worker,
            _moment(attempt.started_at) or NOT_KNOWN, _moment(attempt.ended_at),
            plain_text(attempt.traceback, "attempt.traceback"),
            tree_text(attempt.provenance, "attempt.provenance"),
            None if attempt.late is None else late_text(attempt.late), new_token())


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment_text(moment)
