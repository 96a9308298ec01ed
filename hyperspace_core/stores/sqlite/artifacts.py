"""Artifacts and snapshots of source code: names in the database, contents in files; garbage collection."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from hyperspace_core.errors import NotFound, StoreError, UsageError
from hyperspace_core.records.codec import from_text, moment_text, plain_text, storable, to_text
from hyperspace_core.records.run import Artifact, Snapshot, SourceFile
from hyperspace_core.storage import GarbageReport
from hyperspace_core.stores.sqlite import sql
from hyperspace_core.stores.sqlite.base import Verbs, current_attempt

TRIES = 10                     # limit of retries when a content is collected before it is named
UNNAMED_FOR = timedelta(hours=1)       # a snapshot is stored before the run that names it
SLICE = 200                    # contents removed per transaction, so that heartbeats are not blocked


class ArtifactVerbs(Verbs):
    """Methods to put, list, open and collect artifacts and snapshots.

    A content is written first and named afterwards. In between a collection may remove it. Naming and
    removing both hold the database's write lock, and naming checks that the content still exists: if not,
    the content is written again.
    """

    def put_artifact(self, run: int, attempt: int, name: str, content: Path) -> Artifact:
        label = plain_text(name, "artifact name") or ""
        with self._database.using() as connection:
            current_attempt(connection, run)       # fails before anything is copied
        for _ in range(TRIES):
            digest, size = self._blobs.keep(label, content)
            with self._database.writing() as connection:
                current_attempt(connection, run)
                if self._blobs.has(digest, size):
                    connection.execute(sql.NAME_ARTIFACT, (run, attempt, label, digest, size))
                    return Artifact(run=run, attempt=attempt, name=label, digest=digest, size=size)
        raise StoreError(f"{self._blobs.root}: artifact '{label}' was removed {TRIES} times while it was "
                         "written; check that no other program cleans this folder")

    def artifacts(self, run: int, *, attempt: int | None = None) -> list[Artifact]:
        with self._database.reading() as connection:
            current = current_attempt(connection, run)
            number = current if attempt is None else attempt
            rows = connection.execute(sql.ARTIFACTS, (run, number)).fetchall()
        return [Artifact(run=run, attempt=number, name=name, digest=digest, size=size)
                for name, digest, size in rows]

    def open_artifact(self, artifact: Artifact) -> IO[bytes]:
        return self._blobs.open(artifact.digest)

    def collect_garbage(self, *, dry_run: bool = True) -> GarbageReport:
        since = moment_text(datetime.now(UTC) - UNNAMED_FOR)
        contents = list(self._blobs.all())
        removed: list[int] = []                # sizes
        for start in range(0, len(contents), SLICE):
            removed += self._collected(contents[start:start + SLICE], since, dry_run=dry_run)
        left_over = self._blobs.left_over()
        if dry_run:
            removed += [size for _, size in left_over]
        else:
            with self._database.writing() as connection:
                connection.execute(sql.FORGET_SNAPSHOTS, (since,))
                removed += [self._blobs.unlink(path) for path, _ in left_over]
        return GarbageReport(blobs=len(removed), bytes=sum(removed), dry_run=dry_run)

    def _collected(self, contents: Sequence[tuple[str, int]], since: str, *, dry_run: bool) -> list[int]:
        """Remove or count contents that no artifact and no kept snapshot names; their sizes."""
        asked = to_text([digest for digest, _ in contents])
        with self._database.using() if dry_run else self._database.writing() as connection:
            named = set(connection.execute(sql.NAMED, (asked,)).fetchall())
            named |= set(connection.execute(sql.SOURCES_NAMED, (asked, since)).fetchall())
            unnamed = [(digest, size) for digest, size in contents if (digest,) not in named]
            return [size if dry_run else self._blobs.remove(digest) for digest, size in unnamed]

    def put_snapshot(self, snapshot: Snapshot, read: Callable[[str], bytes]) -> None:
        listed = [[file.path, file.digest, file.size] for file in snapshot.files]
        files = to_text(storable(listed, "snapshot"))
        for _ in range(TRIES):
            for file in snapshot.files:
                if self._blobs.has(file.digest, file.size):
                    continue
                content = read(file.path)
                if hashlib.sha256(content).hexdigest() != file.digest:
                    raise UsageError(f"snapshot: {file.path} has changed since it was read; take the "
                                     "snapshot again")
                self._blobs.keep_stream(io.BytesIO(content))
            with self._database.writing() as connection:
                if all(self._blobs.has(file.digest, file.size) for file in snapshot.files):
                    connection.execute(sql.KEEP_SNAPSHOT, (snapshot.digest, files, sql.now()))
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
