"""What dashboards see of a run's series and output: a view, derived from what is stored, that may lag behind.

Per metric one document of Sacred's shape, in `metrics`. Each knows up to which point it has come, and is
only ever added to from there, so that a repeat, a kill and two writers do no harm. Where it grows beyond
`LONGEST` points, every second one goes, and from then on only every second, fourth, … is added: an array is
rewritten once in a while, not at each point.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from time import monotonic
from typing import Any

from bson import ObjectId

from hyperspace_core.records.logged import Point
from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.pages import pages_of_points

LONGEST = 10_000               # points of a metric
EVERY_S = 2.0                  # while a run is live
TAIL = 64 * 1024               # characters of `captured_out`
MOST_REMEMBERED = 1000         # attempts that one process appends to at once: far fewer
MOST_KEPT = 50_000             # points at hand; beyond, they are read again
MOST_METRICS = 1000            # documents of one run; the series themselves know no limit


class _Unseen:
    """What one process has appended to an attempt and not shown yet."""

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
    """Of one store object; remembers what it has appended since it last showed something."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._unseen: dict[tuple[int, int], _Unseen] = {}

    def added(self, run: int, attempt: int, points: Sequence[Point] = ()) -> None:
        """Something was appended: shown now, or with what follows."""
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
        """The attempt is over: all that it has."""
        with self._lock:
            unseen = self._unseen.pop((run, attempt), None)
        if unseen is not None and unseen.something:
            self._show(run, attempt, unseen.points)

    def _show(self, run: int, attempt: int, new: list[Point] | None) -> None:
        database = self._database
        current = {"_id": run, "hyperspace.attempt": attempt}
        if database.runs.find_one(current, {"_id": 1}) is None:
            return                         # a zombie's, or the run is gone
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
        """Bring the documents up to date; what the run is to say of them."""
        table = self._database.metrics
        found = {one["name"]: one for one in table.find(
            {"run_id": run}, {"name": 1, "hyperspace": 1}) if "hyperspace" in one}
        old = [one for one in found.values() if one["hyperspace"]["attempt"] != attempt]
        if old:                            # the series of an attempt before
            table.delete_many({"_id": {"$in": [one["_id"] for one in old]}})
            found = {name: one for name, one in found.items() if one not in old}
        after = min((one["hyperspace"]["after"] for one in found.values()), default=-1)
        for points in self._behind(run, attempt, after, new):
            last = points[-1].seq
            missing = [name for name in dict.fromkeys(point.name for point in points) if name not in found]
            made = [_new_metric(run, attempt, name, after) for name in missing[:MOST_METRICS - len(found)]]
            if made:                       # before any other moves on: a kill here loses no point
                table.insert_many(made)
                found |= {one["name"]: one for one in made}
            for name, one in found.items():
                self._add(one, [point for point in points if point.name == name], last)
            after = last
        return [{"name": name, "id": str(one["_id"])} for name, one in sorted(found.items())]

    def _behind(self, run: int, attempt: int, after: int,
                new: list[Point] | None) -> Iterable[list[Point]]:
        """What follows on the point up to which is shown: at hand, where all of it was appended here."""
        if new and new[0].seq == after + 1 and new[-1].seq - after == len(new) and all(
                one.seq + 1 == other.seq for one, other in pairwise(new)):
            return [new]
        return pages_of_points(self._database, run, attempt, after)

    def _add(self, one: Document, points: list[Point], last: int) -> None:
        """Add what lies behind the point up to which it has come; only where it still stands there."""
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
        """Every second, fourth, … point goes; the rare rewriting of a whole document."""
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
