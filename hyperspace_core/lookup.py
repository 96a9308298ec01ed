"""From what a person says to the run, the search, the attempt or the conditions that are meant."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from hyperspace_core.config.tree import HIGHEST, shown, unwrapped
from hyperspace_core.errors import NotFound, UsageError
from hyperspace_core.records.filter import Condition, parse_condition
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.search import SearchRecord
from hyperspace_core.storage import Store


def get_run(store: Store, project: str, run: int) -> RunRecord:
    """A run of this project; `NotFound` tells which ids there are, `UsageError` what is no id at all."""
    number = unwrapped(run)                # a frame's index is numpy's
    if isinstance(number, bool) or not isinstance(number, int):
        raise UsageError(f"not a run id: expected a whole number, got {shown(number)}")
    record = None
    if 0 < number <= HIGHEST:
        with contextlib.suppress(NotFound):
            record = store.get(number)
    if record is None or record.project != project:
        known = store.ids(project)
        has = f"has {known[0]} to {known[1]}" if known else "has none yet"
        raise NotFound(f"no run {shown(number).partition(' ')[2]} in this store (project '{project}' {has})")
    return record


def get_search(store: Store, project: str, search: int) -> SearchRecord:
    """A search of this project; `NotFound` tells which ids there are, `UsageError` what is no id at all."""
    number = unwrapped(search)
    if isinstance(number, bool) or not isinstance(number, int):
        raise UsageError(f"not a search id: expected a whole number, got {shown(number)}")
    record = None
    if 0 < number <= HIGHEST:
        with contextlib.suppress(NotFound):
            record = store.get_search(number)
    if record is None or record.project != project:
        known = [str(one.id) for one in store.searches(project)]
        has = f"has {', '.join(known[:10])}{', …' if len(known) > 10 else ''}" if known else "has none yet"
        raise NotFound(f"no search {shown(number).partition(' ')[2]} in this store (project '{project}' "
                       f"{has})")
    return record


def pick_attempt(record: RunRecord, number: int | None) -> int | None:
    """The attempt that is meant: this one, else the last; None for a run that has none. Raises `NotFound`."""
    there = [attempt.number for attempt in record.attempts]
    if number is None:
        return there[-1] if there else None
    if number not in there:
        has = f"it has {', '.join(map(str, there))}" if there else f"it is {record.state} and has not begun"
        raise NotFound(f"run {record.id} has no attempt {number}; {has}")
    return number


def conditions(where: str | Iterable[str | Condition]) -> tuple[Condition, ...]:
    """Texts of the filter grammar, or conditions, as conditions."""
    items = [where] if isinstance(where, str) else where
    return tuple(item if isinstance(item, Condition) else parse_condition(item) for item in items)
