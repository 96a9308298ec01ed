"""`wait_for_change`: an idle worker notices work in time with few queries.

Every step that makes a run claimable increments a number of the project. With change streams, the server
notifies a waiting thread; else the thread polls the number, often at first and then less often.
"""

from __future__ import annotations

import random
from time import monotonic
from typing import Any

from pymongo.change_stream import CollectionChangeStream
from pymongo.errors import OperationFailure

from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.queueing import QueueVerbs

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
