"""Points stored in chunks, one for each batch; each point is read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bson import Int64

from hyperspace_core.plugin import codec
from hyperspace_core.records import Point
from hyperspace_mongodb.connection import Database, Document

LONGEST = 5000                 # points of one chunk: some 200 kB
PAGE = 20                      # chunks read at a time
KEYS = 5000                    # size and keys of chunks


def chunk_of(run: int, attempt: int, points: Sequence[Point]) -> Document:
    """One batch, sorted by `seq`. The same batch gets the same `_id`. Raises `ValueNotStorable`."""
    names = list(dict.fromkeys(point.name for point in points))
    place = {name: number for number, name in enumerate(names)}
    first, last = points[0].seq, points[-1].seq
    chunk: Document = {
        "_id": f"{run}:{attempt}:{first}:{last}", "run": run, "attempt": attempt, "first": first,
        "last": last,
        "names": [codec.storable(name, f"name of metric point {first}") for name in names],
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
    """All points with a higher `seq`, in order; duplicates of retried chunks are dropped.

    A point is returned once every chunk that could also contain it was read.
    """
    waiting: dict[int, Point] = {}
    for chunk in _chunks(database, run, attempt, after):
        ready = sorted(seq for seq in waiting if seq < chunk["first"])
        if ready:
            yield [waiting.pop(seq) for seq in ready]
        for point in points_of(chunk):
            if point.seq > after:
                waiting.setdefault(point.seq, point)
    if waiting:
        yield [waiting[seq] for seq in sorted(waiting)]


def _chunks(database: Database, run: int, attempt: int, after: int) -> Iterator[Document]:
    """The chunks in order. Keys are read first, then chunks by key: paging from the middle of a series would
    scan the points before it, and the whole series on a server without the index."""
    begin: Any = None
    while True:
        where: Document = {"run": run, "attempt": attempt, "last": {"$gt": after}}
        if begin is not None:
            where["first"] = {"$gte": begin["first"]}
            where["$or"] = [{"first": {"$gt": begin["first"]}}, {"_id": {"$gt": begin["_id"]}}]
        keys = list(database.points.find(where, {"first": 1}).sort([("first", 1), ("_id", 1)]).limit(KEYS))
        for start in range(0, len(keys), PAGE):
            ids = [key["_id"] for key in keys[start:start + PAGE]]
            found = {chunk["_id"]: chunk for chunk in database.points.find({"_id": {"$in": ids}})}
            yield from (found[key] for key in ids if key in found)
        if len(keys) < KEYS:
            return
        begin = keys[-1]


def _step(point: Point) -> Any:
    step = codec.storable(point.step, f"step of '{point.name}', metric point {point.seq}")
    return None if step is None else Int64(step)
