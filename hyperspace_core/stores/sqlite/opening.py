"""From a URL to a database that is ours: made where there is none, refused where the file cannot serve."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

from hyperspace_core.errors import StoreError
from hyperspace_core.extension.address import redact, resolve_url
from hyperspace_core.storage import this_version
from hyperspace_core.stores.sqlite import schema
from hyperspace_core.stores.sqlite.complaints import NO_DATABASE, READ_ONLY, explained
from hyperspace_core.stores.sqlite.connection import Database, connect, insist, step
from hyperspace_core.stores.sqlite.mounts import network_kind_of

NEEDED = (3, 37)               # STRICT tables
SMALLEST = 512                 # bytes of a database; SQLite takes whatever is shorter for an empty one

_making = threading.Lock()     # until it is closed again, nobody else in this process may open a new file


def path_of(url: str, project: str | None) -> Path:
    """The file that a URL names, with symbolic links followed. Raises `StoreError`."""
    address = resolve_url(url, project or "")
    if not address.startswith("sqlite:///"):
        raise StoreError(f"storage {redact(url)!r}: not a file for SQLite; write sqlite:///runs.db")
    try:
        return Path(address.removeprefix("sqlite:///")).resolve()
    except (OSError, RuntimeError) as error:       # a loop of symbolic links
        raise StoreError(f"{address}: leads nowhere: {error}") from error


def opened(path: Path) -> Database:
    """The database in the file, made new where there is none. Raises `StoreError` and `StoreUnavailable`."""
    check_library()
    _make(path)
    kind = network_kind_of(path.parent)
    if kind is not None:
        raise StoreError(f"{path}: lies on a network file system ({kind}), where SQLite's locks do not hold; "
                         "use a file on a local disk, or a server store (mongodb://HOST) for many machines")
    options = _options(path)
    try:
        connection = connect(path, options)
        try:
            refusal = _refusal(connection, path, writable=options == "mode=rw")
            version = _schema(connection)
        finally:
            connection.close()
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise explained(error, path) from error
    return Database(path, options=options, refusal=refusal, stand_ins=schema.stand_ins(version))


def check_library() -> str:
    """The version of SQLite that Python brings. Raises `StoreError` for one that is too old."""
    if sqlite3.sqlite_version_info < NEEDED:
        needed = ".".join(map(str, NEEDED))
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: {needed} or newer is needed; install "
                         "a Python that brings one, or use a server store (mongodb://HOST)")
    return sqlite3.sqlite_version


def _make(path: Path) -> None:
    """Only this user may look into what is made here; what is there already stays as it is."""
    try:
        if path.is_dir():
            raise StoreError(f"{path}: is a folder; name a file, such as {path / 'runs.db'}")
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            folder.mkdir(mode=0o700, exist_ok=True)
        with _making:
            if not path.exists():
                _make_file(path)
            elif 0 < path.stat().st_size < SMALLEST:
                raise StoreError(f"{path}: {NO_DATABASE}")
    except OSError as error:
        raise StoreError(f"{path}: cannot be made: {error.strerror} ({error.filename}); name a file in a "
                         "folder that you may write to") from error


def _make_file(path: Path) -> None:
    """Never opens a file that is there: closing it again would end this process's locks on it."""
    with suppress(FileExistsError):        # another process was faster
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _options(path: Path) -> str:
    """How to connect: for writing where that is possible, else so that at least reading is."""
    beside = [path.with_name(path.name + ending) for ending in ("-wal", "-shm")]
    there = all(one.exists() for one in beside)
    if os.access(path, os.W_OK) and (there or os.access(path.parent, os.W_OK)):
        return "mode=rw"
    if there or os.access(path.parent, os.W_OK):
        return "mode=ro"
    # nobody can have it open for writing here, and SQLite could not make the files that it reads a log with
    return "mode=ro&immutable=1"


def _refusal(connection: sqlite3.Connection, path: Path, *, writable: bool) -> str | None:
    """Why nothing may be written, or None. Raises `StoreError` for a file that may not even be read."""
    version = _schema(connection)
    if version is None and writable:
        _create(connection, path)
        version = _schema(connection)
    if version is None:
        raise StoreError(f"{path}: is not a store of hyperspace; name another file")
    strange = schema.strangers(connection, version)
    if strange:
        raise StoreError(f"{path}: differs from what hyperspace makes ({', '.join(strange[:3])}), so that it "
                         "might do what somebody else wants; use another file")
    if version != schema.SCHEMA:
        return _other_schema(connection, version)
    if not writable:
        return READ_ONLY
    _log_ahead(connection)
    return None


def _schema(connection: sqlite3.Connection) -> int | None:
    """The file's schema; None for a file that is not ours, an empty one too."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version) if application == schema.APPLICATION_ID else None


def _create(connection: sqlite3.Connection, path: Path) -> None:
    """Lay out the tables, unless another process is faster."""
    if _is_empty(connection):
        _log_ahead(connection)
        with step(connection):
            if _is_empty(connection):
                schema.create(connection, this_version())
    elif _schema(connection) is None:
        raise StoreError(f"{path}: is an SQLite database of another program; name another file")


def _is_empty(connection: sqlite3.Connection) -> bool:
    (things,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    return not things and not application


def _other_schema(connection: sqlite3.Connection, version: int) -> str:
    if version < schema.SCHEMA:
        return (f"its schema is {version}, this hyperspace writes {schema.SCHEMA}; run `hyperspace store "
                "upgrade` once, when no worker runs")
    row = connection.execute("SELECT value FROM meta WHERE key = 'needs'").fetchone()
    needed = f"{row[0]} or newer" if row else "in a newer version"
    return (f"its schema is {version} and needs hyperspace-core {needed}; {this_version()}, which is "
            "installed here, can only read it: pip install --upgrade hyperspace-core")


def _log_ahead(connection: sqlite3.Connection) -> None:
    """WAL mode, which the file remembers. SQLite itself does not wait for others here."""
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        insist(connection, "PRAGMA journal_mode = WAL")
