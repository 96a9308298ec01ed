"""Translation of SQLite errors into one line that names the file and the remedy."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hyperspace_core.errors import HyperspaceError, StoreError, StoreUnavailable, ValueNotStorable

PATIENCE_S = 30.0              # limit of waiting for another process's write

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
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


def is_busy(error: sqlite3.Error) -> bool:
    """Whether the error means that another process or thread is writing."""
    return code_of(error) in _BUSY


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
