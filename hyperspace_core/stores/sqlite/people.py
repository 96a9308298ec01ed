"""Edits of runs by users: cancel, pause, resume, requeue, annotate, delete."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection

from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import Refused
from hyperspace_core.records.rescored import amended, check_ended
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import Command, State, Verb, next_state
from hyperspace_core.records.texts import plain_text, tree_text
from hyperspace_core.stores.sqlite import statements as sql
from hyperspace_core.stores.sqlite.base import Standing, Verbs, ring, standing
from hyperspace_core.stores.sqlite.reading import record
from hyperspace_core.stores.sqlite.rows import checked_tags, now, numbers_text


class PeoplesVerbs(Verbs):
    """Transitions T9, T11 and T14, notes, and deletion."""

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
        note = plain_text(note, "note")
        with self._database.writing() as connection:
            tags = dict.fromkeys([*record(connection, run).tags, *add_tags])
            kept = [tag for tag in tags if tag not in remove_tags]
            connection.execute(sql.ANNOTATE, (checked_tags(kept), priority, run))
            if note is not None:
                connection.execute(sql.NOTE, (note, run))
            return record(connection, run)

    def amend(self, run: int, name: str, entry: Tree | None) -> RunRecord:
        plain_text(name, "metric")
        with self._database.writing() as connection:
            before = record(connection, run)
            check_ended(before)
            info = tree_text(amended(before.info, name, entry), "info")
            connection.execute(sql.AMEND, (info, run))
            return record(connection, run)

    def delete(self, runs: Collection[int], *, dry_run: bool = False) -> list[int]:
        wanted = numbers_text(runs)
        with self._database.using() if dry_run else self._database.writing() as connection:
            found = connection.execute(sql.STATES, (wanted,)).fetchall()
            running = [str(run) for run, state in found if state == State.RUNNING]
            if running:
                which = f"run {running[0]} is" if len(running) == 1 else f"runs {', '.join(running[:10])} are"
                raise Refused(f"{which} RUNNING: cancel first, then delete; nothing was deleted")
            if not dry_run:
                connection.execute(sql.DELETE, (wanted,))
        return [run for run, _ in found]

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
    connection.execute(sql.MOVE, (state, now() if state.terminal else None, run))
    if state is State.QUEUED:
        ring(connection, before.project)
    return state
