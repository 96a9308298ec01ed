"""One client on one database in one process; errors are raised as one line."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection

from hyperspace_core.errors import HyperspaceError, StoreError
from hyperspace_mongodb.errors import COMPLAINTS, explained

Document = dict[str, Any]
Client = MongoClient[Document]
Table = Collection[Document]

# the server's clock is read again after this time
CLOCK_S = 600.0


class Database:
    """The collections by name. `refusal`: why the database is read-only, if it is.

    `make_schema`: called before the first write, see `schema.make`.
    """

    def __init__(self, client: Client, name: str, *, shown: str, project: str | None,
                 make_schema: Callable[[Database], None]) -> None:
        self.client = client
        self.shown = shown
        self.project = project             # foreign documents are read as runs of this project
        self.refusal: str | None = None
        self._make_schema = make_schema
        self.advice: Callable[[], tuple[str, ...]] = tuple     # queries the server; for display
        self.rings = True                  # the server has change streams, unless it answers otherwise
        self.made = False                  # schema and indexes exist
        self.lock = threading.Lock()
        self.closed = threading.Event()
        self.base = client[name]
        self.digests: dict[Any, str] = {}  # digests of files of other programs, which had to be read for it
        self._pid = os.getpid()
        self._clock: tuple[datetime, float] | None = None
        # collections of Sacred
        self.runs: Table = self.base["runs"]
        self.metrics: Table = self.base["metrics"]
        self.files: Table = self.base["fs.files"]
        self.chunks: Table = self.base["fs.chunks"]
        # collections of hyperspace
        self.meta: Table = self.base["hyperspace.meta"]
        self.projects: Table = self.base["hyperspace.projects"]
        self.incoming: Table = self.base["hyperspace.incoming"]
        self.attempts: Table = self.base["hyperspace.attempts"]
        self.points: Table = self.base["hyperspace.points"]
        self.heads: Table = self.base["hyperspace.heads"]
        self.output: Table = self.base["hyperspace.output"]
        self.artifacts: Table = self.base["hyperspace.artifacts"]
        self.contents: Table = self.base["hyperspace.contents"]
        self.uploads: Table = self.base["hyperspace.uploads"]
        self.snapshots: Table = self.base["hyperspace.snapshots"]
        self.migrations: Table = self.base["hyperspace.migrations"]
        self.searches: Table = self.base["hyperspace.searches"]
        self.workers: Table = self.base["hyperspace.workers"]

    @contextmanager
    def using(self) -> Iterator[None]:
        """Around every query of the server: raises only the errors of the store interface."""
        self._check()
        try:
            yield
        except HyperspaceError:
            raise
        except COMPLAINTS as error:
            if self.closed.is_set():
                raise self._was_closed() from error
            raise explained(error, self.shown) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around writes: creates a missing schema, refuses a newer one."""
        with self.using():
            if not self.made:
                self._make_schema(self)
            yield

    def now(self) -> datetime:
        """The server's clock, from the last reading: workers' clocks differ, and users compare times."""
        clock = self._clock
        if clock is None or monotonic() - clock[1] > CLOCK_S:
            clock = self._clock = self.asked_clock()
        return clock[0] + timedelta(seconds=monotonic() - clock[1])

    def asked_clock(self) -> tuple[datetime, float]:
        before = monotonic()
        hello = self.hello()
        moment = hello.get("localTime")
        if not isinstance(moment, datetime):
            return datetime.now(UTC), monotonic()
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.astimezone(UTC), (before + monotonic()) / 2

    def hello(self) -> Mapping[str, Any]:
        return self.client.admin.command("hello")

    def close(self) -> None:
        """Close all connections. Idempotent; in a forked child the parent's connections stay open."""
        self.closed.set()
        if os.getpid() == self._pid:
            self.client.close()

    def _check(self) -> None:
        if os.getpid() != self._pid:
            raise StoreError(f"{self.shown}: this store was opened by process {self._pid} and may not cross "
                             "a fork; open it again in this process")
        if self.closed.is_set():
            raise self._was_closed()

    def _was_closed(self) -> StoreError:
        return StoreError(f"{self.shown}: this store has been closed")
