"""Garbage collection: unnamed contents, rests of kills and deletions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from hyperspace_mongodb.batches import Batches
from hyperspace_mongodb.connection import Database, Table
from hyperspace_mongodb.contents import LEFT_OVER_S, Contents

SLICE = 200


def collected(database: Database, contents: Contents, batches: Batches, *, dry_run: bool) -> list[int]:
    """The sizes of removed (or removable) contents and files."""
    if not dry_run:
        _break_intents(database)
        _forget_snapshots(database)
        for run in batches.left_over():
            database.runs.delete_one({"_id": run, "status": "SUBMITTING"})
        for table, name in _of_runs(database):
            orphans = orphaned(database, table, name)
            for start in range(0, len(orphans), SLICE):
                table.delete_many({name: {"$in": orphans[start:start + SLICE]}})
    found = list(contents.all())           # read before the names: a content touched later is kept
    sizes = []
    for start in range(0, len(found), SLICE):
        part = found[start:start + SLICE]
        named = _named(database, [one["_id"] for one in part])
        sizes += [int(one["size"]) for one in part
                  if one["_id"] not in named and (dry_run or contents.remove(one))]
    for file_id, size in contents.left_over():
        sizes.append(size)
        if not dry_run:
            contents.remove_left_over(file_id)
    return sizes


def orphaned(database: Database, table: Table, name: str) -> list[Any]:
    """Ids of deleted runs in a collection; foreign documents count as runs."""
    known: list[Any] = table.distinct(name)
    there: set[Any] = set()
    for start in range(0, len(known), SLICE):
        there.update(one["_id"] for one in database.runs.find(
            {"_id": {"$in": known[start:start + SLICE]}}, {"_id": 1}))
    return [run for run in known if run not in there]


def snapshots_named(database: Database, digests: Iterable[str]) -> set[str]:
    """The snapshots named by `code` of a run or by the provenance of an attempt."""
    wanted = list(digests)
    found = database.runs.find({"hyperspace.snapshots": {"$in": wanted}}, {"hyperspace.snapshots": 1})
    return {digest for one in found for digest in one["hyperspace"]["snapshots"]}


def _of_runs(database: Database) -> tuple[tuple[Table, str], ...]:
    """Collections with data of runs; not `metrics`: metrics without a run may belong to another program."""
    return ((database.points, "run"), (database.heads, "run"),
            (database.output, "run"), (database.artifacts, "run"),
            (database.attempts, "run"))


def _named(database: Database, digests: list[str]) -> set[str]:
    """Digests named by a label, a kept snapshot or an intent."""
    either = [{"digest": {"$in": digests}}, {"intents.digest": {"$in": digests}}]
    found = {str(one.get("digest")) for one in database.artifacts.find({"$or": either})}
    found |= {intent["digest"] for one in database.artifacts.find({"$or": either})
              for intent in one.get("intents", ())}
    since = database.now() - timedelta(seconds=LEFT_OVER_S)
    holding = list(database.snapshots.find({"contents": {"$in": digests}}))
    named = snapshots_named(database, [one["_id"] for one in holding])
    for one in holding:
        if one["_id"] in named or one["at"] >= since:
            found.update(one["contents"])
    return found & set(digests)


def _break_intents(database: Database) -> None:
    """Remove old intents of killed processes."""
    before = database.now() - timedelta(seconds=LEFT_OVER_S)
    database.artifacts.update_many({"intents.at": {"$lt": before}},
                                   {"$pull": {"intents": {"at": {"$lt": before}}}})
    database.artifacts.delete_many({"digest": {"$exists": False}, "intents": {"$size": 0}})


def _forget_snapshots(database: Database) -> None:
    """Delete unnamed snapshots after a while: a snapshot is stored before the run that names it."""
    before = database.now() - timedelta(seconds=LEFT_OVER_S)
    old = {one["_id"]: one["at"] for one in database.snapshots.find({"at": {"$lt": before}}, {"at": 1})}
    named = snapshots_named(database, old) if old else set()
    for digest, at in old.items():
        if digest not in named:
            database.snapshots.delete_one({"_id": digest, "at": at})
