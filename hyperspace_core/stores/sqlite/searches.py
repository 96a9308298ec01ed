"""Stored searches, and the transaction that adds a search's next run."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Any

from hyperspace_core.config.tree import HIGHEST
from hyperspace_core.errors import NotFound, Refused, UsageError
from hyperspace_core.records import search as fields
from hyperspace_core.records.codec import from_text, moment_of, plain_text, tree_text
from hyperspace_core.records.run import NewRun
from hyperspace_core.records.search import Budget, NewSearch, SearchRecord, SearchState
from hyperspace_core.stores.sqlite import sql
from hyperspace_core.stores.sqlite.base import Verbs, ring
from hyperspace_core.stores.sqlite.queue import queued


class SearchVerbs(Verbs):
    """Methods for searches; each is one transaction."""

    def add_search(self, search: NewSearch) -> int:
        row = _row_of(search) | {"now": sql.now()}
        with self._database.writing() as connection:
            connection.execute(sql.ADD_SEARCH, row)
            ring(connection, search.project)
            (number,) = connection.execute(sql.KNOWN_SEARCH, (row["uid"],)).fetchone()
        return int(number)

    def restore_search(self, record: SearchRecord) -> int:
        row = _row_of(record) | {
            "state": fields.resting(record.state), "reason": plain_text(record.reason, "reason"),
            "proposed": record.proposed, "redrawn": record.redrawn, "repeats": record.repeats,
            "submitted_at": sql.moment(record.submitted_at) or sql.NOT_KNOWN,
            "ended_at": sql.moment(record.ended_at) or sql.NOT_KNOWN}
        if record.state is not SearchState.ENDED:
            row |= {"reason": None, "ended_at": None}
        with self._database.writing() as connection:
            connection.execute(sql.RESTORE_SEARCH, row)
            (number,) = connection.execute(sql.KNOWN_SEARCH, (row["uid"],)).fetchone()
        return int(number)

    def get_search(self, search: int) -> SearchRecord:
        with self._database.using() as connection:
            return _search(connection, search)

    def searches(self, project: str, *, states: Collection[SearchState] = (),
                 uids: Collection[str] = ()) -> list[SearchRecord]:
        wanted = {"project": project, "states": sql.texts_text(states) if states else None,
                  "uids": sql.texts_text(uids) if uids else None}
        with self._database.using() as connection:
            return [_search_of(row) for row in connection.execute(sql.SEARCHES, wanted).fetchall()]

    def propose(self, search: int, number: int, run: NewRun, *, redrawn: int = 0,
                repeat: bool = False) -> int | None:
        with self._database.writing() as connection:
            found = _search(connection, search)
            fields.check_proposal(found, number, run)
            if found.proposed > number:            # another worker was faster, or this answer was lost
                row = connection.execute(sql.PROPOSAL, (run.uid,)).fetchone()
                same = row is not None and row[1:] == (tree_text(run.config, "config"), run.seed)
                return int(row[0]) if same else None
            if found.state is not SearchState.OPEN or found.proposed != number:
                return None
            (added,) = queued(connection, [run])
            connection.execute(sql.PROPOSED, (redrawn, int(repeat), search))
            return added

    def end_search(self, search: int, reason: str, *, proposed: int | None = None) -> bool:
        with self._database.writing() as connection:
            found = _search(connection, search)
            judged = proposed is None or (found.state is SearchState.OPEN and found.proposed == proposed)
            if found.state is SearchState.ENDED or not judged:
                return False
            connection.execute(sql.END, (plain_text(reason, "reason"), sql.now(), search))
            return True

    def change_search(self, search: int, *, state: SearchState | None = None, budget: Budget | None = None,
                      priority: int | None = None) -> SearchRecord:
        if state is SearchState.ENDED:
            raise UsageError("change_search: cannot end a search without a reason; use end_search")
        with self._database.writing() as connection:
            found = _search(connection, search)
            if state is SearchState.PAUSED and found.state is SearchState.ENDED:
                raise Refused(f"search {search} has ended ({found.reason}); it cannot be paused")
            if state is not None:
                connection.execute(sql.MOVE_SEARCH, (state, search))
            text = None if budget is None else tree_text(fields.budget_tree(budget), "budget")
            connection.execute(sql.CHANGE, (text, priority, search))
            ring(connection, found.project)
            return _search(connection, search)


def _row_of(search: NewSearch) -> dict[str, Any]:
    """The columns shared by adding and restoring. Raises `ValueNotStorable`."""
    return {"uid": plain_text(search.uid, "uid"), "project": plain_text(search.project, "project"),
            "task": plain_text(search.task, "task"), "priority": search.priority,
            "budget": tree_text(fields.budget_tree(search.budget), "budget"),
            "plan": tree_text(fields.plan_tree(search), "search")}


def _search(connection: sqlite3.Connection, search: int) -> SearchRecord:
    """Read a search. Raises `NotFound`."""
    known = 0 < search <= HIGHEST
    row: sql.Row | None = connection.execute(sql.SEARCH, (search,)).fetchone() if known else None
    if row is None:
        raise NotFound(f"no search {search} in this store")
    return _search_of(row)


def _search_of(row: sql.Row) -> SearchRecord:
    values: dict[str, Any] = dict(zip(sql.COLUMNS, row, strict=True))
    return SearchRecord(
        **values | fields.plan_fields(from_text(values.pop("plan"))) | {
            "state": SearchState(values["state"]), "budget": fields.budget_of(from_text(values["budget"])),
            "submitted_at": moment_of(values["submitted_at"]), "ended_at": moment_of(values["ended_at"])})
