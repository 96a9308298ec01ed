"""Read records by id or by filter, including runs of other programs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from hyperspace_core.errors import UsageError, did_you_mean
from hyperspace_core.plugin import codec, trees
from hyperspace_core.records import (
    ORDER_BEST,
    ORDER_NEWEST,
    ORDER_OLDEST,
    ORDER_QUEUE,
    ORDERS,
    Condition,
    OutputChunk,
    Point,
    RunFilter,
    RunRecord,
    State,
)
from hyperspace_mongodb.base import Verbs
from hyperspace_mongodb.batches import SUBMITTING, Moment, decided
from hyperspace_mongodb.connection import Document
from hyperspace_mongodb.corrupt import Damaged
from hyperspace_mongodb.dashboards import Dashboards
from hyperspace_mongodb.documents import record_of
from hyperspace_mongodb.errors import is_duplicate
from hyperspace_mongodb.foreign import foreign_output, foreign_points, foreign_record, foreign_records
from hyperspace_mongodb.overflow import moved_texts
from hyperspace_mongodb.pages import LONGEST, chunk_of, pages_of_points, seqs_of

# -- Translate a filter into a server query; `RunFilter.matches` has the last word --

Order = list[tuple[str, int]]

ORDERING: dict[str, Order] = {
    ORDER_NEWEST: [("_id", -1)],
    ORDER_OLDEST: [("_id", 1)],
    ORDER_QUEUE: [("hyperspace.priority", -1), ("_id", 1)],
    ORDER_BEST: [("hyperspace.ranked", -1), ("hyperspace.rank", 1), ("_id", 1)],
}

# paths that always mean the field, and comparisons that are equal on the server for a number
_FIELDS = {"priority": "hyperspace.priority", "id": "_id"}
_COMPARE = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte", "=": "$eq", "==": "$eq"}


def narrowed(where: RunFilter) -> Document:
    """A query that is true for every matching document of ours."""
    parts: list[Document] = [{"hyperspace.project": {"$ne": None}}]
    if where.project is not None:
        parts = [{"hyperspace.project": {"$eq": where.project}}]
    if where.states:
        parts.append({"status": {"$in": [state.value for state in where.states]}})
    if where.tasks:
        parts.append({"experiment.name": {"$in": _texts(where.tasks)}})
    if where.ids:
        parts.append({"_id": {"$in": [run for run in where.ids if trees.LOWEST <= run <= trees.HIGHEST]}})
    if where.uids:
        parts.append({"hyperspace.uid": {"$in": _texts(where.uids)}})
    if where.since is not None:
        parts.append({"hyperspace.submitted_at": {"$gte": codec.moment_text(where.since)}})
    if where.parent is not None:
        parts.append({"hyperspace.parent": {"$eq": where.parent}})
    if where.search is not None:
        parts.append({"hyperspace.search": {"$eq": where.search}})
    if _texts(where.tags):
        parts.append({"omniboard.tags": {"$all": _texts(where.tags)}})
    parts += [part for condition in where.where if (part := _compared(condition)) is not None]
    return {"$and": parts}


def decided_by_server(where: RunFilter) -> bool:
    """Whether `narrowed` is equivalent to the filter."""
    return not where.tags and not where.where


def place_of(ours: Document, run: int, order: str) -> tuple[Any, ...]:
    """The sort key of a document of ours, the same as on the server."""
    if order == ORDER_QUEUE:
        return -ours["priority"], run
    if order == ORDER_BEST:
        return -ours["ranked"], ours["rank"], run
    return (-run,) if order == ORDER_NEWEST else (run,)


def _texts(values: Iterable[object]) -> list[str]:
    """Only texts can equal a task, a uid or a tag; a document would be read as operators."""
    return [value for value in values if isinstance(value, str)]


def _compared(condition: Condition) -> Document | None:
    field, operator = _FIELDS.get(condition.path), _COMPARE.get(condition.op)
    value = trees.unwrapped(condition.value)
    if field is None or operator is None or type(value) not in (int, float):
        return None
    if (isinstance(value, int) and not trees.LOWEST <= value <= trees.HIGHEST) or math.isnan(value):
        return None
    return {field: {operator: value}}


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
            ids, foreign = self._listed(where, order, limit if decided_by_server(where) else None)
        return self._stream(where, ids, foreign, limit)

    def count(self, where: RunFilter) -> dict[State, int]:
        with self._database.using():
            if decided_by_server(where):
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


# -- Metric series and output: appended without a fence, idempotent, in pages --

OUTPUT_PAGE = 50               # chunks of at most 64 KiB each


class SeriesVerbs(Verbs):
    """Points and output of attempts."""

    _dashboards: Dashboards

    def append(self, run: int, attempt: int, *, points: Sequence[Point] = (),
               output: Sequence[OutputChunk] = ()) -> None:
        chunks = {seq.seq: _chunk(run, attempt, seq) for seq in reversed(output)}
        ordered = {point.seq: point for point in reversed(points)}
        batch = [ordered[seq] for seq in sorted(ordered)]
        if batch:
            chunk_of(run, attempt, batch)      # raised before anything is written
        with self._changing(run):
            self._standing(run)
            for start in range(0, len(batch), LONGEST):
                self._add_points(run, attempt, batch[start:start + LONGEST])
            self._add_output([chunks[seq] for seq in sorted(chunks)])
            if batch or chunks:
                self._dashboards.added(run, attempt, batch)

    def points(self, run: int, *, attempt: int | None = None, names: Collection[str] | None = None,
               after: int = -1, limit: int | None = None) -> Iterator[Point]:
        with self._database.using():
            document = self._document(run, {"status": 1, "hyperspace.attempt": 1})
        if "hyperspace" not in document:
            return foreign_points(self._database, run, attempt, names=names, after=after, limit=limit)
        number = int(document["hyperspace"]["attempt"]) if attempt is None else attempt
        return self._points(run, number, None if names is None else frozenset(names), after, limit)

    def output(self, run: int, *, attempt: int | None = None, after: int = -1) -> Iterator[OutputChunk]:
        with self._database.using():
            document = self._document(run, {"status": 1, "hyperspace.attempt": 1})
        if "hyperspace" not in document:
            return foreign_output(self._database, run, attempt, after)
        number = int(document["hyperspace"]["attempt"]) if attempt is None else attempt
        return self._output(run, number, after)

    def _points(self, run: int, attempt: int, names: frozenset[str] | None, after: int,
                limit: int | None) -> Iterator[Point]:
        left = limit
        pages = pages_of_points(self._database, run, attempt, after)
        while left is None or left > 0:
            with self._database.using():
                page = next(pages, None)
            if page is None:
                return
            found = [point for point in page if names is None or point.name in names]
            yield from found if left is None else found[:left]
            left = None if left is None else left - len(found)

    def _output(self, run: int, attempt: int, after: int) -> Iterator[OutputChunk]:
        while True:
            with self._database.using():
                where = {"run": run, "attempt": attempt, "seq": {"$gt": after}}
                found = list(self._database.output.find(where).sort("seq", 1).limit(OUTPUT_PAGE))
            for chunk in found:
                yield OutputChunk(seq=chunk["seq"], text=chunk["text"], at=chunk["at"])
            if len(found) < OUTPUT_PAGE:
                return
            after = found[-1]["seq"]

    def _add_points(self, run: int, attempt: int, points: Sequence[Point]) -> None:
        """Add the points that are not stored; a call whose answer was lost may have stored some.

        The head of the series, raised before every write, shows whether any can be stored already.
        """
        head = self._database.heads.find_one_and_update(
            {"_id": f"{run}:{attempt}"},
            {"$max": {"last": points[-1].seq}, "$setOnInsert": {"run": run, "attempt": attempt}}, upsert=True)
        new = list(points)
        if head is not None and head["last"] >= points[0].seq:
            new = self._not_there(run, attempt, points)
        if not new:
            return
        try:
            self._database.points.insert_one(chunk_of(run, attempt, new))
        except Exception as error:
            if not is_duplicate(error):
                raise

    def _not_there(self, run: int, attempt: int, points: Sequence[Point]) -> list[Point]:
        there: set[int] = set()
        for chunk in self._database.points.find(
                {"run": run, "attempt": attempt, "first": {"$lte": points[-1].seq},
                 "last": {"$gte": points[0].seq}}, {"first": 1, "last": 1, "seq": 1}):
            there.update(seqs_of(chunk))
        return [point for point in points if point.seq not in there]

    def _add_output(self, chunks: list[Document]) -> None:
        if not chunks:
            return
        try:
            self._database.output.insert_many(chunks, ordered=False)
        except Exception as error:
            details = getattr(error, "details", None) or {}
            codes = {one.get("code") for one in details.get("writeErrors", ())}
            if codes != {11000} or details.get("writeConcernErrors"):
                raise


def _chunk(run: int, attempt: int, chunk: OutputChunk) -> Document:
    return {"_id": f"{run}:{attempt}:{chunk.seq}", "run": run, "attempt": attempt, "seq": chunk.seq,
            "text": codec.storable(chunk.text, f"piece {chunk.seq} of the output"), "at": float(chunk.at)}
