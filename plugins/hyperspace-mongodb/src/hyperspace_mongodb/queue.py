"""The queue: settings, submit and claim."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from time import monotonic
from typing import Any

from pymongo.change_stream import CollectionChangeStream
from pymongo.errors import OperationFailure

from hyperspace_core.errors import StoreError, UsageError
from hyperspace_core.plugin import codec
from hyperspace_core.records import Claim, Lease, NewRun, Owner, State, WorkerInfo
from hyperspace_core.storage import QueueSettings
from hyperspace_mongodb.base import Verbs
from hyperspace_mongodb.batches import default_settings
from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.corrupt import Damaged, is_misfit, set_aside, set_misfits_aside
from hyperspace_mongodb.documents import new_attempt, new_document, record_of
from hyperspace_mongodb.errors import is_duplicate, is_forbidden
from hyperspace_mongodb.overflow import make_room, moved_texts
from hyperspace_mongodb.sacred import begun, host_of, moment_of
from hyperspace_mongodb.storing import stored

QUEUE_ORDER = [("hyperspace.priority", -1), ("_id", 1)]


class QueueVerbs(Verbs):
    """T1 and T2, and the settings."""

    # -- settings --------------------------------------------------------------------------------------------

    def settings(self, project: str) -> QueueSettings:
        database = self._database
        with database.using():
            found = database.projects.find_one({"_id": {"$eq": project}})
            if found is not None:
                return _settings_of(found)
        if database.refusal is not None or not database.made:
            return QueueSettings()         # a query is no reason to write into a database of another program
        with database.writing():
            try:
                return _settings_of(self._kept_settings(project))
            except OperationFailure as error:
                if is_forbidden(error):    # a user with read access only, who just needs the settings
                    return QueueSettings()
                raise

    def change_settings(self, project: str, *, paused: bool | None = None, heartbeat_s: float | None = None,
                        ttl_s: float | None = None) -> QueueSettings:
        given = {"paused": paused, "heartbeat_s": heartbeat_s, "ttl_s": ttl_s}
        change = {name: value for name, value in given.items() if value is not None}
        with self._database.writing():
            while True:
                before = self._kept_settings(project)
                changed = QueueSettings(**(vars(_settings_of(before)) | change))
                changed.check(project)
                found = self._database.projects.find_one_and_update(
                    {"_id": {"$eq": project}, **_equal({name: before.get(name) for name in vars(changed)})},
                    {"$set": dict(vars(changed)), "$inc": {"changes": 1}})
                if found is not None:
                    return changed

    def _kept_settings(self, project: str) -> Document:
        """The stored settings; missing ones are stored with their defaults."""
        return self._database.projects.find_one_and_update(
            {"_id": {"$eq": project}}, {"$setOnInsert": default_settings() | {"changes": 0}}, upsert=True,
            return_document=True) or {}

    # -- T1 --------------------------------------------------------------------------------------------------

    def submit(self, runs: Sequence[NewRun], *, owner: Owner | None = None,
               tokens: Sequence[str] = ()) -> list[int]:
        if tokens and (owner is None or len(tokens) != len(runs)):
            raise UsageError(f"submit: {len(tokens)} tokens for {len(runs)} runs; give the owner, and one "
                             "token a run")
        if not runs:
            return []
        with self._database.writing():
            moment = self._now()
            documents: dict[str, Document] = {}
            for place, run in enumerate(runs):
                document = new_document(run, moment)
                if owner is not None and tokens:
                    _start(document, owner, tokens[place], moment)
                documents.setdefault(run.uid, document)
            ids = stored(self._database, self._batches, list(documents.values()))
            return [ids[run.uid] for run in runs]

    # -- T2 --------------------------------------------------------------------------------------------------

    def claim(self, project: str, owner: Owner, token: str, *, tasks: Collection[str] | None = None,
              exclude: Collection[int] = (), only: Collection[int] | None = None) -> Claim | None:
        with self._database.writing():
            queue = self._database.projects.find_one({"_id": {"$eq": project}}) or {}
            moment = self._now()
            wanted = None if queue.get("paused") else _wanted(
                project, token, moment, tasks=tasks, exclude=exclude, only=only)
            while True:
                found = None if wanted is None else self._found(wanted, project, owner, token, moment)
                if found is None:
                    found = self._claimed_before(token)
                if found is None:
                    self._has_looked(project, int(queue.get("changes", 0)))
                    return None
                try:
                    return self._claim_of(found, token)
                except Damaged:
                    set_aside(self._database, found["_id"], token)

    def _claim_of(self, found: Document, token: str) -> Claim:
        record = record_of(found, moved_texts(self._database, [found]))
        make_room(self._database, found)
        return Claim(lease=Lease(run=found["_id"], attempt=found["hyperspace"]["attempt"], token=token),
                     record=record)

    def _found(self, wanted: Document, project: str, owner: Owner, token: str,
               moment: str) -> Document | None:
        """Claim the next run of the queue; skip runs that cannot be claimed, complete batches."""
        try:
            found = self._taken(wanted, owner, token, moment)
        except OperationFailure as error:
            if not is_misfit(error) or not set_misfits_aside(self._database, project):
                raise
            found = self._taken(wanted, owner, token, moment)
        if found is None and self._batches.settle_some():
            found = self._taken(wanted, owner, token, moment)
        return found

    def _taken(self, wanted: Document, owner: Owner, token: str, moment: str) -> Document | None:
        """Claim in one step; None if there is no run, or if a repeat of this claim was faster."""
        change = {
            "$set": {"status": State.RUNNING.value, "hyperspace.token": token, "heartbeat": moment_of(moment),
                     "start_time": moment_of(moment), "host": host_of(owner), **begun()},
            "$unset": dict.fromkeys(("hyperspace.command", "hyperspace.reason", "hyperspace.progress",
                                     "hyperspace.not_before"), ""),
            "$inc": {"hyperspace.attempt": 1, "hyperspace.beat": 1},
        }
        try:
            return self._database.runs.find_one_and_update(
                wanted, change | {"$push": {"hyperspace.attempts": new_attempt(token, owner, moment)}},
                sort=QUEUE_ORDER, return_document=True)
        except Exception as error:
            if is_duplicate(error):        # this token has claimed another run
                return None
            raise

    def _claimed_before(self, token: str) -> Document | None:
        """The claim whose answer was lost; None if there is none, or if its lease has ended."""
        return self._database.runs.find_one({
            "hyperspace.attempts.token": {"$eq": token}, "status": State.RUNNING.value,
            "hyperspace.token": {"$eq": token}})

    def _seen(self) -> dict[str, int]:
        """Project → changes seen by this thread; empty for a thread that has not looked."""
        seen: dict[str, int] = self._looked.__dict__.setdefault("seen", {})
        return seen

    def _has_looked(self, project: str, changes: int) -> None:
        self._seen()[project] = changes


def _start(document: Document, owner: Owner, token: str, moment: str) -> None:
    """Claim a run that is executed at once, in the step that stores it."""
    document |= begun() | {"status": State.RUNNING.value, "host": host_of(owner),
                           "heartbeat": moment_of(moment)}
    document["hyperspace"] |= {"attempt": 1, "beat": 1, "token": token,
                               "attempts": [new_attempt(token, owner, moment)]}


def _wanted(project: str, token: str, moment: str, *, tasks: Collection[str] | None,
            exclude: Collection[int], only: Collection[int] | None) -> Document:
    """The condition of a claim. `not_before` is the back-off before a retry: the only decision by a clock."""
    wanted: Document = {
        "hyperspace.project": {"$eq": project}, "status": State.QUEUED.value,
        "hyperspace.attempts.token": {"$ne": token},
        "$or": [{"hyperspace.not_before": {"$exists": False}}, {"hyperspace.not_before": {"$lte": moment}}]}
    if tasks is not None:
        wanted["experiment.name"] = {"$in": [task for task in tasks if isinstance(task, str)]}
    ids: Document = {}
    if exclude:
        ids["$nin"] = list(exclude)
    if only is not None:
        ids["$in"] = list(only)
    return wanted | ({"_id": ids} if ids else {})


def _equal(values: Document) -> Document:
    return {name: {"$eq": value} for name, value in values.items()}


def _settings_of(found: Document) -> QueueSettings:
    """Raises `StoreError` for settings that no version of ours has written."""
    whole = default_settings() | found
    try:
        return QueueSettings(paused=bool(whole["paused"]), heartbeat_s=float(whole["heartbeat_s"]),
                             ttl_s=float(whole["ttl_s"]))
    except (TypeError, ValueError) as error:
        raise StoreError(f"the settings of project {found.get('_id')!r} are damaged ({error}); repair "
                         "`heartbeat_s` and `ttl_s` in hyperspace.projects, or remove the document: the "
                         "defaults come back") from error


# -- `wait_for_change`: an idle worker notices work in time with few queries --

FIRST_LOOK_S, LAST_LOOK_S = 0.02, 0.25         # between two polls; well under half a second
TOLD_S = 0.25                  # limit of one query at the server; then a closed store is noticed
LOOK_ANYWAY_S = 5.0            # the number decides, not the stream
SHORT_S = 0.5                  # a shorter wait does not open a stream


class WaitingVerbs(QueueVerbs):
    """One verb; changes seen here count as seen by `claim`, too."""

    def wait_for_change(self, project: str, timeout_s: float) -> bool:
        until = monotonic() + timeout_s
        bell = _Bell(self._database, project) if timeout_s > SHORT_S else None
        pause = FIRST_LOOK_S
        try:
            while True:
                with self._database.using():
                    if bell is not None:
                        bell.listen()          # before the poll: no change between the two is missed
                    changes = self._changes(project)
                if changes != self._seen().get(project, 0):
                    self._has_looked(project, changes)
                    return True
                left = until - monotonic()
                if left <= 0:
                    return False
                if bell is not None and bell.rings:
                    with self._database.using():
                        bell.wait(min(left, LOOK_ANYWAY_S))
                else:
                    self._database.closed.wait(min(left, pause * random.uniform(0.7, 1.0)))
                    pause = min(LAST_LOOK_S, pause * 1.5)
        finally:
            if bell is not None:
                bell.close()

    def _changes(self, project: str) -> int:
        found = self._database.projects.find_one({"_id": {"$eq": project}}, {"changes": 1}) or {}
        return int(found.get("changes", 0))


class _Bell:
    """A change stream on one project, for one wait. Never fires if streams are not available or permitted."""

    def __init__(self, database: Database, project: str) -> None:
        self._database = database
        self._project = project
        self._stream: CollectionChangeStream[Any] | None = None

    @property
    def rings(self) -> bool:
        return self._stream is not None

    def listen(self) -> None:
        if self._stream is not None or not self._database.rings:
            return
        pipeline: list[Document] = [{"$match": {"documentKey._id": {"$eq": self._project}}}]
        try:
            self._stream = self._database.projects.watch(pipeline, max_await_time_ms=self._patience_ms())
        except OperationFailure:
            self._database.rings = False       # a standalone server, or a user without the right

    def _patience_ms(self) -> int:
        """The time limit of one query at the server: well within the client's limit."""
        patience_s = self._database.client.options.timeout or TOLD_S
        return max(1, round(min(TOLD_S, patience_s / 2) * 1000))

    def wait(self, at_most_s: float) -> None:
        """Wait for an event, or a little longer or shorter: the number is read in any case."""
        until = monotonic() + at_most_s
        while self._stream is not None and monotonic() < until and not self._database.closed.is_set():
            if self._stream.try_next() is not None:
                return

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None and not self._database.closed.is_set():
            stream.close()


