"""A proposal of a search becomes a run, without transactions: the search's document decides.

One update of that document counts the proposal and keeps its run there as `draft`. From then on whoever
meets the draft carries it on, as far as it has not been carried on yet:

1. The run is written as SUBMITTING, which nobody sees, claims or deletes.
2. The draft names that run, once and for all. Who finds another one named there, or no draft any more, came
   too late, and takes away what he wrote: a run that was deleted meanwhile does not come back.
3. The run is QUEUED, and waiting workers are woken.
4. The draft is taken off; only now may the search propose again.
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
    """What a search keeps of a run that it has just proposed."""
    return {"uid": run["hyperspace"]["uid"], "run": None, "document": run}


def check_draft(search: Document) -> None:
    """Raises `Damaged` for what nobody could carry on."""
    with decoding(search, "search"):
        if "draft" in search:
            draft = search["draft"]
            record_of(draft["document"] | {"_id": draft["run"]})


class Proposals:
    """May be carried on by several at once, and repeated after a kill between any two steps."""

    def __init__(self, database: Database, batches: Batches) -> None:
        self._database = database
        self._batches = batches

    def carry_on(self, search: Document) -> int | None:
        """The id of the run that was drafted; None where it has been deleted since."""
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
        """The id of the run, written by us or by somebody else."""
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
            if there is None:              # deleted in this moment; or Sacred itself has taken the id
                schema.raise_last(self._database)
                self._database.closed.wait(random.uniform(0.0, 0.05))
            elif there["status"] != SUBMITTING or there["hyperspace"]["batch"] == _batch(draft):
                return int(there["_id"])
            else:                          # somebody copies this very run, or deletes it
                known(self._database, self._batches, [uid])
        raise StoreUnavailable(f"{self._database.shown}: others wrote the run {uid!r} {TRIES} times in a "
                               "row; trying again may help")

    def _named(self, here: Document, draft: Document, run: int) -> int | None:
        """The run that the draft names; None where all of it has been done by somebody else."""
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
        """Whether it is this step that queued it."""
        return self._database.runs.update_one(_written(run, draft), {
            "$set": {"status": draft["document"]["status"]}, "$unset": {"hyperspace.batch": ""}},
        ).matched_count == 1


def _written(run: int, draft: Document) -> Document:
    """The condition that it is still hidden, by one of us."""
    return {"_id": run, "status": SUBMITTING, "hyperspace.batch": {"$eq": _batch(draft)}}


def _batch(draft: Document) -> str:
    return f"proposal {draft['uid']}"
