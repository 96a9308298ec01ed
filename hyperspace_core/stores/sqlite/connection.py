"""Connections to one SQLite file: one per thread, within one process."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hyperspace_core.errors import HyperspaceError, StoreError, StoreUnavailable, ValueNotStorable

# -- Translation of SQLite errors into one line that names the file and the remedy --

PATIENCE_S = 30.0              # limit of waiting for another process's write

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)       # another process or thread is writing
NO_DATABASE = "not an SQLite database, or an encrypted one; name another file, or move this one away"
READ_ONLY = ("cannot be written; you need the right to write to the file and to its folder, on a disk that "
             "is not mounted read-only")
_CURES = {
    sqlite3.SQLITE_FULL: "the disk is full; make room, or move the file to a disk that has some",
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: "no permission to use the file",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; you need the right to read and write the file and its folder",
    sqlite3.SQLITE_NOTADB: NO_DATABASE,
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a backup, or save the readable part with "
                            "`sqlite3 FILE .recover`",
    sqlite3.SQLITE_PROTOCOL: "its locks do not work; the file must lie on a local disk",
}


def code_of(error: sqlite3.Error) -> int | None:
    """SQLite's primary result code; None for an error of the Python module."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def explained(error: Exception, path: Path) -> HyperspaceError:
    """The exception that a store method raises in place of `error`."""
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error, path)
    if isinstance(error, UnicodeEncodeError):
        return ValueNotStorable(f"{ascii(error.object)[:60]}: text holds half of a surrogate pair at "
                                f"position {error.start}; use os.fsencode and a spelling of your own")
    if isinstance(error, OverflowError):
        return ValueNotStorable("integer too large (limit 64 bit)")
    return StoreError(f"{path}: {type(error).__name__}: {error}")


def _of_sqlite(error: sqlite3.Error, path: Path) -> HyperspaceError:
    code = code_of(error)
    if code in _BUSY:
        return StoreUnavailable(f"{path}: another process has been writing to it for {PATIENCE_S:g} s; "
                                "retrying may help")
    if code == sqlite3.SQLITE_TOOBIG:
        return ValueNotStorable("more than 1 GB of text; log it with log_artifact()")
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(f"{path}: the disk reports an error ({error.sqlite_errorname}); check the "
                          "system log")
    if code in _CURES:
        return StoreError(f"{path}: {_CURES[code]}")
    return StoreError(f"{path}: {error}; `hyperspace store check` looks for damage")


# Waits for another process's write. SQLite's own handler soon sleeps for 100 ms at a time, while a write
# takes less than 1 ms; a process that retries so rarely is overtaken by all others.
FIRST_WAIT_S, LONGEST_WAIT_S = 0.001, 0.004

_SETTINGS = (
    f"PRAGMA busy_timeout = {PATIENCE_S * 1000:.0f}",
    "PRAGMA trusted_schema = OFF",     # before the schema is read
    "PRAGMA foreign_keys = ON",
    "PRAGMA synchronous = FULL",       # NORMAL may lose the last commits after a power cut
)
_inherited: list[sqlite3.Connection] = []      # of the parent process; closing them would touch its locks


def connect(path: Path, options: str = "mode=rw") -> sqlite3.Connection:
    """Open a connection; `options` are of SQLite's URIs. Raises `sqlite3.Error`."""
    connection = sqlite3.connect(f"{path.as_uri()}?{options}", uri=True, isolation_level=None,
                                 cached_statements=256, check_same_thread=False, timeout=PATIENCE_S)
    try:
        for setting in _SETTINGS:
            connection.execute(setting)
    except BaseException:
        connection.close()
        raise
    return connection


def insist(connection: sqlite3.Connection, statement: str, closed: threading.Event | None = None) -> None:
    """Execute a statement that needs the file exclusively; retry while it is busy.

    Raises `sqlite3.OperationalError` after `PATIENCE_S`, or when `closed` is set.
    """
    until = time.monotonic() + PATIENCE_S
    wait = FIRST_WAIT_S
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                connection.execute(statement).fetchall()
                return
            except sqlite3.OperationalError as error:
                given_up = time.monotonic() > until or (closed is not None and closed.is_set())
                if code_of(error) not in _BUSY or given_up:
                    raise
            time.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(LONGEST_WAIT_S, wait * 2)
    finally:
        connection.execute(_SETTINGS[0])


