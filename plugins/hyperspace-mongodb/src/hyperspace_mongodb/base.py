"""Base of all groups of verbs: the database, and shared queries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from hyperspace_core.errors import NotFound, Refused, StoreUnavailable
from hyperspace_core.plugin import codec, trees
from hyperspace_core.records import Command, Lease, Outcome, State
from hyperspace_mongodb.batches import SUBMITTING, Batches
from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.corrupt import decoding
from hyperspace_mongodb.documents import numbers

TRIES = 50                     # retries of a compare-and-set

_STANDING = {"status": 1, **{f"hyperspace.{name}": 1 for name in (
    "project", "attempt", "token", "command", "losses", "max_losses", "failures", "max_failures", "edits",
    "beat", "goal", "series", "attempts.number", "attempts.token",
    "attempts.outcome")}}


class Standing(NamedTuple):
    """A run as a verb read it; the write that follows is conditional on these values."""

    run: int
    project: str
    state: State
    attempt: int
    token: str | None
    command: Command | None
    losses: int
    max_losses: int
    failures: int
    max_failures: int
    edits: int
    goal: str
    series: list[Document]
    attempts: list[Document]
    numbers: list[int]

    def held_by(self, lease: Lease) -> bool:
        """The fence: the condition of every write of an owner."""
        return self.state is State.RUNNING and self.attempt == lease.attempt and self.token == lease.token

    def place(self, attempt: int, token: str) -> int | None:
        """The index in the document of the attempt with this number and token."""
        for place, (number, found) in enumerate(zip(self.numbers, self.attempts, strict=True)):
            if number == attempt and found["token"] == token:
                return place
        return None

    def outcome(self, lease: Lease) -> Outcome | None:
        """The outcome of this attempt: a repeated call of its owner succeeds again."""
        place = self.place(lease.attempt, lease.token)
        ended = None if place is None else self.attempts[place].get("outcome")
        return None if ended is None else Outcome(ended)

    def unchanged(self) -> Document:
        """The condition that no value read here has changed since."""
        return {"_id": self.run, "status": self.state.value, "hyperspace.attempt": self.attempt,
                "hyperspace.token": {"$eq": self.token},
                "hyperspace.command": {"$eq": None if self.command is None else self.command.value},
                "hyperspace.losses": self.losses, "hyperspace.failures": self.failures,
                "hyperspace.edits": self.edits}


class Verbs:
    """One group of verbs of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batches = Batches(database)
        self._looked = threading.local()       # changes of each project's queue that each thread has seen

    def _now(self) -> str:
        """The server's clock, as a text that sorts by time."""
        return codec.moment_text(self._database.now())

    @contextmanager
    def _changing(self, run: int) -> Iterator[None]:
        """Around writes to one run: for an id that cannot be ours, not even the schema is created."""
        if not self._database.made:
            with self._database.using():
                self._standing(run)
        with self._database.writing():
            yield

    def _standing(self, run: int) -> Standing:
        """Raises `NotFound`, and `Refused` for a run of another program."""
        document = self._document(run, _STANDING)
        if "hyperspace" not in document:
            raise foreign_refused(run)
        return standing_of(document)

    def _document(self, run: int, projection: dict[str, Any] | None = None) -> Document:
        """Raises `NotFound`, also for a number that is too large."""
        found, wanted = None, {"_id": {"$eq": run}}
        if 0 < run <= trees.HIGHEST:
            found = self._database.runs.find_one(wanted, projection)
        if found is not None and found.get("status") == SUBMITTING:
            self._batches.settle()
            found = self._database.runs.find_one(wanted, projection)
        if found is None or found.get("status") == SUBMITTING:
            raise NotFound(f"no run {run} in this store")
        if not isinstance(found.get("hyperspace", {}), dict):
            with decoding(found):
                raise TypeError("`hyperspace` is no document")
        return found

    def _current_attempt(self, run: int) -> int:
        """The number of the current or last attempt, 0 if there is none. Raises `NotFound`."""
        document = self._document(run, {"status": 1, "hyperspace.attempt": 1})
        return int(document.get("hyperspace", {}).get("attempt", 0))

    def _too_busy(self, run: int) -> StoreUnavailable:
        return StoreUnavailable(f"{self._database.shown}: run {run} was changed by others {TRIES} times in a "
                                "row; trying again may help")


def standing_of(document: Document) -> Standing:
    """Raises `Damaged`."""
    with decoding(document):
        ours = document["hyperspace"]
        asked = ours.get("command")
        return Standing(
            document["_id"], ours["project"], State(document["status"]), ours["attempt"], ours.get("token"),
            None if asked is None else Command(asked), ours["losses"], ours["max_losses"], ours["failures"],
            ours["max_failures"], ours["edits"], ours.get("goal", "maximize"), ours.get("series", []),
            ours.get("attempts", []), numbers(ours))


def mine(lease: Lease) -> Document:
    """The condition of all writes of an owner."""
    return {"_id": lease.run, "status": State.RUNNING.value, "hyperspace.attempt": lease.attempt,
            "hyperspace.token": {"$eq": lease.token}}


def foreign_refused(run: int) -> Refused:
    return Refused(f"run {run} was written by another program (Sacred?): it is history here, and is read but "
                   "never changed")

