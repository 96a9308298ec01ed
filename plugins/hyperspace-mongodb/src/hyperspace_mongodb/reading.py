"""Read records by id or by filter, including runs of other programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from hyperspace_core.errors import UsageError, did_you_mean
from hyperspace_core.records.filter import ORDER_NEWEST, ORDERS, RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_mongodb.base import Verbs
from hyperspace_mongodb.batches import SUBMITTING, Moment, decided
from hyperspace_mongodb.connection import Document
from hyperspace_mongodb.damage import Damaged
from hyperspace_mongodb.documents import record_of
from hyperspace_mongodb.foreign import foreign_record, foreign_records
from hyperspace_mongodb.narrowing import ORDERING, narrowed, place_of
from hyperspace_mongodb.narrowing import decided as decided_there
from hyperspace_mongodb.rooms import moved_texts

PAGE = 100                     # records read at a time; no cursor stays open between pages

# fields for dashboards only
UNREAD = dict.fromkeys(("captured_out", "config", "meta", "info", "fail_trace", "artifacts", "resources",
                         "host"), 0)


class ReadingVerbs(Verbs):
    """Queries of runs; they write nothing, except to complete committed batches."""

    def get(self, run: int) -> RunRecord:
        with self._database.using():
            document = self._document(run)
            if "hyperspace" not in document:
                return foreign_record(self._database, document)
            return record_of(document, moved_texts(self._database, [document]))

    def find(self, where: RunFilter, *, order: str = ORDER_NEWEST,
             limit: int | None = None) -> Iterator[RunRecord]:
        """The order is fixed at the call, as a list of ids; records are read later, page by page."""
        if order not in ORDERS:
            raise UsageError(f"order {order!r}: expected one of {', '.join(ORDERS)}"
                             f"{did_you_mean(order, ORDERS)}")
        if limit is not None and limit <= 0:
            return iter(())
        with self._database.using():
            ids, foreign = self._listed(where, order, limit if decided_there(where) else None)
        return self._stream(where, ids, foreign, limit)

    def count(self, where: RunFilter) -> dict[State, int]:
        with self._database.using():
            if decided_there(where):
                ids, foreign = self._counted(where), self._foreign(where)
                return dict(ids + Counter(record.state for record in foreign.values()))
            listed, foreign = self._listed(where, ORDER_NEWEST, None)
        return dict(Counter(found.state for found in self._stream(where, listed, foreign, None)))

    def ids(self, project: str) -> tuple[int, int] | None:
        with self._database.using():
            moment = self._batches.settle()
            where = self._visible(RunFilter(project=project), moment)
            ends = [found["_id"] for way in (1, -1) for found in
                    self._database.runs.find(where, {"_id": 1}).sort("_id", way).limit(1)]
            ends += list(self._foreign(RunFilter(project=project)))
        return (min(ends), max(ends)) if ends else None

    # -- helpers ---------------------------------------------------------------------------------------------

    def _listed(self, where: RunFilter, order: str,
                limit: int | None) -> tuple[list[int], dict[int, RunRecord]]:
        """The ids of all possible matches, in order, and the records of other programs among them."""
        moment = self._batches.settle()
        fields = {"hyperspace.priority": 1, "hyperspace.ranked": 1, "hyperspace.rank": 1}
        cursor = self._database.runs.find(self._visible(where, moment), fields).sort(ORDERING[order])
        rows = list(cursor.limit(limit) if limit else cursor)
        foreign = self._foreign(where)
        if foreign:
            places = [(place_of(row["hyperspace"], row["_id"], order), row["_id"]) for row in rows]
            places += [(place_of(_as_ours(record), run, order), run) for run, record in foreign.items()]
            return [run for _, run in sorted(places)][:limit], foreign
        return [row["_id"] for row in rows], foreign

    def _counted(self, where: RunFilter) -> Counter[State]:
        moment = self._batches.settle()
        rows = self._database.runs.aggregate([{"$match": self._visible(where, moment)},
                                              {"$group": {"_id": "$status", "runs": {"$sum": 1}}}])
        found = {row["_id"]: int(row["runs"]) for row in rows}
        odd = set(found) - {state.value for state in State}
        if odd:
            raise Damaged(f"{self._database.shown}: a run has the state {odd.pop()!r}, which is unknown; "
                          "`hyperspace store check` lists it")
        return Counter({State(state): runs for state, runs in found.items()})

    def _visible(self, where: RunFilter, moment: Moment) -> Document:
        """Only whole batches: those decided when the reader began."""
        parts = [narrowed(where), {"status": {"$ne": SUBMITTING}}, {"_id": {"$lte": moment.last}}]
        if moment.undecided:
            parts.append(decided(moment.undecided))
        return {"$and": parts}

    def _foreign(self, where: RunFilter) -> dict[int, RunRecord]:
        return foreign_records(self._database, where)

    def _stream(self, where: RunFilter, ids: Sequence[int], foreign: dict[int, RunRecord],
                limit: int | None) -> Iterator[RunRecord]:
        left = len(ids) if limit is None else limit
        for start in range(0, len(ids), PAGE):
            for found in self._matching(where, ids[start:start + PAGE], foreign):
                if left <= 0:
                    return
                left -= 1
                yield found

    def _matching(self, where: RunFilter, ids: Sequence[int],
                  foreign: dict[int, RunRecord]) -> list[RunRecord]:
        """The records of a page that exist and match, in order."""
        ours = [run for run in ids if run not in foreign]
        with self._database.using():
            found = list(self._database.runs.find({"_id": {"$in": ours}}, UNREAD)) if ours else []
            found = [one for one in found if one.get("status") != SUBMITTING]
            moved = moved_texts(self._database, found)
        records: dict[Any, RunRecord] = {one["_id"]: record_of(one, moved) for one in found} | foreign
        return [records[run] for run in ids if run in records and where.matches(records[run])]


def _as_ours(record: RunRecord) -> Document:
    from hyperspace_mongodb.documents import ranked

    return {"priority": record.priority, **ranked(record.result, record.metric.goal)}
