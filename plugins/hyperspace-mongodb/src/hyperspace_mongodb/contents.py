"""Contents of artifacts and snapshots: once in GridFS, while they are named.

A content is written first and named afterwards; a garbage collection may run in between. Therefore the writer
first stores an *intent* in the document that will name the content, and then touches the content: it
increments its number `puts`. A collection reads `puts`, then looks for names and intents, and removes the
content only if `puts` is unchanged. So either the collection sees the intent, or its removal does not match,
or the touch does not match and the content is written again. The intent of a killed process is removed after
`LEFT_OVER_S`; a writer that still uses it notices this in the step that names the content.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import IO, Any

from bson import Binary, ObjectId

from hyperspace_core.errors import NotFound
from hyperspace_mongodb.batches import Batches
from hyperspace_mongodb.connection import Database, Document, Table
from hyperspace_mongodb.errors import is_duplicate

CHUNK = 255 * 1024             # the chunk size of GridFS
LEFT_OVER_S = 3600.0
ALIVE_EVERY = 100              # an upload reports that it continues after this many chunks


class Contents:
    """The contents; their names are kept elsewhere."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def touch(self, digest: str, size: int) -> Any | None:
        """The file's id if the content is complete; a collection that looked before will keep it."""
        found = self._database.contents.find_one_and_update(
            {"_id": digest, "size": size}, {"$inc": {"puts": 1}})
        return None if found is None else found["file_id"]

    def keep(self, file: IO[bytes], filename: str) -> tuple[str, int]:
        """Store the content that is read; the digest is computed from the stored bytes."""
        database, file_id = self._database, ObjectId()
        database.uploads.insert_one({"_id": file_id, "at": database.now()})
        hasher, size = hashlib.sha256(), 0
        for number, chunk in enumerate(iter(lambda: file.read(CHUNK), b"")):
            database.chunks.insert_one({"files_id": file_id, "n": number, "data": Binary(chunk)})
            hasher.update(chunk)
            size += len(chunk)
            if number % ALIVE_EVERY == ALIVE_EVERY - 1:
                database.uploads.update_one({"_id": file_id}, {"$set": {"at": database.now()}})
        digest = hasher.hexdigest()
        database.files.insert_one({
            "_id": file_id, "filename": filename, "length": size, "chunkSize": CHUNK,
            "uploadDate": database.now(), "metadata": {"sha256": digest, "hyperspace": True}})
        try:
            database.contents.insert_one({"_id": digest, "file_id": file_id, "size": size, "puts": 0})
        except Exception as error:
            if not is_duplicate(error):
                raise
            self._remove_file(file_id)         # another process was faster
            return digest, size
        database.uploads.delete_one({"_id": file_id})
        return digest, size

    def open(self, digest: str) -> IO[bytes]:
        """Raises `NotFound`."""
        with self._database.using():
            found = self._database.contents.find_one({"_id": {"$eq": digest}})
        if found is None:
            raise NotFound(f"the content {ascii(digest)[1:13]}… is gone from {self._database.shown}")
        return open_file(self._database, found["file_id"], found["size"])

    def missing(self, digest: str, size: int) -> bool:
        """Whether a content is missing or incomplete."""
        found = self._database.contents.find_one({"_id": digest, "size": size})
        if found is None:
            return True
        chunks = self._database.chunks.count_documents({"files_id": found["file_id"]})
        return bool(chunks != -(-size // CHUNK))

    def all(self) -> Iterator[Document]:
        yield from list(self._database.contents.find({}))

    def remove(self, content: Document) -> bool:
        """Remove the content if it was not touched since it was read."""
        database = self._database
        database.uploads.replace_one({"_id": content["file_id"]}, {"at": database.now()}, upsert=True)
        as_seen = {name: content[name] for name in ("_id", "puts", "file_id")}
        gone = database.contents.delete_one(as_seen).deleted_count == 1
        if gone:
            self._remove_file(content["file_id"])
        else:
            database.uploads.delete_one({"_id": content["file_id"]})
        return gone

    def left_over(self) -> list[tuple[Any, int]]:
        """Incomplete files of killed writers."""
        database = self._database
        before = database.now() - timedelta(seconds=LEFT_OVER_S)
        found = [one["_id"] for one in database.uploads.find({"at": {"$lt": before}})]
        kept = {one["file_id"] for one in database.contents.find({"file_id": {"$in": found}}, {"file_id": 1})}
        sizes = {one["_id"]: int(one["length"]) for one in database.files.find(
            {"_id": {"$in": found}}, {"length": 1})}
        return [(file_id, sizes.get(file_id, 0)) for file_id in found if file_id not in kept]

    def remove_left_over(self, file_id: Any) -> None:
        self._remove_file(file_id)

    def _remove_file(self, file_id: Any) -> None:
        self._database.files.delete_one({"_id": file_id})
        self._database.chunks.delete_many({"files_id": file_id})
        self._database.uploads.delete_one({"_id": file_id})


class _Reader(io.RawIOBase):
    """A file in GridFS, read chunk by chunk; the server keeps no cursor open."""

    def __init__(self, database: Database, file_id: Any, size: int, chunk_size: int) -> None:
        self._database, self._file_id, self._size, self._chunk_size = database, file_id, size, chunk_size
        self._at, self._number, self._data = 0, -1, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size:
            return 0
        number, skip = divmod(self._at, self._chunk_size)
        if number != self._number:
            with self._database.using():
                found = self._database.chunks.find_one({"files_id": self._file_id, "n": number})
            if found is None:
                raise NotFound(f"{self._database.shown}: a part of the content is gone; `hyperspace store "
                               "check` lists all damage")
            self._number, self._data = number, bytes(found["data"])
        part = self._data[skip:skip + len(buffer)]
        buffer[:len(part)] = part
        self._at += len(part)
        return len(part)


def open_file(database: Database, file_id: Any, size: int, chunk_size: int = CHUNK) -> IO[bytes]:
    return io.BufferedReader(_Reader(database, file_id, size, chunk_size), chunk_size)


# -- Garbage collection: unnamed contents, rests of kills and deletions --

SLICE = 200


def collected(database: Database, contents: Contents, batches: Batches, *, dry_run: bool) -> list[int]:
    """The sizes of removed (or removable) contents and files."""
    if not dry_run:
        _break_intents(database)
        _forget_snapshots(database)
        for run in batches.left_over():
            database.runs.delete_one({"_id": run, "status": "SUBMITTING"})
        for table, name in _of_runs(database):
            orphans = orphaned(database, table, name)
            for start in range(0, len(orphans), SLICE):
                table.delete_many({name: {"$in": orphans[start:start + SLICE]}})
    found = list(contents.all())           # read before the names: a content touched later is kept
    sizes = []
    for start in range(0, len(found), SLICE):
        part = found[start:start + SLICE]
        named = _named(database, [one["_id"] for one in part])
        sizes += [int(one["size"]) for one in part
                  if one["_id"] not in named and (dry_run or contents.remove(one))]
    for file_id, size in contents.left_over():
        sizes.append(size)
        if not dry_run:
            contents.remove_left_over(file_id)
    return sizes


def orphaned(database: Database, table: Table, name: str) -> list[Any]:
    """Ids of deleted runs in a collection; foreign documents count as runs."""
    known: list[Any] = table.distinct(name)
    there: set[Any] = set()
    for start in range(0, len(known), SLICE):
        there.update(one["_id"] for one in database.runs.find(
            {"_id": {"$in": known[start:start + SLICE]}}, {"_id": 1}))
    return [run for run in known if run not in there]


def snapshots_named(database: Database, digests: Iterable[str]) -> set[str]:
    """The snapshots named by `code` of a run or by the provenance of an attempt."""
    wanted = list(digests)
    found = database.runs.find({"hyperspace.snapshots": {"$in": wanted}}, {"hyperspace.snapshots": 1})
    return {digest for one in found for digest in one["hyperspace"]["snapshots"]}


def _of_runs(database: Database) -> tuple[tuple[Table, str], ...]:
    """Collections with data of runs; not `metrics`: metrics without a run may belong to another program."""
    return ((database.points, "run"), (database.heads, "run"),
            (database.output, "run"), (database.artifacts, "run"),
            (database.attempts, "run"))


def _named(database: Database, digests: list[str]) -> set[str]:
    """Digests named by a label, a kept snapshot or an intent."""
    either = [{"digest": {"$in": digests}}, {"intents.digest": {"$in": digests}}]
    found = {str(one.get("digest")) for one in database.artifacts.find({"$or": either})}
    found |= {intent["digest"] for one in database.artifacts.find({"$or": either})
              for intent in one.get("intents", ())}
    since = database.now() - timedelta(seconds=LEFT_OVER_S)
    holding = list(database.snapshots.find({"contents": {"$in": digests}}))
    named = snapshots_named(database, [one["_id"] for one in holding])
    for one in holding:
        if one["_id"] in named or one["at"] >= since:
            found.update(one["contents"])
    return found & set(digests)


def _break_intents(database: Database) -> None:
    """Remove old intents of killed processes."""
    before = database.now() - timedelta(seconds=LEFT_OVER_S)
    database.artifacts.update_many({"intents.at": {"$lt": before}},
                                   {"$pull": {"intents": {"at": {"$lt": before}}}})
    database.artifacts.delete_many({"digest": {"$exists": False}, "intents": {"$size": 0}})


def _forget_snapshots(database: Database) -> None:
    """Delete unnamed snapshots after a while: a snapshot is stored before the run that names it."""
    before = database.now() - timedelta(seconds=LEFT_OVER_S)
    old = {one["_id"]: one["at"] for one in database.snapshots.find({"at": {"$lt": before}}, {"at": 1})}
    named = snapshots_named(database, old) if old else set()
    for digest, at in old.items():
        if digest not in named:
            database.snapshots.delete_one({"_id": digest, "at": at})
