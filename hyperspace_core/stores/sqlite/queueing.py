"""The queue: settings, submit, claim, and waiting for a run to claim."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from time import monotonic
from typing import Any

from hyperspace_core.errors import UsageError
from hyperspace_core.records.run import Claim, Lease, NewRun, Owner
from hyperspace_core.records.states import State
from hyperspace_core.records.texts import owner_text, plain_text, tree_text
from hyperspace_core.storage import QueueSettings
from hyperspace_core.stores.sqlite import statements as sql
from hyperspace_core.stores.sqlite.base import Verbs, ring, settings_row, standing
from hyperspace_core.stores.sqlite.code_statements import ADD_CODE
from hyperspace_core.stores.sqlite.reading import record
from hyperspace_core.stores.sqlite.rows import (
    Row,
    attempt_of_row,
    checked_tags,
    now,
    numbers_text,
    record_of,
    texts_text,
)

LOOK_S = 0.02                  # interval at which a waiting thread checks for writes


class QueueVerbs(Verbs):
    """Transitions T1 and T2, and the queue's settings."""

    # -- settings --------------------------------------------------------------------------------------------

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
            connection.execute(sql.CHANGE_SETTINGS, (*settings_row(changed), project))
        return changed

    # -- T1 --------------------------------------------------------------------------------------------------

    def submit(self, runs: Sequence[NewRun], *, owner: Owner | None = None,
               tokens: Sequence[str] = ()) -> list[int]:
        if tokens and (owner is None or len(tokens) != len(runs)):
            raise UsageError(f"submit: {len(tokens)} tokens for {len(runs)} runs; give the owner, and one "
                             "token a run")
        moment = now()
        rows = [_row_of(run, tokens[place] if tokens else None, moment) for place, run in enumerate(runs)]
        with self._database.writing() as connection:
            new = _added(connection, rows)
            if owner is not None and tokens:
                worker = owner_text(owner)
                connection.executemany(sql.ADD_ATTEMPT, [
                    (row["id"], 1, row["token"], worker, moment) for row in new])
        return [row["id"] for row in rows]

    # -- T2 --------------------------------------------------------------------------------------------------

    def claim(self, project: str, owner: Owner, token: str, *, tasks: Collection[str] | None = None,
              exclude: Collection[int] = (), only: Collection[int] | None = None) -> Claim | None:
        wanted = {"project": project, "now": now(), "token": token,
                  "tasks": None if tasks is None else texts_text(tasks),
                  "exclude": numbers_text(exclude) if exclude else None,
                  "only": None if only is None else numbers_text(only)}
        if not self._found_last(project):
            with self._database.using() as connection:
                repeat, changes, candidate = connection.execute(sql.LOOK, wanted).fetchone()
            if repeat:
                return self._claimed_before(token)
            if candidate is None:          # avoids a needless lock
                self._has_looked(project, changes or 0)
                return None
        worker = owner_text(owner)
        with self._database.writing() as connection:
            taken: list[Row] = connection.execute(sql.CLAIM, wanted).fetchall()
            for attempt, run, *_ in taken:
                connection.execute(sql.ADD_ATTEMPT, (run, attempt, token, worker, wanted["now"]))
        self._note_found(project, bool(taken))
        if not taken:
            return self._claimed_before(token)
        attempt, *row = taken[0]
        # only the owner, which is the caller, writes what is read here: no lock is needed
        with self._database.using() as connection:
            body = connection.execute(sql.BODY_OF, (row[0],)).fetchone()
            attempts = connection.execute(sql.ATTEMPTS, (row[0],)).fetchall()
        return Claim(lease=Lease(run=row[0], attempt=attempt, token=token),
                     record=record_of((*row, *body), tuple(map(attempt_of_row, attempts))))

    def wait_for_change(self, project: str, timeout_s: float) -> bool:
        until = monotonic() + timeout_s
        version = None
        while True:
            with self._database.using() as connection:
                (current,) = connection.execute(sql.DATA_VERSION).fetchone()
                if current != version:
                    version = current
                    changes = _changes(connection, project)
                    if changes != self._seen().get(project, 0):
                        self._has_looked(project, changes)
                        return True
            left = until - monotonic()
            if left <= 0:
                return False
            self._database.closed.wait(min(LOOK_S, left))

    # -- helpers ---------------------------------------------------------------------------------------------

    def _claimed_before(self, token: str) -> Claim | None:
        """The claim whose answer was lost; None if its lease has ended."""
        with self._database.reading() as connection:
            for run, in connection.execute(sql.OF_TOKEN, (token,)).fetchall():
                found = standing(connection, run)
                lease = Lease(run=run, attempt=found.attempt, token=token)
                if found.held_by(lease):
                    return Claim(lease=lease, record=record(connection, run))
        return None

    def _found_last(self, project: str) -> bool:
        """Whether this thread's last claim found a run; the next one probably does, too."""
        found: bool = self._looked.__dict__.get("found", {}).get(project, False)
        return found

    def _note_found(self, project: str, found: bool) -> None:
        self._looked.__dict__.setdefault("found", {})[project] = found

    def _seen(self) -> dict[str, int]:
        """Project → number of changes that this thread has seen; empty in a new thread."""
        seen: dict[str, int] = self._looked.__dict__.setdefault("seen", {})
        return seen

    def _has_looked(self, project: str, changes: int) -> None:
        self._seen()[project] = changes


