"""Snapshots of source code: file lists in the database, contents beside it."""

from __future__ import annotations

import hashlib
import io
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import IO

from hyperspace_core.errors import NotFound, StoreError, UsageError
from hyperspace_core.records.code import Snapshot, SourceFile
from hyperspace_core.records.codec import from_text, storable, to_text
from hyperspace_core.records.texts import moment_text
from hyperspace_core.stores.sqlite import code_statements as sql
from hyperspace_core.stores.sqlite.base import Verbs
from hyperspace_core.stores.sqlite.rows import now

TRIES = 10                     # limit of retries when a content is collected before it is named
UNNAMED_FOR = timedelta(hours=1)       # a snapshot is stored before the run that names it


class SourceVerbs(Verbs):
    """Put, look up and read snapshots."""

    def put_snapshot(self, snapshot: Snapshot, read: Callable[[str], bytes]) -> None:
        listed = [[file.path, file.digest, file.size] for file in snapshot.files]
        files = to_text(storable(listed, "snapshot"))
        for _ in range(TRIES):
            for file in snapshot.files:
                if not self._blobs.has(file.digest, file.size):
                    self._blobs.keep_stream(io.BytesIO(_checked(file, read(file.path))))
            with self._database.writing() as connection:
                if all(self._blobs.has(file.digest, file.size) for file in snapshot.files):
                    connection.execute(sql.KEEP_SNAPSHOT, (snapshot.digest, files, now()))
                    return
        raise StoreError(f"{self._blobs.root}: contents of a snapshot were removed {TRIES} times while it "
                         "was written; check that no other program cleans this folder")

    def snapshot(self, digest: str) -> Snapshot:
        with self._database.using() as connection:
            row = connection.execute(sql.SNAPSHOT, (digest,)).fetchone()
        if row is None:
            raise NotFound(f"no snapshot {ascii(digest)[1:13]}… of source code in this store")
        return Snapshot(files=tuple(SourceFile(path=path, digest=content, size=size)
                                    for path, content, size in from_text(row[0])))

    def open_content(self, digest: str) -> IO[bytes]:
        return self._blobs.open(digest)


def fresh_since() -> str:
    """The time since which new snapshots are kept, although no run names them yet."""
    return moment_text(datetime.now(UTC) - UNNAMED_FOR)


def named_by_snapshots(connection: sqlite3.Connection, digests: str, since: str) -> set[str]:
    """The contents in a JSON list of digests that a kept snapshot names."""
    return {digest for digest, in connection.execute(sql.SOURCES_NAMED, (digests, since)).fetchall()}


def forget_snapshots(connection: sqlite3.Connection, since: str) -> None:
    """Delete the snapshots that no run names."""
    connection.execute(sql.FORGET_SNAPSHOTS, (since,))


def _checked(file: SourceFile, content: bytes) -> bytes:
    if hashlib.sha256(content).hexdigest() != file.digest:
        raise UsageError(f"snapshot: {file.path} has changed since it was read; take the snapshot again")
    return content