@contextmanager
def step(connection: sqlite3.Connection, closed: threading.Event | None = None) -> Iterator[None]:
    """A write transaction with stable reads, rolled back on an exception."""
    try:
        insist(connection, "BEGIN IMMEDIATE", closed)
        yield
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:      # some errors end the transaction
        connection.execute("ROLLBACK")


class _Link:
    """One thread's connection; closed after the thread's end, or by `Database.close`."""

    def __init__(self, connection: sqlite3.Connection, stand_ins: tuple[str, ...]) -> None:
        self.connection = connection
        self.stand_ins = stand_ins
        for statement in stand_ins:
            connection.execute(statement)
        self.lock = threading.RLock()      # held during each use, so that no other thread closes it
        self.close = weakref.finalize(self, _close, connection, os.getpid())


class Database:
    """A checked database file. `refusal` is the reason why it is read-only, or None."""

    def __init__(self, path: Path, *, options: str = "mode=rw", refusal: str | None = None,
                 stand_ins: Sequence[str] = ()) -> None:
        self.path = path
        self.refusal = refusal
        self.stand_ins = tuple(stand_ins)      # empty tables that an older file lacks
        self.closed = threading.Event()
        self._options = options
        self._name = str(path)
        self._file = _identity(self._name)
        self._pid = os.getpid()
        self._local = threading.local()
        self._links: weakref.WeakSet[_Link] = weakref.WeakSet()
        self._lock = threading.Lock()

    @contextmanager
    def using(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, for single statements; raises the port's errors."""
        try:
            link = self._link()
            with link.lock:
                yield link.connection
        except (sqlite3.Error, sqlite3.Warning, UnicodeEncodeError, OverflowError) as error:
            if isinstance(error, sqlite3.Error) and code_of(error) == sqlite3.SQLITE_IOERR:
                self._local.link = None    # after a failed fsync, its cache is not reliable
            if self.closed.is_set():
                raise self._was_closed() from error
            raise explained(error, self.path) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A read transaction: several statements that see the same state."""
        with self.using() as connection:
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                _roll_back(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction; see `step`."""
        if self.refusal is not None:
            raise StoreError(f"{self.path}: {self.refusal}")
        with self.using() as connection, step(connection, self.closed):
            yield connection

    def close(self) -> None:
        """Close all threads' connections. Idempotent."""
        self.closed.set()
        if os.getpid() != self._pid:
            return
        with self._lock:
            links = list(self._links)
        for link in links:
            if link.lock.acquire(timeout=1.0):     # else its thread is using it, and closes it at its end
                link.close()
                link.lock.release()

    def _link(self) -> _Link:
        if os.getpid() != self._pid:
            raise StoreError(f"{self.path}: this store was opened by process {self._pid} and cannot be used "
                             "after a fork; open it again in this process")
        if self.closed.is_set():
            raise self._was_closed()
        if _identity(self._name) != self._file:     # SQLite would continue to write to the removed file
            raise StoreUnavailable(f"{self.path}: the file has been deleted, moved or replaced since it was "
                                   "opened; put it back, or open the store again")
        link: _Link | None = getattr(self._local, "link", None)
        if link is None or link.stand_ins != self.stand_ins:
            link = self._local.link = _Link(connect(self.path, self._options), self.stand_ins)
            with self._lock:
                self._links.add(link)
        return link

    def _was_closed(self) -> StoreError:
        return StoreError(f"{self.path}: this store has been closed")


def _identity(path: str) -> tuple[int, int] | None:
    """Device and inode of the file; None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - called in each method
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _close(connection: sqlite3.Connection, pid: int) -> None:
    if os.getpid() == pid:
        connection.close()
    else:
        _inherited.append(connection)
