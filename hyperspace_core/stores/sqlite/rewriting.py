"""Migrations of stored configs, applied run by run; an undo restores every byte."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from hyperspace_core.errors import NotFound, Refused
from hyperspace_core.records.codec import from_text, storable, to_text
from hyperspace_core.records.migration import Migration, Rewrite, Rewritten
from hyperspace_core.records.states import State
from hyperspace_core.records.texts import plain_text, tree_text
from hyperspace_core.stores.sqlite import code_statements as sql
from hyperspace_core.stores.sqlite import statements
from hyperspace_core.stores.sqlite.base import Verbs, row_of
from hyperspace_core.stores.sqlite.rows import Row, now


class RewritingVerbs(Verbs):
    """Methods for migrations; a run's earlier texts are kept unchanged."""

    def migrations(self, project: str) -> list[Migration]:
        with self._database.using() as connection:
            return [_migration_of(row) for row in connection.execute(sql.MIGRATIONS, (project,)).fetchall()]

    def migrate(self, migration: Migration, rewrites: Sequence[Rewrite]) -> list[int]:
        name, project = plain_text(migration.name, "migration"), plain_text(migration.project, "project")
        steps = to_text(storable(list(migration.steps), "steps"))
        texts = [_Texts(rewrite) for rewrite in rewrites]
        with self._database.writing() as connection:
            _check_steps(connection, migration, steps)
            connection.execute(sql.KEEP_MIGRATION, {
                "project": project, "name": name, "steps": steps, "now": now(),
                "author": plain_text(migration.author, "author")})
            return [text.run for text in texts if _rewritten(connection, migration, text)]

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
            connection.execute(sql.UNDO_MIGRATION, (now(), project, name))
        return [run for run, *_ in undone]

    def rewritten(self, run: int) -> list[Rewritten]:
        with self._database.reading() as connection:
            row_of(connection, statements.CURRENT_ATTEMPT, run)
            rows = connection.execute(sql.REWRITES, (run,)).fetchall()
        return [Rewritten(migration=name, scenario=None if scenario is None else from_text(scenario),
                          config=None if config is None else from_text(config))
                for name, scenario, config in rows]


class _Texts:
    """The texts of a rewrite, to compare and to store. Raises `ValueNotStorable`."""

    def __init__(self, rewrite: Rewrite) -> None:
        self.run = rewrite.run
        self.before = tree_text(rewrite.old_scenario, "scenario"), tree_text(rewrite.old_config, "config")
        self.after = tree_text(rewrite.scenario, "scenario"), tree_text(rewrite.config, "config")


def _check_steps(connection: sqlite3.Connection, migration: Migration, steps: str) -> None:
    known = connection.execute(sql.MIGRATION, (migration.project, migration.name)).fetchone()
    if known is not None and known[0] != steps and known[1]:
        raise Refused(f"migration '{migration.name}' has been applied to {known[1]} runs with other steps; "
                      "use another name, or undo that migration first")


def _rewritten(connection: sqlite3.Connection, migration: Migration, text: _Texts) -> bool:
    """Rewrite a run if it is unchanged since it was read; return whether it was."""
    row = connection.execute(sql.REWRITABLE, (text.run, migration.project, migration.name)).fetchone()
    if row is None or not State(row[0]).terminal or tuple(row[1:]) != text.before:
        return False
    connection.execute(sql.KEEP_REWRITE, {"run": text.run, "migration": migration.name})
    connection.execute(sql.REWRITE, (*text.after, text.run))
    return True


def _migration_of(row: Row) -> Migration:
    name, project, steps, author, at, undone_at, runs = row
    return Migration(name=name, project=project, steps=tuple(from_text(steps)), author=author, runs=runs,
                     at=datetime.fromisoformat(at),
                     undone_at=None if undone_at is None else datetime.fromisoformat(undone_at))
