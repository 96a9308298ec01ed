"""Edits of runs by users: cancel, pause, resume, requeue, annotate, delete."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import NotFound, Refused
from hyperspace_core.records import codec
from hyperspace_core.records.info import amended, check_ended
from hyperspace_core.records.run import Attempt, Migration, Rewrite, Rewritten, RunRecord
from hyperspace_core.records.states import Command, State, Verb, next_state
from hyperspace_core.storage import new_token
from hyperspace_core.stores.sqlite import sql
from hyperspace_core.stores.sqlite.base import Standing, Verbs, ring, row_of, standing
from hyperspace_core.stores.sqlite.runs import record


class EditVerbs(Verbs):
    """Transitions T9, T11 and T14, notes, deletion, and restoring the runs of another store."""

    def cancel(self, run: int) -> State:
        return self._ask(run, Verb.CANCEL, lambda before: Command.CANCEL)

    def pause(self, run: int) -> State:
        return self._ask(run, Verb.PAUSE, lambda before: before.command or Command.PAUSE)

    def resume(self, run: int) -> State:
        with self._database.writing() as connection:
            before = standing(connection, run)
            if before.state is State.RUNNING and before.command is Command.PAUSE:
                connection.execute(sql.COMMAND, (None, run))
                return State.RUNNING
            return _moved(connection, run, before, Verb.RESUME)

    def requeue(self, run: int) -> State:
        with self._database.writing() as connection:
            before = standing(connection, run)
            state = next_state(run, before.state, Verb.REQUEUE)
            connection.execute(sql.REQUEUE, (run,))
            connection.execute(sql.FORGET_METRICS, (run,))
            ring(connection, before.project)
        return state

    def annotate(self, run: int, *, add_tags: Collection[str] = (), remove_tags: Collection[str] = (),
                 note: str | None = None, priority: int | None = None) -> RunRecord:
        note = codec.plain_text(note, "note")
        with self._database.writing() as connection:
            tags = dict.fromkeys([*record(connection, run).tags, *add_tags])
            kept = [tag for tag in tags if tag not in remove_tags]
            connection.execute(sql.ANNOTATE, (sql.checked_tags(kept), priority, run))
            if note is not None:
                connection.execute(sql.NOTE, (note, run))
            return record(connection, run)

    def amend(self, run: int, name: str, entry: Tree | None) -> RunRecord:
        codec.plain_text(name, "metric")
        with self._database.writing() as connection:
            before = record(connection, run)
            check_ended(before)
            info = codec.tree_text(amended(before.info, name, entry), "info")
            connection.execute(sql.AMEND, (info, run))
            return record(connection, run)

    def delete(self, runs: Collection[int], *, dry_run: bool = False) -> list[int]:
        wanted = sql.numbers_text(runs)
        with self._database.using() if dry_run else self._database.writing() as connection:
            found = connection.execute(sql.STATES, (wanted,)).fetchall()
            running = [str(run) for run, state in found if state == State.RUNNING]
            if running:
                which = f"run {running[0]} is" if len(running) == 1 else f"runs {', '.join(running[:10])} are"
                raise Refused(f"{which} RUNNING: cancel first, then delete; nothing was deleted")
            if not dry_run:
                connection.execute(sql.DELETE, (wanted,))
        return [run for run, _ in found]

    def restore(self, records: Sequence[RunRecord]) -> list[int]:
        rows = [_row_of(record) for record in records]
        attempts = [[_attempt_row(attempt) for attempt in record.attempts] for record in records]
        with self._database.writing() as connection:
            ids = [_restored(connection, row, tried) for row, tried in zip(rows, attempts, strict=True)]
            for project in {row["project"] for row in rows if row["state"] is State.QUEUED}:
                ring(connection, project)
        return ids

    def _ask(self, run: int, verb: Verb, command: Callable[[Standing], Command]) -> State:
        """Change the state at once, or send a command to a running run's owner."""
        with self._database.writing() as connection:
            before = standing(connection, run)
            if before.state is not State.RUNNING:
                return _moved(connection, run, before, verb)
            connection.execute(sql.COMMAND, (command(before), run))
        return State.RUNNING


def _moved(connection: sqlite3.Connection, run: int, before: Standing, verb: Verb) -> State:
    state = next_state(run, before.state, verb)
    connection.execute(sql.MOVE, (state, sql.now() if state.terminal else None, run))
    if state is State.QUEUED:
        ring(connection, before.project)
    return state


# -- Restoring of another store's records, unchanged except for their ids --

_WAITING = (State.QUEUED, State.PAUSED)


def _restored(connection: sqlite3.Connection, row: dict[str, Any], attempts: list[sql.Row]) -> int:
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
        connection.execute(sql.ADD_CODE, row)
    connection.executemany(sql.RESTORE_ATTEMPT, [(run, *each) for each in attempts])
    return int(run)


