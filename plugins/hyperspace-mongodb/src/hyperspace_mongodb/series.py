"""Metric series and output: appended without a fence, idempotent, in pages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from hyperspace_core.records.codec import storable
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import OutputChunk
from hyperspace_mongodb.base import Verbs
from hyperspace_mongodb.complaints import is_duplicate
from hyperspace_mongodb.connection import Document
from hyperspace_mongodb.dashboards import Dashboards
from hyperspace_mongodb.foreign_series import foreign_output, foreign_points
from hyperspace_mongodb.pages import LONGEST, chunk_of, pages_of_points, seqs_of

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
            "text": storable(chunk.text, f"piece {chunk.seq} of the output"), "at": float(chunk.at)}