# -- Registered workers --

class WorkerVerbs(Verbs):
    """Register and unregister workers."""

    def present(self, worker: WorkerInfo) -> None:
        name = worker.owner.worker
        key = {"project": {"$eq": worker.project}, "worker": {"$eq": name}}
        with self._database.writing():
            said = {"info": codec.worker_text(worker), "seen_at": self._now()}
            beat = max(1, worker.beat)
            table = self._database.workers
            while True:
                before = table.find_one(key, {"beat": 1})
                if before is None:
                    try:
                        table.insert_one({"project": worker.project, "worker": name, "beat": beat, **said})
                        return
                    except Exception as error:
                        if not is_duplicate(error):
                            raise
                        continue
                found = table.update_one({"_id": before["_id"], "beat": before["beat"]},
                                         {"$set": said | {"beat": max(before["beat"] + 1, beat)}})
                if found.matched_count:
                    return

    def absent(self, worker: str) -> None:
        with self._database.writing():
            self._database.workers.delete_many({"worker": {"$eq": worker}})

    def workers(self, project: str) -> list[WorkerInfo]:
        with self._database.using():
            found = list(self._database.workers.find({"project": {"$eq": project}}).sort("worker", 1))
        return [codec.worker_of(project, one["info"], one["beat"], one["seen_at"]) for one in found]
