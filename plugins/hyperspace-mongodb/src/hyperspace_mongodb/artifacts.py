"""Artifacts: labels of contents, and garbage collection of unnamed ones."""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

from hyperspace_core.errors import NotFound, StoreError, UsageError
from hyperspace_core.plugin import codec
from hyperspace_core.records import Artifact, Snapshot, SourceFile
from hyperspace_core.storage import GarbageReport
from hyperspace_mongodb.base import Verbs
from hyperspace_mongodb.connection import Document
from hyperspace_mongodb.contents import Contents, collected
from hyperspace_mongodb.foreign import foreign_artifacts, foreign_file

TRIES = 10                     # a content may be collected before it is named, but not repeatedly


class ArtifactVerbs(Verbs):
    """Put, list, open, collect."""

    _contents: Contents

    def put_artifact(self, run: int, attempt: int, name: str, content: Path) -> Artifact:
        label = codec.plain_text(name, "artifact name") or ""
        digest, size = _looked_at(label, content)
        key = _key(run, attempt, label)
        with self._changing(run):
            self._standing(run)
            for _ in range(TRIES):
                nonce = secrets.token_hex(8)
                self._intend(key, {"run": run, "attempt": attempt, "name": label}, nonce, digest)
                there = self._contents.touch(digest, size) is not None
                if not there:
                    before, (digest, size) = digest, self._copied(run, label, content)
                    # a file changed since it was hashed has another content: name that one
                    there = digest == before and self._contents.touch(digest, size) is not None
                if not there:
                    self._withdraw(key, nonce)
                elif self._named(key, nonce, digest, size):
                    self._show(run, attempt)
                    self._standing(run)        # the run was deleted meanwhile: the label is garbage
                    return Artifact(run=run, attempt=attempt, name=label, digest=digest, size=size)
        raise StoreError(f"{self._database.shown}: artifact '{label}' was removed {TRIES} times while it was "
                         "being put; does another program clean this database?")

    def artifacts(self, run: int, *, attempt: int | None = None) -> list[Artifact]:
        with self._database.using():
            document = self._document(run, {"status": 1, "hyperspace.attempt": 1, "artifacts": 1,
                                            "resources": 1})
            if "hyperspace" not in document:
                return foreign_artifacts(self._database, document, attempt)
            number = int(document["hyperspace"]["attempt"]) if attempt is None else attempt
            found = self._labels(run, number)
        return [Artifact(run=run, attempt=number, name=one["name"], digest=one["digest"], size=one["size"])
                for one in found]

    def open_artifact(self, artifact: Artifact) -> IO[bytes]:
        try:
            return self._contents.open(artifact.digest)
        except NotFound:
            with self._database.using():
                foreign = foreign_file(self._database, artifact)
            if foreign is None:
                raise
            return foreign

    def collect_garbage(self, *, dry_run: bool = True) -> GarbageReport:
        with self._database.using() if dry_run else self._database.writing():
            sizes = collected(self._database, self._contents, self._batches, dry_run=dry_run)
        return GarbageReport(blobs=len(sizes), bytes=sum(sizes), dry_run=dry_run)

    # -- helpers ---------------------------------------------------------------------------------------------

    def _labels(self, run: int, attempt: int) -> list[Document]:
        found = self._database.artifacts.find({"run": run, "attempt": attempt, "digest": {"$exists": True}})
        return sorted(found, key=lambda one: str(one["name"]))

    def _intend(self, key: str, owner: Document, nonce: str, digest: str) -> None:
        intent = {"nonce": nonce, "digest": digest, "at": self._database.now()}
        self._database.artifacts.update_one(
            {"_id": {"$eq": key}}, {"$setOnInsert": owner, "$push": {"intents": intent}}, upsert=True)

    def _withdraw(self, key: str, nonce: str) -> None:
        self._database.artifacts.update_one({"_id": {"$eq": key}}, {"$pull": {"intents": {"nonce": nonce}}})

    def _named(self, key: str, nonce: str, digest: str, size: int) -> bool:
        """The decisive step; no match if the intent was removed."""
        done = self._database.artifacts.update_one(
            {"_id": {"$eq": key}, "intents.nonce": nonce},
            {"$set": {"digest": digest, "size": size}, "$pull": {"intents": {"nonce": nonce}}})
        return done.matched_count == 1

    def _copied(self, run: int, label: str, content: Path) -> tuple[str, int]:
        with _source(label, content) as file:
            return self._contents.keep(file, f"artifact://runs/{run}/{label}")

    def _show(self, run: int, attempt: int) -> None:
        """Update the list for dashboards."""
        labels = self._labels(run, attempt)
        files = {one["_id"]: one["file_id"] for one in self._database.contents.find(
            {"_id": {"$in": [one["digest"] for one in labels]}}, {"file_id": 1})}
        self._database.runs.update_one(
            {"_id": run, "hyperspace.attempt": attempt},
            {"$set": {"artifacts": [{"name": one["name"], "file_id": files[one["digest"]]}
                                    for one in labels if one["digest"] in files]}})


def _key(run: int, attempt: int, label: str) -> str:
    """A short key for a label of any length: index keys are limited."""
    return hashlib.sha256(codec.to_text([run, attempt, label]).encode("utf-8", "surrogatepass")).hexdigest()


def _looked_at(label: str, content: Path) -> tuple[str, int]:
    with _source(label, content) as file:
        digest = hashlib.file_digest(cast(io.BufferedReader, file), "sha256").hexdigest()
        return digest, file.tell()


def _source(label: str, content: Path) -> IO[bytes]:
    try:
        return content.open("rb")
    except OSError as error:
        raise UsageError(f"artifact '{label}': {content}: {error.strerror}; name a file that can be read"
                         ) from error


# -- Snapshots of source code: a document of names; contents as of artifacts --



class SourceVerbs(Verbs):
    """Store, look up and read snapshots."""

    _contents: Contents

    def put_snapshot(self, snapshot: Snapshot, read: Callable[[str], bytes]) -> None:
        listed = [{"path": file.path, "digest": file.digest, "size": file.size} for file in snapshot.files]
        codec.storable([file.path for file in snapshot.files], "snapshot")
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
