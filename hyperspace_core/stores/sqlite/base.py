"""The base class of the groups of store methods, and shared queries."""

from __future__ import annotations

import sqlite3
import threading
from typing import NamedTuple

from hyperspace_core.config.tree import HIGHEST
from hyperspace_core.errors import NotFound
from hyperspace_core.records.run import Lease
from hyperspace_core.records.states import Command, State
from hyperspace_core.storage import QueueSettings
from hyperspace_core.stores.sqlite import sql
from hyperspace_core.stores.sqlite.blobs import Blobs
from hyperspace_core.stores.sqlite.connection import Database
from hyperspace_core.stores.sqlite.sql import Row


class Standing(NamedTuple):
    """The fields of a run that an owner's write depends on."""

    project: str
    state: State
    attempt: int
    token: str | None
    command: Command | None
    losses: int
    max_losses: int
    failures: int
    max_failures: int

    def held_by(self, lease: Lease) -> bool:
        """Whether the lease is valid: the fence of every write by an owner."""
        return self.state is State.RUNNING and self.attempt == lease.attempt and self.token == lease.token


class Looked(threading.local):
    """What a thread has seen of the queues, by project."""

    def __init__(self) -> None:
        self.changes: dict[str, int] = {}
        self.found: dict[str, bool] = {}       # whether its last claim found a run


class Verbs:
    """Base of one group of store methods."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs
        self._looked = Looked()


def standing(connection: sqlite3.Connection, run: int) -> Standing:
    """Read a run's `Standing`. Raises `NotFound`."""
    return standing_of(row_of(connection, sql.STANDING, run))


def current_attempt(connection: sqlite3.Connection, run: int) -> int:
    """The number of the last attempt; 0 where there is none. Raises `NotFound`."""
    return int(row_of(connection, sql.CURRENT_ATTEMPT, run)[0])


def row_of(connection: sqlite3.Connection, statement: str, run: int) -> Row:
    """The row of one run. Raises `NotFound`, also for a number beyond 64 bit."""
    row: Row | None = connection.execute(statement, (run,)).fetchone() if 0 < run <= HIGHEST else None
    if row is None:
        raise NotFound(f"no run {run} in this store")
    return row


def standing_of(row: Row) -> Standing:
    project, state, attempt, token, command, *counts = row
    asked = None if command is None else Command(command)
    return Standing(project, State(state), attempt, token, asked, *counts)


def ring(connection: sqlite3.Connection, project: str) -> None:
    """Wake waiting workers; called in the transaction that queues a run."""
    connection.execute(sql.RING, (project, *settings_row(QueueSettings())))


def settings_row(settings: QueueSettings) -> tuple[int, float, float]:
    return int(settings.paused), settings.heartbeat_s, settings.ttl_s
