"""Insert new documents: one in a single step, several as a batch, each uid once."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from time import monotonic

from hyperspace_core.errors import StoreUnavailable
from hyperspace_core.plugin import states
from hyperspace_core.records import State
from hyperspace_mongodb import schema
from hyperspace_mongodb.batches import SUBMITTING, Batches
from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.errors import is_duplicate

SLICE = 500
# another batch has one of our uids: it is decided soon, or its submitter was killed
PATIENCE_S = 3.0
TRIES = 20


def stored(database: Database, batches: Batches, documents: Sequence[Document]) -> dict[str, int]:
    """The id of each uid, all of them stored or none. `documents` have different uids and no ids yet."""
    for _ in range(TRIES):
        there = known(database, batches, [uid_of(document) for document in documents])
        ids = {uid: one["_id"] for uid, one in there.items()}
        new = [document for document in documents if uid_of(document) not in ids]
        takes_place = [document | {"_id": ids[uid_of(document)]} for document in documents
                       if further(document) and _waits(there.get(uid_of(document)))]
        added = _added(database, batches, new, takes_place)
        if added is not None:
            return ids | added
        schema.raise_last(database)        # Sacred may have taken the next ids
        database.closed.wait(random.uniform(0.0, 0.05))
    raise StoreUnavailable(f"{database.shown}: others submitted the same runs {TRIES} times in a row; trying "
                           "again may help")


def uid_of(document: Document) -> str:
    return str(document["hyperspace"]["uid"])


def further(document: Document) -> bool:
    """Whether a run has changed since its submission; never true for a new one."""
    return document["status"] in states.TERMINAL or (
        document["hyperspace"]["attempt"] > 0 and document["status"] != State.RUNNING)


def known(database: Database, batches: Batches, uids: Sequence[str]) -> dict[str, Document]:
    """The uids that are stored here; an uncommitted batch of another process is awaited or abandoned."""
    until = monotonic() + PATIENCE_S
    while True:
        found = [one for start in range(0, len(uids), SLICE) for one in database.runs.find(
            {"hyperspace.uid": {"$in": list(uids[start:start + SLICE])}},
            {"status": 1, "hyperspace.uid": 1, "hyperspace.batch": 1, "hyperspace.attempt": 1})]
        under_way = {one["hyperspace"]["batch"] for one in found if one["status"] == SUBMITTING}
        if not under_way:
            return {uid_of(one): one for one in found}
        batches.settle()
        if monotonic() > until:
            for name in under_way:
                batches.abandon(name)
        else:
            threading.Event().wait(random.uniform(0.01, 0.05))


def _waits(there: Document | None) -> bool:
    """Whether the run was never claimed here."""
    return (there is not None and there["status"] in (State.QUEUED, State.PAUSED)
            and not there["hyperspace"]["attempt"])


def _added(database: Database, batches: Batches, new: Sequence[Document],
           takes_place: Sequence[Document]) -> dict[str, int] | None:
    """The ids; None if another process has stored one of the runs or taken an id meanwhile."""
    if not new and not takes_place:
        return {}
    try:
        if len(new) == 1 and not takes_place:
            return _alone(database, batches, new[0])
        return _together(database, batches, new, takes_place)
    except Exception as error:
        if is_duplicate(error) or _only_duplicates(error):
            return None
        raise


def _alone(database: Database, batches: Batches, document: Document) -> dict[str, int]:
    run = batches.ids(1)
    database.runs.insert_one(document | {"_id": run})
    ours = document["hyperspace"]
    if document["status"] == State.QUEUED:
        batches.ring(ours["project"])
    return {ours["uid"]: run}


def _together(database: Database, batches: Batches, new: Sequence[Document],
              takes_place: Sequence[Document]) -> dict[str, int] | None:
    batches.clear_abandoned()
    name, first = batches.begin(len(new))
    ids = {uid_of(document): run for run, document in enumerate(new, start=first)}
    try:
        # in the order of the uids, so that two submitters of the same runs cannot deadlock
        for start in range(0, len(new), SLICE):
            part = sorted(new, key=uid_of)[start:start + SLICE]
            database.runs.insert_many([_under_way(each, ids[uid_of(each)], name) for each in part])
        if takes_place:
            database.incoming.insert_many([{"batch": name, "document": document} for document in takes_place])
        if batches.commit(name):
            batches.carry_on(name)
            return ids
    except Exception as error:
        if _only_duplicates(error):
            batches.abandon(name)
        raise
    batches.drop(name)
    return None


def _under_way(document: Document, run: int, batch: str) -> Document:
    ours = document["hyperspace"] | {"batch": batch, "then": document["status"]}
    return document | {"_id": run, "status": SUBMITTING, "hyperspace": ours}


def _only_duplicates(error: BaseException) -> bool:
    details = getattr(error, "details", None)
    errors = details.get("writeErrors") if isinstance(details, dict) else None
    return bool(errors) and all(one.get("code") == 11000 for one in errors or ())
