"""The schema version and the indexes of a store, and the upgrade of older schemas.

The first write creates everything. Reading changes nothing: a database of Sacred stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymongo import IndexModel

from hyperspace_core.errors import StoreError
from hyperspace_core.storage import this_version
from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.errors import is_duplicate

SCHEMA = 2
QUEUE = "queue"                # the document of `meta` that assigns run ids and decides batches
SEARCHES = "searches"          # the document that assigns search ids

# collection, keys, unique or not; sparse, for documents of Sacred have none of these fields
INDEXES: tuple[tuple[str, list[tuple[str, int]], bool], ...] = (
    ("runs", [("hyperspace.project", 1), ("status", 1), ("hyperspace.priority", -1), ("_id", 1)], False),
    ("runs", [("hyperspace.uid", 1)], True),
    # a token claims once, also on repeats; `attempts` is missing until the first claim
    ("runs", [("hyperspace.attempts.token", 1)], True),
    ("runs", [("hyperspace.batch", 1)], False),
    ("runs", [("hyperspace.parent", 1)], False),
    ("runs", [("hyperspace.search", 1)], False),
    ("metrics", [("run_id", 1), ("name", 1)], False),
    ("hyperspace.incoming", [("batch", 1)], False),
    ("hyperspace.attempts", [("run", 1)], False),
    ("hyperspace.points", [("run", 1), ("attempt", 1), ("first", 1)], False),
    ("hyperspace.points", [("run", 1), ("attempt", 1), ("last", 1)], False),
    ("hyperspace.heads", [("run", 1)], False),
    ("hyperspace.output", [("run", 1), ("attempt", 1), ("seq", 1)], False),
    ("hyperspace.artifacts", [("run", 1), ("attempt", 1)], False),
    ("hyperspace.artifacts", [("digest", 1)], False),
    ("hyperspace.workers", [("project", 1), ("worker", 1)], True),
    ("runs", [("hyperspace.snapshots", 1)], False),
    ("hyperspace.migrations", [("project", 1), ("name", 1)], True),
    ("hyperspace.searches", [("uid", 1)], True),
    ("hyperspace.searches", [("project", 1), ("state", 1)], False),
    ("hyperspace.snapshots", [("contents", 1)], False),
    ("fs.chunks", [("files_id", 1), ("n", 1)], True),
)


def make_indexes(database: Database) -> None:
    """Create missing indexes."""
    wanted: dict[str, list[IndexModel]] = {}
    for collection, keys, unique in INDEXES:
        sparse = keys[0][0].startswith("hyperspace.") and len(keys) == 1
        wanted.setdefault(collection, []).append(IndexModel(keys, unique=unique, sparse=sparse))
    for collection, models in wanted.items():
        database.base[collection].create_indexes(models)


# schema -> the upgrade from the schema before; each may be repeated after a kill
MIGRATIONS: dict[int, Callable[[Database], Any]] = {
    2: make_indexes,                   # for searches, which are new in this schema
}


def version(database: Database) -> int | None:
    """The stored version; None for a database that hyperspace has not written to."""
    found = database.meta.find_one({"_id": "schema"})
    return None if found is None else _number(database, found)


def look(database: Database) -> None:
    """Read the version; nothing is created."""
    found = database.meta.find_one({"_id": "schema"})
    if found is not None:
        database.refusal = _refusal(_number(database, found), found)
        database.made = database.refusal is None


def make(database: Database) -> None:
    """Create a missing schema. Raises `StoreError` if the database is read-only."""
    with database.lock:
        look(database)
        if database.refusal is not None:
            raise StoreError(f"{database.shown}: {database.refusal}")
        if not database.made:
            _make(database)
            look(database)
    if database.refusal is not None:
        raise StoreError(f"{database.shown}: {database.refusal}")


def upgrade(database: Database, *, dry_run: bool) -> tuple[int, int]:
    found = version(database)
    if found is None:
        return SCHEMA, SCHEMA              # created when needed
    if found > SCHEMA:
        look(database)
        raise StoreError(f"{database.shown}: {database.refusal}")
    if found < SCHEMA and not dry_run:
        for step in range(found + 1, SCHEMA + 1):
            MIGRATIONS[step](database)
            database.meta.update_one({"_id": "schema"}, {"$set": {"version": step, "needs": this_version()}})
        look(database)
    return found, SCHEMA


def _make(database: Database) -> None:
    make_indexes(database)
    # ids of Sacred and ours are one sequence
    raise_last(database)
    try:
        database.meta.insert_one({"_id": "schema", "version": SCHEMA, "needs": this_version(),
                                  "made_at": database.now()})
    except Exception as error:
        if not is_duplicate(error):
            raise


def raise_last(database: Database) -> None:
    """Raise the highest id given to the highest id present; Sacred may write at the same time."""
    highest = database.runs.find_one({"_id": {"$type": "number"}}, {"_id": 1}, sort=[("_id", -1)])
    last = 0 if highest is None else int(highest["_id"])
    database.meta.update_one({"_id": QUEUE}, {"$max": {"last": last}}, upsert=True)


def _number(database: Database, found: Document) -> int:
    number = found.get("version")
    if not isinstance(number, int):
        raise StoreError(f"{database.shown}: the schema version in hyperspace.meta is not a number but "
                         f"{number!r}; correct `version` of the document 'schema' there (here: {SCHEMA})")
    return number


def _refusal(number: int, found: Document) -> str | None:
    if number < SCHEMA:
        return (f"its schema is {number}, this hyperspace writes {SCHEMA}; run `hyperspace store upgrade` "
                "once, when no worker runs")
    if number > SCHEMA:
        return (f"its schema is {number} and needs hyperspace-core {found.get('needs', '?')} or newer with "
                f"the matching hyperspace-mongodb; {this_version()}, which is installed here, can "
                "only read it: pip install --upgrade hyperspace-core hyperspace-mongodb")
    return None
