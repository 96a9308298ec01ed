"""The queue: settings, submit, claim, and waiting for a run to claim."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from hyperspace_core.errors import UsageError
from hyperspace_core.records import codec, states
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import BeatAnswer, Claim, Finish, Held, Late, Lease, NewRun, Owner, Update
from hyperspace_core.records.states import Command, Outcome, State
from hyperspace_core.storage import QueueSettings
from hyperspace_core.stores.sqlite import base, sql
from hyperspace_core.stores.sqlite.runs import record

LOOK_S = 0.02                  # interval at which a waiting thread checks for writes


class QueueVerbs(base.Verbs):
    """Transitions T1 and T2, and the queue's settings."""

    def settings(self, project: str) -> QueueSettings:
        with self._database.using() as connection:
            row = connection.execute(sql.SETTINGS, (project,)).fetchone()
        if row is None and self._database.refusal is None:
            with self._database.writing() as connection:
                return _kept_settings(connection, project)
        return QueueSettings() if row is None else _settings_of(row)

    def change_settings(self, project: str, *, paused: bool | None = None, heartbeat_s: float | None = None,
                        ttl_s: float | None = None) -> QueueSettings:
        with self._database.writing() as connection:
            settings = _kept_settings(connection, project)
            changed = QueueSettings(
                paused=settings.paused if paused is None else paused,
                heartbeat_s=settings.heartbeat_s if heartbeat_s is None else heartbeat_s,
                ttl_s=settings.ttl_s if ttl_s is None else ttl_s)
            changed.check(project)
            connection.execute(sql.CHANGE_SETTINGS, (*base.settings_row(changed), project))
        return changed

    def submit(self, runs: Sequence[NewRun], *, owner: Owner | None = None,
               tokens: Sequence[str] = ()) -> list[int]:
        if tokens and (owner is None or len(tokens) != len(runs)):
            raise UsageError(f"submit: {len(tokens)} tokens for {len(runs)} runs; give the owner, and one "
                             "token a run")
        moment = sql.now()
        rows = [_row_of(run, tokens[place] if tokens else None, moment) for place, run in enumerate(runs)]
        with self._database.writing() as connection:
            new = _added(connection, rows)
            if owner is not None and tokens:
                worker = codec.owner_text(owner)
                connection.executemany(sql.ADD_ATTEMPT, [
                    (row["id"], 1, row["token"], worker, moment) for row in new])
        return [row["id"] for row in rows]

    def claim(self, project: str, owner: Owner, token: str, *, tasks: Collection[str] | None = None,
              exclude: Collection[int] = (), only: Collection[int] | None = None) -> Claim | None:
        wanted = {"project": project, "now": sql.now(), "token": token,
                  "tasks": None if tasks is None else sql.texts_text(tasks),
                  "exclude": sql.numbers_text(exclude) if exclude else None,
                  "only": None if only is None else sql.numbers_text(only)}
        if not self._looked.found.get(project):        # else this claim probably finds one, too
            with self._database.using() as connection:
                repeat, changes, candidate = connection.execute(sql.LOOK, wanted).fetchone()
            if repeat:
                return self._claimed_before(token)
            if candidate is None:          # avoids a needless lock
                self._looked.changes[project] = changes or 0
                return None
        worker = codec.owner_text(owner)
        with self._database.writing() as connection:
            taken: list[sql.Row] = connection.execute(sql.CLAIM, wanted).fetchall()
            for attempt, run, *_ in taken:
                connection.execute(sql.ADD_ATTEMPT, (run, attempt, token, worker, wanted["now"]))
        self._looked.found[project] = bool(taken)
        if not taken:
            return self._claimed_before(token)
        attempt, *row = taken[0]
        # only the owner, which is the caller, writes what is read here: no lock is needed
        with self._database.using() as connection:
            body = connection.execute(sql.BODY_OF, (row[0],)).fetchone()
            attempts = connection.execute(sql.ATTEMPTS, (row[0],)).fetchall()
        return Claim(lease=Lease(run=row[0], attempt=attempt, token=token),
                     record=sql.record_of((*row, *body), tuple(map(sql.attempt_of_row, attempts))))

    def wait_for_change(self, project: str, timeout_s: float) -> bool:
        until = monotonic() + timeout_s
        version = None
        while True:
            with self._database.using() as connection:
                (current,) = connection.execute(sql.DATA_VERSION).fetchone()
                if current != version:
                    version = current
                    (changes,) = connection.execute(sql.CHANGES, (project,)).fetchone() or (0,)
                    if changes != self._looked.changes.get(project, 0):
                        self._looked.changes[project] = changes
                        return True
            left = until - monotonic()
            if left <= 0:
                return False
            self._database.closed.wait(min(LOOK_S, left))

    def _claimed_before(self, token: str) -> Claim | None:
        """The claim whose answer was lost; None if its lease has ended."""
        with self._database.reading() as connection:
            for run, in connection.execute(sql.OF_TOKEN, (token,)).fetchall():
                found = base.standing(connection, run)
                lease = Lease(run=run, attempt=found.attempt, token=token)
                if found.held_by(lease):
                    return Claim(lease=lease, record=record(connection, run))
        return None


