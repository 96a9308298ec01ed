"""Resolve ids, attempt numbers and filter texts given by a user."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import TypeVar

from hyperspace_core.config.tree import HIGHEST, is_whole_number, shown, unwrapped
from hyperspace_core.errors import NotFound, UsageError
from hyperspace_core.records.filter import Condition, parse_condition
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.search import SearchRecord
from hyperspace_core.storage import Searches, Store

R = TypeVar("R")


def get_run(store: Store, project: str, run: int) -> RunRecord:
    """A run. Raises `NotFound` (with the known ids) or `UsageError` (not an id)."""
    record = _read(store.get, "run", run)
    if record is not None and record.project == project:
        return record
    known = store.ids(project)
    raise _not_there("run", run, project, f"{known[0]} to {known[1]}" if known else "")


def get_search(store: Store, project: str, search: int) -> SearchRecord:
    """A search. Raises `NotFound` (with the known ids), `UsageError` (not an id) or `StoreError`."""
    kept = Searches.of(store)
    record = _read(kept.get_search, "search", search)
    if record is not None and record.project == project:
        return record
    known = [str(one.id) for one in kept.searches(project)]
    raise _not_there("search", search, project, f"{', '.join(known[:10])}{', …' if len(known) > 10 else ''}")


def _read(read: Callable[[int], R], what: str, given: object) -> R | None:
    """The record with this id, or None. Raises `UsageError` (not an id)."""
    number = unwrapped(given)              # the index of a data frame holds numpy integers
    if not is_whole_number(number):
        raise UsageError(f"not a {what} id: expected a whole number, got {shown(number)}")
    if 0 < number <= HIGHEST:
        with contextlib.suppress(NotFound):
            return read(number)
    return None


def _not_there(what: str, given: object, project: str, known: str) -> NotFound:
    has = f"has {known}" if known else "has none yet"
    number = shown(unwrapped(given)).partition(" ")[2]
    return NotFound(f"no {what} {number} in this store (project '{project}' {has})")


def pick_attempt(record: RunRecord, number: int | None) -> int | None:
    """This attempt number, or the last; None without attempts. Raises `NotFound`."""
    there = [attempt.number for attempt in record.attempts]
    if number is None:
        return there[-1] if there else None
    if number not in there:
        has = f"it has {', '.join(map(str, there))}" if there else f"it is {record.state} and has not started"
        raise NotFound(f"run {record.id} has no attempt {number}; {has}")
    return number


def conditions(where: str | Iterable[str | Condition]) -> tuple[Condition, ...]:
    """Parse texts of the filter grammar; conditions pass unchanged."""
    items = [where] if isinstance(where, str) else where
    return tuple(item if isinstance(item, Condition) else parse_condition(item) for item in items)
