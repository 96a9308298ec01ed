"""Series, output and files of runs written by another program."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import IO, Any

from hyperspace_core.errors import NotFound
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import Artifact, OutputChunk
from hyperspace_mongodb.connection import Database
from hyperspace_mongodb.contents import CHUNK, open_file
from hyperspace_mongodb.foreign import moment, number, plain

FIRST = 1                      # their only attempt
PIECE = 64 * 1024


def foreign_points(database: Database, run: int, attempt: int | None, *, names: Collection[str] | None,
                   after: int, limit: int | None) -> Iterator[Point]:
    """Points metric by metric, in stored order, numbered consecutively."""
    if attempt not in (None, FIRST):
        return iter(())
    found = (point for point in _points(database, run)
             if point.seq > after and (names is None or point.name in names))
    return found if limit is None else islice(found, max(0, limit))


def foreign_output(database: Database, run: int, attempt: int | None, after: int) -> Iterator[OutputChunk]:
    with database.using():
        found = database.runs.find_one({"_id": run}, {"captured_out": 1, "start_time": 1}) or {}
    text, at = found.get("captured_out"), moment(found.get("start_time"))
    if attempt not in (None, FIRST) or not isinstance(text, str):
        return
    for seq, start in enumerate(range(0, len(text), PIECE)):
        if seq > after:
            yield OutputChunk(seq=seq, text=text[start:start + PIECE], at=at.timestamp() if at else 0.0)


def foreign_artifacts(database: Database, document: Mapping[str, Any], attempt: int | None) -> list[Artifact]:
    """Artifacts, and the files opened by the run (`resources`)."""
    if attempt not in (None, FIRST):
        return []
    files = _files(database, document)
    return [Artifact(run=int(document["_id"]), attempt=FIRST, name=name, digest=_digest(database, file),
                     size=int(file["length"]))
            for name, file in sorted(files.items())]


def foreign_file(database: Database, artifact: Artifact) -> IO[bytes] | None:
    """The content; None for an artifact of ours, or if it is gone."""
    document = database.runs.find_one({"_id": {"$eq": artifact.run}, "hyperspace": {"$exists": False}},
                                      {"artifacts": 1, "resources": 1})
    file = _files(database, document or {}).get(artifact.name)
    return None if file is None else _opened(database, file)


def _files(database: Database, document: Mapping[str, Any]) -> dict[str, Any]:
    """Name → GridFS entry of the files that exist."""
    ids = {str(one.get("name")): one.get("file_id") for one in _list(document, "artifacts")
           if isinstance(one, Mapping)}
    for one in _list(document, "resources"):
        if isinstance(one, list | tuple) and len(one) == 2:
            ids.setdefault(str(one[0]), _resource(database, str(one[0]), str(one[1])))
    wanted = [file_id for file_id in ids.values() if file_id is not None]
    there = {one["_id"]: one for one in database.files.find({"_id": {"$in": wanted}})} if wanted else {}
    return {name: there[file_id] for name, file_id in ids.items()
            if file_id in there and number(there[file_id].get("length")) is not None}


def _digest(database: Database, file: Mapping[str, Any]) -> str:
    """GridFS stores no digest: read the content once for each file, which never changes."""
    known = database.digests.get(file["_id"])
    if known is None:
        try:
            with _opened(database, file) as content:
                known = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
        except NotFound:                   # a part is missing; opening it raises an error
            known = f"gridfs:{file['_id']}"
        database.digests[file["_id"]] = known
    return known


def _opened(database: Database, file: Mapping[str, Any]) -> IO[bytes]:
    return open_file(database, file["_id"], int(file["length"]), int(number(file.get("chunkSize")) or CHUNK))


def _resource(database: Database, filename: str, md5: str) -> Any:
    """The newest file with this name; newer drivers store no MD5 to distinguish files."""
    found = list(database.files.find({"filename": {"$eq": filename}}, {"md5": 1}).sort("uploadDate", -1))
    same = [one["_id"] for one in found if one.get("md5") in (md5, None)]
    return same[0] if same else None


def _points(database: Database, run: int) -> Iterator[Point]:
    with database.using():
        documents = list(database.metrics.find({"run_id": run}, {"name": 1}).sort("name", 1))
    seq = 0
    for one in documents:
        with database.using():
            found = database.metrics.find_one({"_id": one["_id"]}) or {}
        steps, values, times = (_list(found, name) for name in ("steps", "values", "timestamps"))
        for place, value in enumerate(values):
            at = moment(times[place]) if place < len(times) else None
            step = steps[place] if place < len(steps) and isinstance(steps[place], int) else place
            single = number(plain(value))
            if single is not None:
                yield Point(seq=seq, name=str(one.get("name")), step=int(step), value=single,
                            at=at.timestamp() if at else 0.0)
            seq += 1


def _list(document: Mapping[str, Any], name: str) -> list[Any]:
    found = document.get(name)
    return found if isinstance(found, list) else []
