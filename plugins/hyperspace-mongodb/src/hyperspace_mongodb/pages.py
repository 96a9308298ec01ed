"""Points as they lie in chunks: columns of one batch each, read in the order of `seq`, each point once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bson import Int64

from hyperspace_core.records.codec import storable
from hyperspace_core.records.logged import Point
from hyperspace_mongodb.connection import Database, Document

LONGEST = 5000                 # points of one chunk: some 200 kB
PAGE = 20                      # chunks read at a time


def chunk_of(run: int, attempt: int, points: Sequence[Point]) -> Document:
    """One batch, sorted by `seq`. The same batch again has the same `_id`. Raises `ValueNotStorable`."""
    names = list(dict.fromkeys(point.name for point in points))
    place = {name: number for number, name in enumerate(names)}
    first, last = points[0].seq, points[-1].seq
    chunk: Document = {
        "_id": f"{run}:{attempt}:{first}:{last}", "run": run, "attempt": attempt, "first": first,
        "last": last,
        "names": [storable(name, f"name of metric point {first}") for name in names],
        "name": [place[point.name] for point in points],
        "step": [_step(point) for point in points], "value": [float(point.value) for point in points],
        "at": [float(point.at) for point in points]}
    if last - first + 1 != len(points):
        chunk["seq"] = [point.seq for point in points]
    return chunk


def points_of(chunk: Document) -> Iterator[Point]:
    names = chunk["names"]
    seqs = chunk.get("seq") or range(chunk["first"], chunk["last"] + 1)
    for seq, name, step, value, at in zip(seqs, chunk["name"], chunk["step"], chunk["value"], chunk["at"],
                                          strict=True):
        yield Point(seq=seq, name=names[name], step=None if step is None else int(step), value=value, at=at)


def seqs_of(chunk: Document) -> Sequence[int]:
    found: Sequence[int] = chunk.get("seq") or range(chunk["first"], chunk["last"] + 1)
    return found


def pages_of_points(database: Database, run: int, attempt: int, after: int) -> Iterator[list[Point]]:
    """All with a higher `seq`, in order; of two chunks with the same point, which retries may leave, one.

    A point is given out once every chunk that could hold it, too, has been read.
    """
    waiting: dict[int, Point] = {}
    begin: Any = None
    while True:
        where: Document = {"run": run, "attempt": attempt, "last": {"$gt": after}}
        if begin is not None:
            where["$or"] = [{"first": {"$gt": begin[0]}}, {"first": begin[0], "_id": {"$gt": begin[1]}}]
        chunks = list(database.points.find(where).sort([("first", 1), ("_id", 1)]).limit(PAGE))
        for chunk in chunks:
            begin = (chunk["first"], chunk["_id"])
            ready = sorted(seq for seq in waiting if seq < chunk["first"])
            if ready:
                yield [waiting.pop(seq) for seq in ready]
            for point in points_of(chunk):
                if point.seq > after:
                    waiting.setdefault(point.seq, point)
        if len(chunks) < PAGE:
            if waiting:
                yield [waiting[seq] for seq in sorted(waiting)]
            return


def _step(point: Point) -> Any:
    step = storable(point.step, f"step of '{point.name}', metric point {point.seq}")
    return None if step is None else Int64(step)
