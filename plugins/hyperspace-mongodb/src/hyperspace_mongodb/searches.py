"""Searches: their settings, and the atomic step that decides their next run."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

from pymongo.errors import OperationFailure

from hyperspace_core.errors import NotFound, Refused, StoreUnavailable, UsageError
from hyperspace_core.plugin import codec, search_fields, trees
from hyperspace_core.records import Budget, NewRun, NewSearch, SearchRecord, SearchState
from hyperspace_mongodb import schema
from hyperspace_mongodb.base import TRIES, Verbs
from hyperspace_mongodb.batches import SUBMITTING, Batches
from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.corrupt import Damaged, decoding
from hyperspace_mongodb.documents import new_document, record_of, text, tree
from hyperspace_mongodb.errors import is_duplicate, is_forbidden
from hyperspace_mongodb.schema import SEARCHES
from hyperspace_mongodb.storing import known

# -- Turn proposals into runs, without transactions: the search decides --

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


_COUNTS = ("proposed", "redrawn", "repeats")
_PLAIN = ("uid", "project", "task", "priority", *_COUNTS)


class SearchVerbs(Verbs):
    """Each verb is one update of the search's document; each completes a draft that it finds."""

    _proposals: Proposals

    def add_search(self, search: NewSearch) -> int:
        document = new_search_document(search)
        with self._database.writing():
            document["submitted_at"] = self._now()
            number = self._kept_search(document)
            self._batches.ring(search.project)
        return number

    def restore_search(self, record: SearchRecord) -> int:
        document = restored_search_document(record)
        counts = {name: document[name] for name in _COUNTS}
        with self._database.writing():
            number = self._kept_search(document)
            self._database.searches.update_one({"_id": number}, {"$max": counts})
        return number

    def get_search(self, search: int) -> SearchRecord:
        with self._database.using():
            return search_of(self._search(search))

    def searches(self, project: str, *, states: Collection[SearchState] = (),
                 uids: Collection[str] = ()) -> list[SearchRecord]:
        wanted: Document = {}
        if states:
            wanted["state"] = {"$in": [SearchState(state).value for state in states]}
        if uids:
            wanted["uid"] = {"$in": [uid for uid in uids if isinstance(uid, str)]}
        with self._database.using():
            found = list(self._database.searches.find({
                "project": {"$eq": project}, "$or": [wanted, {"draft": {"$exists": True}}]}).sort("_id", 1))
            records = [self._listed_search(one, named=not states) for one in found]
        return [record for record in records if record is not None
                and (not states or record.state in states) and (not uids or record.uid in uids)]

    def propose(self, search: int, number: int, run: NewRun, *, redrawn: int = 0,
                repeat: bool = False) -> int | None:
        with self._database.using():
            found = search_of(self._search(search))
        search_fields.check_proposal(found, number, run)
        with self._database.writing():
            change: Document = {
                "$inc": {"proposed": 1, "redrawn": redrawn, "repeats": int(repeat)},
                "$set": {"draft": draft_of(new_document(run, self._now()))}}
            for _ in range(TRIES):
                if found.proposed > number:        # another process was faster, or this answer was lost
                    return self._again(run)
                if found.state is not SearchState.OPEN or found.proposed != number:
                    return None
                after = self._database.searches.find_one_and_update(
                    {"_id": search, "state": found.state.value, "proposed": number,
                     "draft": {"$exists": False}}, change, return_document=True)
                if after is not None:
                    return self._proposals.carry_on(after)
                found = search_of(self._search(search))
        raise self._search_busy(search)

    def end_search(self, search: int, reason: str, *, proposed: int | None = None) -> bool:
        stated = text(reason, "reason")
        with self._database.using():
            self._search(search)
        as_judged: Document = {"state": {"$ne": SearchState.ENDED.value}}
        if proposed is not None:
            as_judged = {"state": SearchState.OPEN.value, "proposed": proposed}
        with self._database.writing():
            after = self._database.searches.find_one_and_update(
                {"_id": search} | as_judged,
                {"$set": {"state": SearchState.ENDED.value, "reason": stated, "ended_at": self._now()}},
                return_document=True)
            if after is not None:
                self._carry_on(after)          # no more proposals from here on: all made before are stored
        return after is not None

    def change_search(self, search: int, *, state: SearchState | None = None, budget: Budget | None = None,
                      priority: int | None = None) -> SearchRecord:
        if state is SearchState.ENDED:
            raise UsageError("change_search: a search ends for a reason; use end_search")
        change = _change(state, budget, priority)
        to_pause = {"state": {"$ne": SearchState.ENDED.value}} if state is SearchState.PAUSED else {}
        with self._database.using():
            found = self._search(search)
        with self._database.writing():
            for _ in range(TRIES):
                if to_pause and found["state"] == SearchState.ENDED:
                    raise Refused(f"search {search} has ended ({found.get('reason')}); there is nothing to "
                                  "pause")
                after = found if not change else self._database.searches.find_one_and_update(
                    {"_id": search} | to_pause, change, return_document=True)
                if after is not None:
                    self._carry_on(after)
                    self._batches.ring(after["project"])
                    return search_of(after)
                found = self._search(search)
        raise self._search_busy(search)

    # -- helpers ---------------------------------------------------------------------------------------------

    def _search(self, search: int) -> Document:
        """The search without an unfinished draft. Raises `NotFound`, also for a number that is too large."""
        known = 0 < search <= trees.HIGHEST
        found = self._database.searches.find_one({"_id": {"$eq": search}}) if known else None
        if found is None:
            raise NotFound(f"no search {search} in this store")
        self._carry_on(found)
        return found

    def _listed_search(self, search: Document, *, named: bool) -> SearchRecord | None:
        """List searches; a damaged one raises an error if all are listed, and is skipped for workers."""
        try:
            self._carry_on(search)
            return search_of(search)
        except Damaged:
            if named:
                raise
            return None

    def _carry_on(self, search: Document) -> None:
        if "draft" not in search or self._database.refusal is not None:
            return
        with decoding(search, "search"):
            try:
                self._proposals.carry_on(search)
            except OperationFailure as error:
                if not is_forbidden(error):    # a reader leaves the draft to a process that may write
                    raise

    def _kept_search(self, document: Document) -> int:
        database = self._database
        while True:
            known = database.searches.find_one({"uid": {"$eq": document["uid"]}}, {"_id": 1})
            if known is not None:
                return int(known["_id"])
            last = database.meta.find_one_and_update(
                {"_id": SEARCHES}, {"$inc": {"last": 1}}, upsert=True, return_document=True) or {}
            try:
                database.searches.insert_one(document | {"_id": last["last"]})
            except Exception as error:
                if not is_duplicate(error):    # another process was faster: read again
                    raise

    def _again(self, run: NewRun) -> int | None:
        """The id of an earlier proposal, if it is the same run."""
        found = self._database.runs.find_one(
            {"hyperspace.uid": {"$eq": run.uid}, "status": {"$ne": SUBMITTING}},
            {"hyperspace.config": 1, "hyperspace.seed": 1})
        if found is None:
            return None
        ours = found["hyperspace"]
        same = (ours.get("config"), ours.get("seed")) == (tree(run.config, "config"), run.seed)
        return int(found["_id"]) if same else None

    def _search_busy(self, search: int) -> StoreUnavailable:
        return StoreUnavailable(f"{self._database.shown}: search {search} was changed by others {TRIES} "
                                "times in a row; trying again may help")


