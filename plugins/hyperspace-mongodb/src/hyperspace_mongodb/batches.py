"""Store several runs, all or none, without transactions: one document decides.

The runs of a batch are written as SUBMITTING: invisible and not claimable. The batch is listed as "pending"
in the document that also assigns the ids. A single update of that document commits the batch. Then any
process that finds the committed batch completes it: it gives each run its final state and removes the batch
from the list. A batch that stays pending is the rest of a killed submitter. It is abandoned by a submission
that needs one of its uids, or by any submission after `ABANDONED_S`; if its submitter is alive after all, its
commit is refused and it starts again.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from hyperspace_core.records import State
from hyperspace_core.storage import QueueSettings
from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.schema import QUEUE

SUBMITTING = "SUBMITTING"
PENDING, COMMITTED, ABANDONED = "pending", "committed", "abandoned"
ABANDONED_S = 600.0


class Moment(NamedTuple):
    """The batches decided when a reader began, so that it sees whole batches only."""

    last: int                          # the highest id of our runs
    undecided: tuple[str, ...]


class Batches:
    """The list of unfinished batches; nearly always empty."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- submitters ------------------------------------------------------------------------------------------

    def ids(self, count: int) -> int:
        """Reserve this many new ids; the first of them."""
        found = self._database.meta.find_one_and_update(
            {"_id": QUEUE}, {"$inc": {"last": count}}, upsert=True, return_document=True) or {}
        return int(found["last"]) - count + 1

    def begin(self, count: int) -> tuple[str, int]:
        """Start a new batch; the first of this many ids."""
        name = secrets.token_hex(8)
        found = self._database.meta.find_one_and_update(
            {"_id": QUEUE}, {"$inc": {"last": count}, "$set": {f"batches.{name}": {
                "state": PENDING, "at": self._database.now()}}}, upsert=True, return_document=True) or {}
        return name, int(found["last"]) - count + 1

    def commit(self, name: str) -> bool:
        """Commit the batch in one step. False: another process has abandoned it."""
        return self._decide(name, COMMITTED) or self._state(name) == COMMITTED

    def abandon(self, name: str) -> None:
        """Abandon an uncommitted batch; complete it if it was committed.

        A run of no listed batch is the rest of a killed submitter or deleter: a batch leaves the list only
        when none of its runs is SUBMITTING any more.
        """
        if not self._decide(name, ABANDONED) and self._state(name) == COMMITTED:
            self.carry_on(name)
        else:
            self.drop(name)

    def drop(self, name: str) -> None:
        """Delete the runs of an abandoned batch."""
        self._database.runs.delete_many({"hyperspace.batch": name, "status": SUBMITTING})
        self._database.incoming.delete_many({"batch": name})
        self._forget(name)

    def clear_abandoned(self) -> None:
        """Abandon old batches of killed submitters."""
        before = self._database.now() - timedelta(seconds=ABANDONED_S)
        for name, batch in self._under_way().items():
            if batch["state"] == ABANDONED or (batch["state"] == PENDING and batch["at"] < before):
                self.abandon(name)

    # -- all processes ---------------------------------------------------------------------------------------

    def settle(self) -> Moment:
        """Complete the committed batches; the decisions then."""
        found = self._database.meta.find_one({"_id": QUEUE}) or {"last": 0}
        undecided = []
        for name, batch in found.get("batches", {}).items():
            if batch["state"] == COMMITTED:
                self.carry_on(name)
            else:
                undecided.append(name)
        return Moment(int(found["last"]), tuple(undecided))

    def settle_some(self) -> bool:
        """Whether a committed batch had to be completed."""
        committed = [name for name, batch in self._under_way().items() if batch["state"] == COMMITTED]
        for name in committed:
            self.carry_on(name)
        return bool(committed)

    def carry_on(self, name: str) -> None:
        """Complete a committed batch; may run concurrently, and be repeated after a kill."""
        database = self._database
        self._replace(name)
        waiting = {"hyperspace.batch": name, "status": SUBMITTING}
        states = database.runs.distinct("hyperspace.then", waiting)
        queued = waiting | {"hyperspace.then": State.QUEUED.value}
        projects = database.runs.distinct("hyperspace.project", queued)
        for state in states:
            database.runs.update_many(waiting | {"hyperspace.then": state},
                                      {"$set": {"status": state}, "$unset": {"hyperspace.then": ""}})
        for project in projects:
            self.ring(project)
        self._forget(name)

    def ring(self, project: str) -> None:
        """Wake workers that wait for runs; called after the runs are queued."""
        self._database.projects.update_one(
            {"_id": {"$eq": project}}, {"$inc": {"changes": 1}, "$setOnInsert": default_settings()},
            upsert=True)

    def left_over(self) -> list[int]:
        """Runs of no listed batch and no draft of a search: their writer was killed, or was too late.

        A run that is in neither list now, after the runs were read, will never be in one.
        """
        runs = [(found["_id"], found["hyperspace"]) for found in self._database.runs.find(
            {"status": SUBMITTING}, {"hyperspace.batch": 1, "hyperspace.uid": 1})]
        known = self._under_way() if runs else {}
        drafts = {found["draft"]["uid"] for found in self._database.searches.find(
            {"draft": {"$exists": True}}, {"draft.uid": 1})} if runs else set()
        return [run for run, ours in runs if ours.get("batch") not in known and ours["uid"] not in drafts]

    def _replace(self, name: str) -> None:
        """Replace queued runs by restored ones that are further on, unless they were claimed."""
        for found in self._database.incoming.find({"batch": name}):
            document: Document = found["document"]
            done = self._database.runs.replace_one(
                {"_id": document["_id"], "status": {"$in": [State.QUEUED.value, State.PAUSED.value]},
                 "hyperspace.attempt": 0}, document).matched_count
            if done and document["status"] == State.QUEUED:
                self.ring(document["hyperspace"]["project"])
            self._database.incoming.delete_one({"_id": found["_id"]})

    def _decide(self, name: str, state: str) -> bool:
        return self._database.meta.update_one(
            {"_id": QUEUE, f"batches.{name}.state": PENDING},
            {"$set": {f"batches.{name}.state": state}}).matched_count == 1

    def _state(self, name: str) -> str | None:
        found = self._under_way().get(name)
        return None if found is None else str(found["state"])

    def _under_way(self) -> dict[str, Any]:
        found = self._database.meta.find_one({"_id": QUEUE}, {"batches": 1}) or {}
        batches: dict[str, Any] = found.get("batches", {})
        return batches

    def _forget(self, name: str) -> None:
        self._database.meta.update_one({"_id": QUEUE}, {"$unset": {f"batches.{name}": ""}})


def default_settings() -> Document:
    return dict(vars(QueueSettings()))


def decided(batches: Sequence[str]) -> Document:
    """The condition that leaves out undecided runs, and changes by batches after the reader began."""
    return {"hyperspace.batch": {"$nin": list(batches)}} if batches else {}
