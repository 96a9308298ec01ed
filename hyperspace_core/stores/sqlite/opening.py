"""Opening of a database by URL: creates a new file, refuses an unsuitable one."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

from hyperspace_core.errors import StoreError
from hyperspace_core.extension.storage import redact, resolve_url
from hyperspace_core.storage import this_version
from hyperspace_core.stores.sqlite import schema
from hyperspace_core.stores.sqlite.connection import (
    NO_DATABASE,
    READ_ONLY,
    Database,
    connect,
    explained,
    insist,
    step,
)

# -- Detection of network file systems, on which SQLite's locks are not reliable --

_TABLE = Path("/proc/self/mounts")

_NETWORK = frozenset({
    "nfs", "nfs3", "nfs4", "cifs", "smb", "smbfs", "smb2", "smb3", "afpfs", "webdav", "davfs", "ncpfs", "afs",
    "9p", "ceph", "lustre", "gpfs", "mmfs", "beegfs", "beegfs_nodev", "glusterfs", "panfs", "pvfs2",
    "orangefs", "ocfs2", "gfs2", "moosefs", "wekafs", "coda", "acfs",
})
_FUSE_NETWORK = frozenset({
    "sshfs", "glusterfs", "ceph", "ceph-fuse", "davfs", "davfs2", "s3fs", "goofys", "gcsfuse", "blobfuse",
    "blobfuse2", "rclone", "juicefs", "cvmfs2", "lizardfs", "moosefs", "mfs", "seaweedfs", "smbnetfs",
    "curlftpfs", "mount-s3", "nfs",
})


def network_kind(table: str, path: str) -> str | None:
    """The network file system of `path`, by a table like /proc/mounts, or None.

    `path` is absolute and free of symbolic links.
    """
    best, kind = "", None
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[1])
        # of two mounts on one point, the later hides the earlier
        if _inside(path, point) and len(point) >= len(best):
            best, kind = point, fields[2].lower()
    return kind if kind is not None and _is_network(kind) else None


def network_kind_of(path: Path) -> str | None:
    """`network_kind` by this machine's mount table; None without a table."""
    return network_kind(_mount_table(), str(path.resolve()))


def _is_network(kind: str) -> bool:
    fuse, _, inner = kind.partition(".")
    return kind in _NETWORK or (fuse in ("fuse", "fuseblk", "macfuse") and inner in _FUSE_NETWORK)


def _inside(path: str, point: str) -> bool:
    stem = point.rstrip("/\\")
    return path == point or path.startswith((stem + "/", stem + "\\"))


def _mount_table() -> str:
    """The table of mounts; on systems without /proc, one of the same format."""
    with suppress(OSError):
        return _TABLE.read_text(encoding="utf-8", errors="surrogateescape")
    import psutil

    def escaped(text: str) -> str:
        return re.sub(r"[\s\\]", lambda match: f"\\{ord(match[0]):03o}", text)

    with suppress(OSError, psutil.Error):
        return "\n".join(f"{escaped(one.device) or '-'} {escaped(one.mountpoint)} {one.fstype or '-'}"
                         for one in psutil.disk_partitions(all=True))
    return ""


NEEDED = (3, 37)               # STRICT tables
SMALLEST = 512                 # bytes of a database; SQLite treats a shorter file as empty

_making = threading.Lock()     # one thread of this process creates and closes a new file at a time


def path_of(url: str, project: str | None) -> Path:
    """The file that a URL names, with symbolic links resolved. Raises `StoreError`."""
    address = resolve_url(url, project or "")
    if not address.startswith("sqlite:///"):
        raise StoreError(f"storage {redact(url)!r}: not a URL of an SQLite file; write sqlite:///runs.db")
    try:
        return Path(address.removeprefix("sqlite:///")).resolve()
    except (OSError, RuntimeError) as error:       # a loop of symbolic links
        raise StoreError(f"{address}: cannot be resolved: {error}") from error


def opened(path: Path) -> Database:
    """Open or create a database. Raises `StoreError` and `StoreUnavailable`."""
    check_library()
    _make(path)
    kind = network_kind_of(path.parent)
    if kind is not None:
        raise StoreError(f"{path}: is on a network file system ({kind}), where SQLite's locks do not work; "
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
    """The version of the SQLite library. Raises `StoreError` if it is too old."""
    if sqlite3.sqlite_version_info < NEEDED:
        needed = ".".join(map(str, NEEDED))
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: {needed} or newer is needed; install "
                         "a Python that includes it, or use a server store (mongodb://HOST)")
    return sqlite3.sqlite_version


def _make(path: Path) -> None:
    """Create the file and missing folders, readable by this user only."""
    try:
        if path.is_dir():
            raise StoreError(f"{path}: is a folder; name a file, such as {path / 'runs.db'}")
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            folder.mkdir(mode=0o700, exist_ok=True)
        with _making:
            if not path.exists():
                # an existing file is not opened, as closing it drops locks
                with suppress(FileExistsError):        # another process was faster
                    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            elif 0 < path.stat().st_size < SMALLEST:
                raise StoreError(f"{path}: {NO_DATABASE}")
    except OSError as error:
        raise StoreError(f"{path}: cannot be created: {error.strerror} ({error.filename}); name a file in a "
                         "folder that you may write to") from error


def _options(path: Path) -> str:
    """The options to connect with: for writing where possible, else for reading."""
    there = all(path.with_name(path.name + ending).exists() for ending in ("-wal", "-shm"))
    if os.access(path, os.W_OK) and (there or os.access(path.parent, os.W_OK)):
        return "mode=rw"
    if there or os.access(path.parent, os.W_OK):
        return "mode=ro"
    # no process here can have it open for writing, and SQLite cannot create the files needed to read its log
    return "mode=ro&immutable=1"


def _refusal(connection: sqlite3.Connection, path: Path, *, writable: bool) -> str | None:
    """Why the file is read-only, or None. Raises `StoreError` if unreadable."""
    version = _schema(connection)
    if version is None and writable:
        _create(connection, path)
        version = _schema(connection)
    if version is None:
        raise StoreError(f"{path}: is not a hyperspace store; name another file")
    strange = schema.strangers(connection, version)
    if strange:
        raise StoreError(f"{path}: its schema was changed outside hyperspace ({', '.join(strange[:3])}), so "
                         "it is not safe to use; use another file")
    if version != schema.SCHEMA:
        return _other_schema(connection, version)
    if not writable:
        return READ_ONLY
    _log_ahead(connection)
    return None


def _schema(connection: sqlite3.Connection) -> int | None:
    """The file's schema; None for an empty file and for another program's."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version) if application == schema.APPLICATION_ID else None


def _create(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables, unless another process was faster."""
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
                "upgrade` once, while no worker is running")
    row = connection.execute("SELECT value FROM meta WHERE key = 'needs'").fetchone()
    needed = f"{row[0]} or newer" if row else "in a newer version"
    return (f"its schema is {version} and needs hyperspace-core {needed}; {this_version()}, which is "
            "installed here, can only read it: pip install --upgrade hyperspace-core")


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Set WAL mode, which the file keeps; retries, as SQLite does not wait here."""
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        insist(connection, "PRAGMA journal_mode = WAL")