def new_search_document(search: NewSearch) -> Document:
    """A new search document without id and time. Raises `ValueNotStorable`."""
    names = {name: text(getattr(search, name), name) for name in ("uid", "project", "task")}
    return {**names, "state": SearchState.OPEN.value,
            "priority": codec.storable(search.priority, "priority"),
            "budget": tree(search_fields.budget_tree(search.budget), "budget"),
            "plan": tree(search_fields.plan_tree(search), "search"),
            "proposed": 0, "redrawn": 0, "repeats": 0}


def restored_search_document(record: SearchRecord) -> Document:
    """The document of a restored search, without its id. Raises `ValueNotStorable`."""
    moments: Document = {"submitted_at": record.submitted_at}
    document = new_search_document(record) | {"state": search_fields.resting(record.state).value} | {
        name: codec.storable(getattr(record, name), name) for name in _COUNTS}
    if record.state is SearchState.ENDED:
        moments["ended_at"] = record.ended_at
        document["reason"] = text(record.reason, "reason")
    return document | {name: codec.moment_text(at) for name, at in moments.items() if at is not None}


def search_of(document: Document) -> SearchRecord:
    """Raises `Damaged`."""
    with decoding(document, "search"):
        values: dict[str, Any] = {name: document[name] for name in _PLAIN} | search_fields.plan_fields(
            codec.from_text(document["plan"]))
        return SearchRecord(**values, id=document["_id"], state=SearchState(document["state"]),
                            reason=document.get("reason"),
                            budget=search_fields.budget_of(codec.from_text(document["budget"])),
                            ended_at=codec.moment_of(document.get("ended_at")),
                            submitted_at=codec.moment_of(document.get("submitted_at")))


def _change(state: SearchState | None, budget: Budget | None, priority: int | None) -> Document:
    new: Document = {"state": None if state is None else state.value,
                     "budget": None if budget is None else tree(search_fields.budget_tree(budget), "budget"),
                     "priority": None if priority is None else codec.storable(priority, "priority")}
    new = {name: value for name, value in new.items() if value is not None}
    gone = {"$unset": {"reason": "", "ended_at": ""}} if state is not None else {}
    return {"$set": new} | gone if new else {}
