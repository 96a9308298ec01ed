"""Snapshots of source code: a document of names; contents as of artifacts."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import IO

from hyperspace_core.errors import NotFound, StoreError, UsageError
from hyperspace_core.records.codec import storable
from hyperspace_core.records.source import Snapshot, SourceFile
from hyperspace_mongodb.base import Verbs
from hyperspace_mongodb.contents import Contents

TRIES = 10


class SourceVerbs(Verbs):
    """Store, look up and read snapshots."""

    _contents: Contents

    def put_snapshot(self, snapshot: Snapshot, read: Callable[[str], bytes]) -> None:
        listed = [{"path": file.path, "digest": file.digest, "size": file.size} for file in snapshot.files]
        storable([file.path for file in snapshot.files], "snapshot")
        contents = sorted({file.digest for file in snapshot.files})
        with self._database.writing():
            for _ in range(TRIES):
                # the hidden document names its contents first; then each content is ensured
                self._database.snapshots.update_one(
                    {"_id": {"$eq": snapshot.digest}},
                    {"$set": {"contents": contents, "at": self._database.now()}}, upsert=True)
                sure = [self._sure(file, read) for file in snapshot.files]
                if all(sure) and self._database.snapshots.update_one(
                        {"_id": {"$eq": snapshot.digest}}, {"$set": {"files": listed}}).matched_count:
                    return
        raise StoreError(f"{self._database.shown}: contents of a snapshot were removed {TRIES} times while "
                         "it was being put; does another program clean this database?")

    def snapshot(self, digest: str) -> Snapshot:
        with self._database.using():
            found = self._database.snapshots.find_one({"_id": {"$eq": digest}, "files": {"$exists": True}})
        if found is None:
            raise NotFound(f"no snapshot {ascii(digest)[1:13]}… of source code in this store")
        return Snapshot(files=tuple(SourceFile(**file) for file in found["files"]))

    def open_content(self, digest: str) -> IO[bytes]:
        return self._contents.open(digest)

    def _sure(self, file: SourceFile, read: Callable[[str], bytes]) -> bool:
        """Whether the content is stored, and no running collection will remove it."""
        if self._contents.touch(file.digest, file.size) is not None:
            return True
        content = read(file.path)
        if hashlib.sha256(content).hexdigest() != file.digest:
            raise UsageError(f"snapshot: {file.path} has changed since it was hashed; take the snapshot "
                             "again")
        self._contents.keep(io.BytesIO(content), f"source://{file.digest}")
        return self._contents.touch(file.digest, file.size) is not None
