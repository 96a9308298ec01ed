"""Artifacts: labels in the database, contents in files; garbage collection."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from hyperspace_core.errors import StoreError
from hyperspace_core.records.codec import to_text
from hyperspace_core.records.run import Artifact
from hyperspace_core.records.texts import plain_text
from hyperspace_core.storage import GarbageReport
from hyperspace_core.stores.sqlite import statements as sql
from hyperspace_core.stores.sqlite.base import Verbs, current_attempt
from hyperspace_core.stores.sqlite.sources import forget_snapshots, fresh_since, named_by_snapshots

SLICE = 200                    # contents removed per transaction, so that heartbeats are not blocked
TRIES = 10                     # limit of retries when a content is collected before it is named


class ArtifactVerbs(Verbs):
    """Methods to put, list, open and collect artifacts.

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
        since = fresh_since()
        contents = list(self._blobs.all())
        slices = [contents[start:start + SLICE] for start in range(0, len(contents), SLICE)]
        take = self._unnamed if dry_run else self._removed
        removed = [size for each in slices for size in take(each, since)]
        left_over = self._blobs.left_over()
        if dry_run:
            removed += [size for _, size in left_over]
        else:
            with self._database.writing() as connection:
                forget_snapshots(connection, since)
                removed += [self._blobs.remove_left_over(path) for path, _ in left_over]
        return GarbageReport(blobs=len(removed), bytes=sum(removed), dry_run=dry_run)

    def _unnamed(self, contents: Sequence[tuple[str, int]], since: str) -> list[int]:
        with self._database.using() as connection:
            named = _named(connection, contents, since)
        return [size for digest, size in contents if digest not in named]

    def _removed(self, contents: Sequence[tuple[str, int]], since: str) -> list[int]:
        with self._database.writing() as connection:
            named = _named(connection, contents, since)
            return [self._blobs.remove(digest) for digest, _ in contents if digest not in named]


def _named(connection: sqlite3.Connection, contents: Sequence[tuple[str, int]], since: str) -> set[str]:
    """The digests of the contents that an artifact or a snapshot names."""
    asked = to_text([digest for digest, _ in contents])
    found = {digest for digest, in connection.execute(sql.NAMED, (asked,)).fetchall()}
    return found | named_by_snapshots(connection, asked, since)