def queued(connection: sqlite3.Connection, runs: Sequence[NewRun]) -> list[int]:
    """Submit runs (T1) in the caller's transaction. Raises `ValueNotStorable`."""
    rows = [_row_of(run, None, sql.now()) for run in runs]
    _added(connection, rows)
    return [row["id"] for row in rows]


def _added(connection: sqlite3.Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Store the new rows and return them. Each row, new or known, gets its `id`."""
    new = _numbered(connection, rows)
    connection.executemany(sql.ADD_RUN, new)
    connection.executemany(sql.ADD_BODY, new)
    connection.executemany(sql.ADD_CODE, [row for row in new if row["code"] is not None])
    for project in {row["project"] for row in new if row["state"] is State.QUEUED}:
        base.ring(connection, project)
    return new


def _row_of(run: NewRun, token: str | None, moment: str) -> dict[str, Any]:
    """The parameters of `ADD_RUN` and `ADD_BODY`. Raises `ValueNotStorable`."""
    state, attempt = (State.QUEUED, 0) if token is None else (State.RUNNING, 1)
    return sql.row_of_run(run) | {"state": state, "attempt": attempt, "token": token, "now": moment}


def _numbered(connection: sqlite3.Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each row its `id`; return the rows with a new uid."""
    (last,) = connection.execute(sql.LAST_ID).fetchone() or (0,)
    ids: dict[str, int] = {}
    new = []
    for row in rows:
        uid = row["uid"]
        known = (ids[uid],) if uid in ids else connection.execute(sql.KNOWN_UID, (uid,)).fetchone()
        if known is None:
            last += 1
            new.append(row)
        ids[uid] = row["id"] = last if known is None else known[0]
    return new


def _kept_settings(connection: sqlite3.Connection, project: str) -> QueueSettings:
    """Read the settings; store the defaults where there are none."""
    connection.execute(sql.KEEP_SETTINGS, (project, *base.settings_row(QueueSettings())))
    return _settings_of(connection.execute(sql.SETTINGS, (project,)).fetchone())


def _settings_of(row: sql.Row) -> QueueSettings:
    paused, heartbeat_s, ttl_s = row
    return QueueSettings(paused=bool(paused), heartbeat_s=heartbeat_s, ttl_s=ttl_s)


# -- Fenced writes by owners of runs, and recovery of runs whose owner is gone --

class LeaseVerbs(base.Verbs):
    """Transitions T3 to T8, T10, T12 and T13."""

    def beat(self, lease: Lease, progress: Progress | None = None) -> BeatAnswer:
        text = codec.stored_progress(progress)
        with self._database.writing() as connection:
            rows = connection.execute(sql.BEAT, (text, lease.run, lease.attempt, lease.token)).fetchall()
            if not rows:
                base.standing(connection, lease.run)
                return BeatAnswer(held=False)
        (command,) = rows[0]
        return BeatAnswer(held=True, command=None if command is None else Command(command))

    def update(self, lease: Lease, change: Update) -> bool:
        scenario, config, info, provenance = (codec.tree_text(getattr(change, name), name) for name in (
            "scenario", "config", "info", "provenance"))
        name, goal = (None, None) if change.metric is None else (change.metric.name, change.metric.goal)
        metric = codec.plain_text(name, "metric.name"), goal
        with self._database.writing() as connection:
            if not base.standing(connection, lease.run).held_by(lease):
                return False
            connection.execute(sql.FILL_RUN, (*metric, change.seed, lease.run))
            connection.execute(sql.FILL_BODY, (scenario, config, info, lease.run))
            if provenance is not None:
                key = (lease.run, lease.attempt)
                (known,) = connection.execute(sql.PROVENANCE, key).fetchone()
                sections = codec.from_text(known) | codec.from_text(provenance)
                connection.execute(sql.KEEP_PROVENANCE, (codec.to_text(sections), *key))
        return True

    def finish(self, lease: Lease, finish: Finish) -> bool:
        finish.check()
        metrics, info = codec.tree_text(finish.metrics, "metrics"), codec.tree_text(finish.info, "info")
        reason = codec.plain_text(finish.reason, "reason")
        traceback = codec.plain_text(finish.traceback, "traceback")
        with self._database.writing() as connection:
            run = base.standing(connection, lease.run)
            if not run.held_by(lease):
                return _ended(connection, lease) is finish.outcome
            state, failures = states.after_finish(finish.outcome, run.command, run.failures,
                                                  run.max_failures, retry=finish.retry)
            _settle(connection, lease, run, state, reason=reason, failures=failures,
                    result=None if finish.result is None else float(finish.result),
                    not_before=sql.moment(finish.not_before(datetime.now(UTC)))
                    if state is State.QUEUED else None)
            _end(connection, lease, finish.outcome, reason, traceback)
            connection.execute(sql.KEEP_RESULT, (metrics, info, lease.run))
        return True

    def release(self, lease: Lease, reason: str | None = None) -> bool:
        reason = codec.plain_text(reason, "reason")
        with self._database.writing() as connection:
            run = base.standing(connection, lease.run)
            if not run.held_by(lease):
                return _ended(connection, lease) is Outcome.RELEASED
            _settle(connection, lease, run, states.after_release(run.command), reason=reason)
            _end(connection, lease, Outcome.RELEASED, reason)
        return True

    def held(self, project: str) -> list[Held]:
        with self._database.using() as connection:
            rows = connection.execute(sql.HELD, (project,)).fetchall()
        return [Held(run=run, attempt=attempt, token=token, beat=beat, owner=codec.owner_of(worker))
                for run, attempt, token, beat, worker in rows]

    def reap(self, seen: Held, reason: str = "") -> State | None:
        codec.plain_text(reason, "reason")
        lease = Lease(run=seen.run, attempt=seen.attempt, token=seen.token)
        with self._database.writing() as connection:
            row = connection.execute(sql.REAPABLE, (seen.run, seen.attempt, seen.token, seen.beat)).fetchone()
            if row is None:
                return None
            run = base.standing_of(row)
            losses = run.losses + 1
            state = states.after_reap(run.command, losses, run.max_losses)
            _settle(connection, lease, run, state, reason=states.reason_of_reap(state, losses), losses=losses)
            _end(connection, lease, Outcome.LOST, reason or None)
        return state

    def readopt(self, lease: Lease, owner: Owner) -> bool:
        worker = codec.owner_text(owner)
        key = {"run": lease.run, "attempt": lease.attempt, "token": lease.token}
        with self._database.writing() as connection:
            if base.standing(connection, lease.run).held_by(lease):     # a repeated call
                return True
            if not connection.execute(sql.READOPT, key).fetchall():
                return False
            connection.execute(sql.REOPEN_ATTEMPT, (worker, lease.run, lease.attempt))
        return True

    def late(self, lease: Lease, finish: Finish) -> bool:
        note = codec.late_text(Late(outcome=finish.outcome, reason=finish.reason, result=finish.result,
                                    metrics=finish.metrics, at=datetime.now(UTC)))
        with self._database.writing() as connection:
            kept = connection.execute(sql.LATE, (note, lease.run, lease.attempt, lease.token)).rowcount
            base.current_attempt(connection, lease.run)
        return bool(kept)


def _settle(connection: sqlite3.Connection, lease: Lease, run: base.Standing, state: State, *,
            reason: str | None, losses: int | None = None, failures: int | None = None,
            result: float | None = None, not_before: str | None = None) -> None:
    connection.execute(sql.SETTLE, {
        "run": lease.run, "state": state, "reason": reason,
        "result": result, "special": sql.special_of(result),
        "losses": run.losses if losses is None else losses,
        "failures": run.failures if failures is None else failures,
        "not_before": not_before, "finished_at": sql.now() if state.terminal else None})
    if state is State.QUEUED:
        base.ring(connection, run.project)


def _end(connection: sqlite3.Connection, lease: Lease, outcome: Outcome, reason: str | None,
         traceback: str | None = None) -> None:
    connection.execute(sql.END_ATTEMPT, {"run": lease.run, "attempt": lease.attempt, "outcome": outcome,
                                         "reason": reason, "traceback": traceback, "now": sql.now()})


def _ended(connection: sqlite3.Connection, lease: Lease) -> Outcome | None:
    """The attempt's outcome, so that a repeated call gets the same answer."""
    row = connection.execute(sql.ATTEMPT_OF, (lease.run, lease.attempt, lease.token)).fetchone()
    return None if row is None or row[0] is None else Outcome(row[0])
