"""The order in which runs are copied, and the mapping of their parents' ids."""

from __future__ import annotations

from collections.abc import Iterator

from hyperspace_core.errors import NotFound
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.storage import Store


def parents_first(store: Store, where: RunFilter) -> Iterator[RunRecord]:
    """The matching runs, oldest first, each after its parent if that matches, too."""
    given: set[int] = set()
    for record in store.find(where, order=ORDER_OLDEST):
        line = {record.id: record}         # ancestors that were not yielded yet
        last: RunRecord | None = record
        while last is not None and last.parent is not None and last.parent > record.id:
            known = last.parent in given or last.parent in line
            last = None if known else _matching(store, where, last.parent)
            if last is not None:
                line[last.id] = last
        for one in reversed(line.values()):
            if one.id not in given:
                given.add(one.id)
                yield one


def _matching(store: Store, where: RunFilter, run: int) -> RunRecord | None:
    found = get(store, run)
    return found if found is not None and where.matches(found) else None


class Parents:
    """The ids of parents at the destination."""

    def __init__(self, source: Store, target: Store) -> None:
        self._source, self._target = source, target
        self._there: dict[int, int | None] = {}

    def __setitem__(self, run: int, there: int) -> None:
        self._there[run] = there

    def of(self, record: RunRecord) -> int | None:
        """The parent's id at the destination; None where there is no such parent."""
        if record.parent is None:
            return None
        if record.parent not in self._there:
            self._there[record.parent] = self._found(record.parent)
        return self._there[record.parent]

    def _found(self, run: int) -> int | None:
        """The id of a parent outside this copy, which an earlier copy may have brought."""
        parent = get(self._source, run)
        return None if parent is None else known(self._target, [parent]).get(parent.uid)


def known(store: Store, records: list[RunRecord]) -> dict[str, int]:
    """The ids of the given runs that a store has, by uid."""
    return {uid: record.id for uid, record in known_records(store, records).items()}


def known_records(store: Store, records: list[RunRecord]) -> dict[str, RunRecord]:
    """The store's records of the given runs, by uid."""
    uids = tuple(record.uid for record in records)
    return {found.uid: found for found in store.find(RunFilter(uids=uids))} if uids else {}


def get(store: Store, run: int) -> RunRecord | None:
    """The record; None where it has been deleted."""
    try:
        return store.get(run)
    except NotFound:
        return None
