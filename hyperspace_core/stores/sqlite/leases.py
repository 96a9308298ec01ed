"""Fenced writes by owners of runs, and recovery of runs whose owner is gone."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Any

from hyperspace_core.records.codec import from_text, to_text
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import BeatAnswer, Finish, Held, Late, Lease, Owner, Update
from hyperspace_core.records.states import (
    Command,
    Outcome,
    State,
    after_finish,
    after_reap,
    after_release,
    reason_of_reap,
)
from hyperspace_core.records.texts import (
    late_text,
    moment_text,
    owner_of,
    owner_text,
    plain_text,
    progress_text,
    tree_text,
)
from hyperspace_core.stores.sqlite import statements as sql
from hyperspace_core.stores.sqlite.base import Standing, Verbs, current_attempt, ring, standing, standing_of
from hyperspace_core.stores.sqlite.rows import now, special_of


class LeaseVerbs(Verbs):
    """Transitions T3 to T8, T10, T12 and T13."""

    def beat(self, lease: Lease, progress: Progress | None = None) -> BeatAnswer:
        text = progress_text(progress)
        with self._database.writing() as connection:
            rows = connection.execute(sql.BEAT, (text, lease.run, lease.attempt, lease.token)).fetchall()
            if not rows:
                standing(connection, lease.run)
                return BeatAnswer(held=False)
        (command,) = rows[0]
        return BeatAnswer(held=True, command=None if command is None else Command(command))

    def update(self, lease: Lease, change: Update) -> bool:
        scenario, config = tree_text(change.scenario, "scenario"), tree_text(change.config, "config")
        info, provenance = tree_text(change.info, "info"), tree_text(change.provenance, "provenance")
        metric = (None, None) if change.metric is None else (plain_text(change.metric.name, "metric.name"),
                                                             change.metric.goal)
        with self._database.writing() as connection:
            if not standing(connection, lease.run).held_by(lease):
                return False
            connection.execute(sql.FILL_RUN, (*metric, change.seed, lease.run))
            connection.execute(sql.FILL_BODY, (scenario, config, info, lease.run))
            if provenance is not None:
                _add_sections(connection, lease, from_text(provenance))
        return True

    def finish(self, lease: Lease, finish: Finish) -> bool:
        finish.check()
        metrics, info = tree_text(finish.metrics, "metrics"), tree_text(finish.info, "info")
        reason, traceback = plain_text(finish.reason, "reason"), plain_text(finish.traceback, "traceback")
        with self._database.writing() as connection:
            run = standing(connection, lease.run)
            if not run.held_by(lease):
                return _ended(connection, lease) is finish.outcome
            state, failures = after_finish(finish.outcome, run.command, run.failures,
                                           run.max_failures, retry=finish.retry)
            _settle(connection, lease, run, state, reason=reason, failures=failures,
                    result=None if finish.result is None else float(finish.result),
                    not_before=_not_before(finish) if state is State.QUEUED else None)
            _end(connection, lease, finish.outcome, reason, traceback)
            connection.execute(sql.KEEP_RESULT, (metrics, info, lease.run))
        return True

    def release(self, lease: Lease, reason: str | None = None) -> bool:
        reason = plain_text(reason, "reason")
        with self._database.writing() as connection:
            run = standing(connection, lease.run)
            if not run.held_by(lease):
                return _ended(connection, lease) is Outcome.RELEASED
            _settle(connection, lease, run, after_release(run.command), reason=reason)
            _end(connection, lease, Outcome.RELEASED, reason)
        return True

    def held(self, project: str) -> list[Held]:
        with self._database.using() as connection:
            rows = connection.execute(sql.HELD, (project,)).fetchall()
        return [Held(run=run, attempt=attempt, token=token, beat=beat, owner=owner_of(worker))
                for run, attempt, token, beat, worker in rows]

    def reap(self, seen: Held, reason: str = "") -> State | None:
        plain_text(reason, "reason")
        lease = Lease(run=seen.run, attempt=seen.attempt, token=seen.token)
        with self._database.writing() as connection:
            row = connection.execute(sql.REAPABLE, (seen.run, seen.attempt, seen.token, seen.beat)).fetchone()
            if row is None:
                return None
            run = standing_of(row)
            losses = run.losses + 1
            state = after_reap(run.command, losses, run.max_losses)
            _settle(connection, lease, run, state, reason=reason_of_reap(state, losses), losses=losses)
            _end(connection, lease, Outcome.LOST, reason or None)
        return state

    def readopt(self, lease: Lease, owner: Owner) -> bool:
        worker = owner_text(owner)
        key = {"run": lease.run, "attempt": lease.attempt, "token": lease.token}
        with self._database.writing() as connection:
            if standing(connection, lease.run).held_by(lease):     # a repeated call
                return True
            if not connection.execute(sql.READOPT, key).fetchall():
                return False
            connection.execute(sql.REOPEN_ATTEMPT, (worker, lease.run, lease.attempt))
        return True

    def late(self, lease: Lease, finish: Finish) -> bool:
        note = late_text(Late(outcome=finish.outcome, reason=finish.reason, result=finish.result,
                              metrics=finish.metrics, at=datetime.now(UTC)))
        with self._database.writing() as connection:
            kept = connection.execute(sql.LATE, (note, lease.run, lease.attempt, lease.token)).rowcount
            current_attempt(connection, lease.run)
        return bool(kept)


def _not_before(finish: Finish) -> str | None:
    moment = finish.not_before(datetime.now(UTC))
    return None if moment is None else moment_text(moment)


def _settle(connection: sqlite3.Connection, lease: Lease, run: Standing, state: State, *, reason: str | None,
            losses: int | None = None, failures: int | None = None, result: float | None = None,
            not_before: str | None = None) -> None:
    connection.execute(sql.SETTLE, {
        "run": lease.run, "state": state, "reason": reason, "result": result, "special": special_of(result),
        "losses": run.losses if losses is None else losses,
        "failures": run.failures if failures is None else failures,
        "not_before": not_before, "finished_at": now() if state.terminal else None})
    if state is State.QUEUED:
        ring(connection, run.project)


def _end(connection: sqlite3.Connection, lease: Lease, outcome: Outcome, reason: str | None,
         traceback: str | None = None) -> None:
    connection.execute(sql.END_ATTEMPT, {"run": lease.run, "attempt": lease.attempt, "outcome": outcome,
                                         "reason": reason, "traceback": traceback, "now": now()})


def _ended(connection: sqlite3.Connection, lease: Lease) -> Outcome | None:
    """The attempt's outcome, so that a repeated call gets the same answer."""
    row = connection.execute(sql.ATTEMPT_OF, (lease.run, lease.attempt, lease.token)).fetchone()
    return None if row is None or row[0] is None else Outcome(row[0])


def _add_sections(connection: sqlite3.Connection, lease: Lease, sections: dict[str, Any]) -> None:
    key = (lease.run, lease.attempt)
    (text,) = connection.execute(sql.PROVENANCE, key).fetchone()
    connection.execute(sql.KEEP_PROVENANCE, (to_text(from_text(text) | sections), *key))
