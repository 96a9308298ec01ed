"""Series and output for dashboards: a derived view that may lag behind.

Each metric has one document of Sacred's shape in `metrics`. It stores up to which point it has come and is
only extended from there, so that repeats, kills and two writers do no harm. When it grows beyond `LONGEST`
points, every second one is removed, and from then on only every second, fourth, … is added: the array is
rewritten rarely, not at each point.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from time import monotonic
from typing import Any

from bson import ObjectId

from hyperspace_core.records import Point
from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.pages import pages_of_points

LONGEST = 10_000               # points of a metric
EVERY_S = 2.0                  # seconds between updates while a run is live
TAIL = 64 * 1024               # characters of `captured_out`
MOST_REMEMBERED = 1000         # attempts that one process appends to at once: normally far fewer
MOST_KEPT = 50_000             # points in memory; beyond, they are read again
MOST_METRICS = 1000            # metric documents of one run; the stored series are unlimited


class _Unseen:
    """Points and output of an attempt that this process has appended but not shown yet."""

    def __init__(self) -> None:
        self.shown_at: float | None = None
        self.something = False
        self.points: list[Point] | None = []

    def add(self, points: Sequence[Point]) -> None:
        self.something = True
        if self.points is not None:
            self.points = [*self.points, *points] if len(self.points) < MOST_KEPT else None

    def take(self) -> list[Point] | None:
        found, self.points, self.something = self.points, [], False
        self.shown_at = monotonic()
        return found


class Dashboards:
    """The dashboard fields of one store object; keeps the data appended since the last update."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._unseen: dict[tuple[int, int], _Unseen] = {}

    def added(self, run: int, attempt: int, points: Sequence[Point] = ()) -> None:
        """Handle appended data: update the view now or with later data."""
        with self._lock:
            if len(self._unseen) > MOST_REMEMBERED:
                self._unseen.clear()
            unseen = self._unseen.setdefault((run, attempt), _Unseen())
            unseen.add(points)
            if unseen.shown_at is not None and monotonic() - unseen.shown_at < EVERY_S:
                return
            new = unseen.take()
        self._show(run, attempt, new)

    def catch_up(self, run: int, attempt: int) -> None:
        """Update the view of an ended attempt completely."""
        with self._lock:
            unseen = self._unseen.pop((run, attempt), None)
        if unseen is not None and unseen.something:
            self._show(run, attempt, unseen.points)

    def _show(self, run: int, attempt: int, new: list[Point] | None) -> None:
        database = self._database
        current = {"_id": run, "hyperspace.attempt": attempt}
        if database.runs.find_one(current, {"_id": 1}) is None:
            return                         # the attempt was fenced, or the run is gone
        tail = self._tail(run, attempt)
        change: Document = {} if tail is None else {"captured_out": tail}
        shown = self._metrics(run, attempt, new)
        if shown:
            change |= {"info.metrics": shown, "hyperspace.series": shown}
        if change:
            database.runs.update_one(current, {"$set": change})

    def _tail(self, run: int, attempt: int) -> str | None:
        found = self._database.output.find({"run": run, "attempt": attempt}, {"text": 1}).sort(
            [("seq", -1)]).limit(64)
        texts, size = [], 0
        for chunk in found:
            texts.append(chunk["text"])
            size += len(chunk["text"])
            if size >= TAIL:
                break
        return "".join(reversed(texts))[-TAIL:] if texts else None

    def _metrics(self, run: int, attempt: int, new: list[Point] | None) -> list[Document]:
        """Update the metric documents; the fields for the run."""
        table = self._database.metrics
        found = {one["name"]: one for one in table.find(
            {"run_id": run}, {"name": 1, "hyperspace": 1}) if "hyperspace" in one}
        old = [one for one in found.values() if one["hyperspace"]["attempt"] != attempt]
        if old:                            # the series of an earlier attempt
            table.delete_many({"_id": {"$in": [one["_id"] for one in old]}})
            found = {name: one for name, one in found.items() if one not in old}
        after = min((one["hyperspace"]["after"] for one in found.values()), default=-1)
        for points in self._behind(run, attempt, after, new):
            last = points[-1].seq
            missing = [name for name in dict.fromkeys(point.name for point in points) if name not in found]
            made = [_new_metric(run, attempt, name, after) for name in missing[:MOST_METRICS - len(found)]]
            if made:                       # before any other is extended: a kill here loses no point
                table.insert_many(made)
                found |= {one["name"]: one for one in made}
            for name, one in found.items():
                self._add(one, [point for point in points if point.name == name], last)
            after = last
        return [{"name": name, "id": str(one["_id"])} for name, one in sorted(found.items())]

    def _behind(self, run: int, attempt: int, after: int,
                new: list[Point] | None) -> Iterable[list[Point]]:
        """The points after the last one shown: from memory if all of them were appended here."""
        if new and new[0].seq == after + 1 and new[-1].seq - after == len(new) and all(
                one.seq + 1 == other.seq for one, other in pairwise(new)):
            return [new]
        return pages_of_points(self._database, run, attempt, after)

    def _add(self, one: Document, points: list[Point], last: int) -> None:
        """Extend the document from its last point, if that is unchanged."""
        ours = one["hyperspace"]
        points = [point for point in points if point.seq > ours["after"]]
        kept = [point for place, point in enumerate(points, start=ours["seen"])
                if place % ours["stride"] == 0]
        length = ours["length"] + len(kept)
        now = ours | {"after": max(last, ours["after"]), "seen": ours["seen"] + len(points), "length": length}
        condition = {"_id": one["_id"], "hyperspace.after": ours["after"]}
        change: Document = {"$set": {"hyperspace": now}}
        if kept:
            columns = _columns(kept, ours["seen"])
            change["$push"] = {name: {"$each": values} for name, values in columns.items()}
        if self._database.metrics.update_one(condition, change).matched_count:
            one["hyperspace"] = now
            if length > LONGEST:
                self._thin(one)
        else:
            found = self._database.metrics.find_one({"_id": one["_id"]}, {"hyperspace": 1})
            one["hyperspace"] = found["hyperspace"] if found is not None else now

    def _thin(self, one: Document) -> None:
        """Remove every second, fourth, … point; rewrites the whole document, which is rare."""
        found = self._database.metrics.find_one({"_id": one["_id"]})
        if found is None:
            return
        factor = 1
        while found["hyperspace"]["length"] / factor > LONGEST / 2:
            factor *= 2
        arrays = {name: found[name][::factor] for name in ("steps", "timestamps", "values")}
        now = found["hyperspace"] | {"stride": found["hyperspace"]["stride"] * factor,
                                     "length": len(arrays["values"])}
        self._database.metrics.update_one({"_id": one["_id"], "hyperspace": {"$eq": found["hyperspace"]}},
                                          {"$set": arrays | {"hyperspace": now}})
        one["hyperspace"] = now


def _new_metric(run: int, attempt: int, name: str, after: int) -> Document:
    return {"_id": ObjectId(), "name": name, "run_id": run, "steps": [], "timestamps": [], "values": [],
            "hyperspace": {"attempt": attempt, "after": after, "seen": 0, "stride": 1, "length": 0}}


def _columns(points: Iterable[Point], seen: int) -> dict[str, list[Any]]:
    kept = list(points)
    return {"steps": [seen + place if point.step is None else point.step for place, point in enumerate(kept)],
            "timestamps": [datetime.fromtimestamp(max(0.0, min(point.at, 4e9)), UTC) for point in kept],
            "values": [point.value for point in kept]}
