"""Turn proposals into runs, without transactions: the search decides.

One update of that document counts the proposal and keeps its run as `draft`. Then any process that finds the
draft completes the remaining steps:

1. The run is written as SUBMITTING: it is invisible, and cannot be claimed or deleted.
2. The draft names that run, once. A process that finds another run named there, or no draft, is too late and
   deletes the run it wrote: a run deleted meanwhile is not created again.
3. The run is QUEUED, and waiting workers are woken.
4. The draft is removed; only then may the search propose again.
"""

from __future__ import annotations

import random

from hyperspace_core.errors import StoreUnavailable
from hyperspace_mongodb import schema
from hyperspace_mongodb.base import TRIES
from hyperspace_mongodb.batches import SUBMITTING, Batches
from hyperspace_mongodb.complaints import is_duplicate
from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.damage import decoding
from hyperspace_mongodb.documents import record_of
from hyperspace_mongodb.storing import known


def draft_of(run: Document) -> Document:
    """The draft that a search keeps of a run it has just proposed."""
    return {"uid": run["hyperspace"]["uid"], "run": None, "document": run}


def check_draft(search: Document) -> None:
    """Raises `Damaged` for a draft that cannot be completed."""
    with decoding(search, "search"):
        if "draft" in search:
            draft = search["draft"]
            record_of(draft["document"] | {"_id": draft["run"]})


class Proposals:
    """Complete drafts; may run concurrently, and be repeated after a kill between any two steps."""

    def __init__(self, database: Database, batches: Batches) -> None:
        self._database = database
        self._batches = batches

    def carry_on(self, search: Document) -> int | None:
        """The id of the drafted run; None if it was deleted since."""
        draft = search["draft"]
        here = {"_id": search["_id"], "draft.uid": {"$eq": draft["uid"]}}
        run = draft["run"]
        if run is None:
            run = self._named(here, draft, self._hidden(draft))
        if run is None:
            return self.run_of(draft["uid"])
        shown = self._shown(run, draft)
        self._batches.ring(draft["document"]["hyperspace"]["project"])
        self._database.searches.update_one(here, {"$unset": {"draft": ""}})
        return int(run) if shown else self.run_of(draft["uid"])

    def run_of(self, uid: str) -> int | None:
        found = self._database.runs.find_one(
            {"hyperspace.uid": {"$eq": uid}, "status": {"$ne": SUBMITTING}}, {"_id": 1})
        return None if found is None else int(found["_id"])

    def _hidden(self, draft: Document) -> int:
        """The id of the hidden run, written by this process or another one."""
        document, uid = draft["document"], draft["uid"]
        ours = document["hyperspace"] | {"batch": _batch(draft)}
        for _ in range(TRIES):
            run = self._batches.ids(1)
            try:
                self._database.runs.insert_one(
                    document | {"_id": run, "status": SUBMITTING, "hyperspace": ours})
                return run
            except Exception as error:
                if not is_duplicate(error):
                    raise
            there = self._database.runs.find_one({"hyperspace.uid": {"$eq": uid}},
                                                 {"status": 1, "hyperspace.batch": 1})
            if there is None:              # deleted just now; or Sacred has taken the id
                schema.raise_last(self._database)
                self._database.closed.wait(random.uniform(0.0, 0.05))
            elif there["status"] != SUBMITTING or there["hyperspace"]["batch"] == _batch(draft):
                return int(there["_id"])
            else:                          # another process copies this run, or deletes it
                known(self._database, self._batches, [uid])
        raise StoreUnavailable(f"{self._database.shown}: others wrote the run {uid!r} {TRIES} times in a "
                               "row; trying again may help")

    def _named(self, here: Document, draft: Document, run: int) -> int | None:
        """The run that the draft names; None if other processes have completed the draft."""
        searches = self._database.searches
        unnamed = here | {"draft.run": {"$eq": None}}
        if searches.update_one(unnamed, {"$set": {"draft.run": run}}).matched_count:
            return run
        found = searches.find_one(here, {"draft.run": 1})
        named = None if found is None else int(found["draft"]["run"])
        if named != run:
            self._database.runs.delete_one(_written(run, draft))
        return named

    def _shown(self, run: int, draft: Document) -> bool:
        """Whether this call has queued the run."""
        return self._database.runs.update_one(_written(run, draft), {
            "$set": {"status": draft["document"]["status"]}, "$unset": {"hyperspace.batch": ""}},
        ).matched_count == 1


def _written(run: int, draft: Document) -> Document:
    """The condition that the run is still hidden and belongs to this proposal."""
    return {"_id": run, "status": SUBMITTING, "hyperspace.batch": {"$eq": _batch(draft)}}


def _batch(draft: Document) -> str:
    return f"proposal {draft['uid']}"