def queued(connection: sqlite3.Connection, runs: Sequence[NewRun]) -> list[int]:
    """Submit runs (T1) in the caller's transaction. Raises `ValueNotStorable`."""
    rows = [_row_of(run, None, now()) for run in runs]
    _added(connection, rows)
    return [row["id"] for row in rows]


def _added(connection: sqlite3.Connection, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Store the new rows and return them. Each row, new or known, gets its `id`."""
    new = _numbered(connection, rows)
    connection.executemany(sql.ADD_RUN, new)
    connection.executemany(sql.ADD_BODY, new)
    connection.executemany(ADD_CODE, [row for row in new if row["code"] is not None])
    for project in {row["project"] for row in new if row["state"] is State.QUEUED}:
        ring(connection, project)
    return new


def _row_of(run: NewRun, token: str | None, moment: str) -> dict[str, Any]:
    """The parameters of `ADD_RUN` and `ADD_BODY`. Raises `ValueNotStorable`."""
    return {
        "uid": plain_text(run.uid, "uid"), "project": plain_text(run.project, "project"),
        "task": plain_text(run.task, "task"), "submitted_by": plain_text(run.submitted_by, "submitted_by"),
        "state": State.QUEUED if token is None else State.RUNNING, "attempt": 0 if token is None else 1,
        "token": token, "now": moment,
        "priority": run.priority, "max_losses": run.max_losses, "max_failures": run.max_failures,
        "metric": plain_text(run.metric.name, "metric.name"), "goal": run.metric.goal, "seed": run.seed,
        "validated": int(run.validated), "tags": checked_tags(run.tags), "note": plain_text(run.note, "note"),
        "parent": run.parent, "search": plain_text(run.search, "search"),
        "submitted": tree_text(run.submitted, "submitted"), "scenario": tree_text(run.scenario, "scenario"),
        "config": tree_text(run.config, "config"), "code": tree_text(run.code or None, "code"),
    }


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
    connection.execute(sql.KEEP_SETTINGS, (project, *settings_row(QueueSettings())))
    return _settings_of(connection.execute(sql.SETTINGS, (project,)).fetchone())


def _settings_of(row: Row) -> QueueSettings:
    paused, heartbeat_s, ttl_s = row
    return QueueSettings(paused=bool(paused), heartbeat_s=heartbeat_s, ttl_s=ttl_s)


def _changes(connection: sqlite3.Connection, project: str) -> int:
    (changes,) = connection.execute(sql.CHANGES, (project,)).fetchone() or (0,)
    return int(changes)