def _row_of(record: RunRecord) -> dict[str, Any]:
    """The parameters to restore a run. Raises `Refused`, `ValueNotStorable`."""
    if record.state is State.RUNNING:
        raise Refused(f"run {record.id} ({record.uid}) is RUNNING: it can be restored when it has ended; "
                      "nothing was restored")
    return sql.row_of_run(record) | {
        "state": record.state, "attempt": record.attempts[-1].number if record.attempts else 0,
        "reason": codec.plain_text(record.reason, "reason"),
        "result": record.result, "special": sql.special_of(record.result),
        "metrics": codec.tree_text(record.metrics, "metrics"), "info": codec.tree_text(record.info, "info"),
        "losses": record.losses, "failures": record.failures,
        "progress": codec.stored_progress(record.progress),
        "submitted_at": sql.moment(record.submitted_at) or sql.NOT_KNOWN,
        "finished_at": sql.moment(record.finished_at),
    }


def _attempt_row(attempt: Attempt) -> sql.Row:
    """The parameters of `RESTORE_ATTEMPT` after the run's id."""
    worker = sql.NOT_KNOWN if attempt.worker is None else codec.owner_text(attempt.worker)
    return (attempt.number, attempt.outcome, codec.plain_text(attempt.reason, "attempt.reason"), worker,
            sql.moment(attempt.started_at) or sql.NOT_KNOWN, sql.moment(attempt.ended_at),
            codec.plain_text(attempt.traceback, "attempt.traceback"),
            codec.tree_text(attempt.provenance, "attempt.provenance"),
            None if attempt.late is None else codec.late_text(attempt.late), new_token())


# -- Migrations of stored configs, applied run by run; an undo restores every byte --

class RewritingVerbs(Verbs):
    """Methods for migrations; a run's earlier texts are kept unchanged."""

    def migrations(self, project: str) -> list[Migration]:
        with self._database.using() as connection:
            return [_migration_of(row) for row in connection.execute(sql.MIGRATIONS, (project,)).fetchall()]

    def migrate(self, migration: Migration, rewrites: Sequence[Rewrite]) -> list[int]:
        name = codec.plain_text(migration.name, "migration")
        project = codec.plain_text(migration.project, "project")
        steps = codec.to_text(codec.storable(list(migration.steps), "steps"))
        texts = [(rewrite.run, _texts(rewrite.old_scenario, rewrite.old_config),
                  _texts(rewrite.scenario, rewrite.config)) for rewrite in rewrites]
        with self._database.writing() as connection:
            known = connection.execute(sql.MIGRATION, (project, name)).fetchone()
            if known is not None and known[0] != steps and known[1]:
                raise Refused(f"migration '{name}' has been applied to {known[1]} runs with other steps; use "
                              "another name, or undo that migration first")
            connection.execute(sql.KEEP_MIGRATION, {
                "project": project, "name": name, "steps": steps, "now": sql.now(),
                "author": codec.plain_text(migration.author, "author")})
            return [run for run, before, after in texts
                    if _rewritten(connection, migration, run, before, after)]

    def unmigrate(self, project: str, name: str) -> list[int]:
        with self._database.writing() as connection:
            if connection.execute(sql.MIGRATION, (project, name)).fetchone() is None:
                known = [row[0] for row in connection.execute(sql.MIGRATIONS, (project,)).fetchall()]
                raise NotFound(f"no migration '{name}' of project '{project}'"
                               f" (applied: {', '.join(known) or 'none'})")
            later = connection.execute(sql.LATER_MIGRATION, (project, name)).fetchone()
            if later is not None:
                raise Refused(f"migration '{name}': run {later[0]} was rewritten by '{later[1]}' after it; "
                              f"undo '{later[1]}' first")
            undone = connection.execute(sql.REWRITTEN_BY, (project, name)).fetchall()
            for run, scenario, config in undone:
                connection.execute(sql.REWRITE, (scenario, config, run))
            connection.execute(sql.FORGET_REWRITES, (project, name))
            connection.execute(sql.UNDO_MIGRATION, (sql.now(), project, name))
        return [run for run, *_ in undone]

    def rewritten(self, run: int) -> list[Rewritten]:
        with self._database.reading() as connection:
            row_of(connection, sql.CURRENT_ATTEMPT, run)
            rows = connection.execute(sql.REWRITES, (run,)).fetchall()
        return [Rewritten(migration=name, scenario=None if scenario is None else codec.from_text(scenario),
                          config=None if config is None else codec.from_text(config))
                for name, scenario, config in rows]


_Texts = tuple[str | None, str | None]     # of scenario and config, to compare and to store


def _texts(scenario: Tree | None, config: Tree | None) -> _Texts:
    return codec.tree_text(scenario, "scenario"), codec.tree_text(config, "config")


def _rewritten(connection: sqlite3.Connection, migration: Migration, run: int, before: _Texts,
               after: _Texts) -> bool:
    """Rewrite a run if it is unchanged since it was read; return whether it was."""
    row = connection.execute(sql.REWRITABLE, (run, migration.project, migration.name)).fetchone()
    if row is None or not State(row[0]).terminal or tuple(row[1:]) != before:
        return False
    connection.execute(sql.KEEP_REWRITE, {"run": run, "migration": migration.name})
    connection.execute(sql.REWRITE, (*after, run))
    return True


def _migration_of(row: sql.Row) -> Migration:
    name, project, steps, author, at, undone_at, runs = row
    return Migration(name=name, project=project, steps=tuple(codec.from_text(steps)), author=author,
                     runs=runs, at=datetime.fromisoformat(at),
                     undone_at=codec.moment_of(undone_at))
