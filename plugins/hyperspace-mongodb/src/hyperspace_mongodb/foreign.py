"""Runs of Sacred's MongoObserver or hyperspace_explorer: read, never changed.

Such a document has none of our fields. Missing or invalid fields are left out of the record; no content makes
reading fail.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import IO, Any

from hyperspace_core.errors import NotFound
from hyperspace_core.plugin import trees
from hyperspace_core.records import (
    Artifact,
    Attempt,
    Metric,
    Outcome,
    OutputChunk,
    Owner,
    Point,
    RunFilter,
    RunRecord,
    State,
)
from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.contents import CHUNK, open_file
from hyperspace_mongodb.documents import note_of, tags_of

UNNAMED = "unnamed"            # a project, a task
DEEPEST = 60

# status -> state, reason, outcome of the attempt; QUEUED is not ours, and no worker here may claim it
_STATES: dict[str, tuple[State, str | None, Outcome | None]] = {
    "COMPLETED": (State.COMPLETED, None, Outcome.COMPLETED),
    "FAILED": (State.FAILED, None, Outcome.FAILED),
    "INTERRUPTED": (State.CANCELLED, "interrupted", Outcome.CANCELLED),
    "TIMEOUT": (State.FAILED, "timed_out", Outcome.TIMED_OUT),
    "CANCELLED": (State.CANCELLED, None, Outcome.CANCELLED),
    "QUEUED": (State.PAUSED, "queued by another program", None),
    "PAUSED": (State.PAUSED, "paused by another program", None),
    "RUNNING": (State.FAILED, "was running when another program last wrote (status RUNNING)", Outcome.LOST),
}


def foreign_records(database: Database, where: RunFilter) -> dict[int, RunRecord]:
    """The foreign runs that match a filter, by id."""
    mine = database.project or UNNAMED
    if where.project is not None and where.project != mine:
        return {}
    condition: Document = {"hyperspace": {"$exists": False}, "_id": {"$type": "number"}}
    if where.ids:
        ids = [run for run in where.ids if trees.LOWEST <= run <= trees.HIGHEST]
        condition = {"$and": [condition, {"_id": {"$in": ids}}]}
    if where.uids or where.search is not None or where.parent is not None:
        return {}                          # no field of theirs has these values
    found = (foreign_record(database, one) for one in database.runs.find(condition, {"captured_out": 0}))
    return {record.id: record for record in found if where.matches(record)}


def foreign_record(database: Database, document: Mapping[str, Any]) -> RunRecord:
    state, reason, outcome = _STATES.get(str(document.get("status")), (
        State.FAILED, f"status {str(document.get('status'))[:40]!r} of another program", Outcome.FAILED))
    config, experiment = _section(document, "config"), _section(document, "experiment")
    result, metrics = _result(plain(document.get("result")))
    ended = moment(document.get("stop_time")) or (moment(document.get("heartbeat")) if outcome else None)
    info = {name: value for name, value in _section(document, "info").items() if name != "metrics"}
    seed = config.get("seed")
    return RunRecord(
        id=int(document["_id"]), uid=_uid(document), project=database.project or UNNAMED,
        task=str(experiment.get("name") or UNNAMED), state=state, reason=_failure(document) or reason,
        tags=tags_of(document), note=note_of(document),
        submitted={name: value for name, value in config.items() if name != "seed"},
        submitted_by="", config=_spelled({name: value for name, value in config.items() if name != "seed"}),
        metric=Metric(), seed=seed if type(seed) is int else None, result=result, metrics=metrics, info=info,
        attempts=_attempts(document, outcome, ended), submitted_at=moment(document.get("start_time")),
        started_at=moment(document.get("start_time")) if outcome else None, finished_at=ended)


def _uid(document: Mapping[str, Any]) -> str:
    """Derived from fields that never change, so that runs of another database differ."""
    said = (int(document["_id"]), moment(document.get("start_time")),
            _section(document, "experiment").get("name"), _section(document, "host").get("hostname"))
    return f"foreign-{hashlib.sha256(repr(said).encode('utf-8', 'backslashreplace')).hexdigest()[:24]}"


def plain(value: Any, depth: int = 0) -> Any:
    """A value for a record: numbers from jsonpickle, ids and dates as text, limited depth."""
    if isinstance(value, Mapping) and depth <= DEEPEST:
        if "py/object" in value or "py/reduce" in value:
            return _unpickled(value, depth)
        return {str(key).replace("\0", ""): plain(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple) and depth <= DEEPEST:
        return [plain(inner, depth + 1) for inner in value]
    return value.isoformat() if isinstance(value, datetime) else _leaf(value)


def _leaf(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return value if value is None or isinstance(value, bool | str | float) else str(value)[:1000]


def moment(value: Any) -> datetime | None:
    if not isinstance(value, datetime):
        return None
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)


def number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _unpickled(value: Mapping[str, Any], depth: int) -> Any:
    """The number of a numpy scalar written by Sacred's jsonpickle. Nothing is imported or called.

    Known forms are `{"py/object": "numpy.float64", "value": 0.5}`, arrays with their `values`, and reductions
    that hold the bytes of the number.
    """

    found = scalar_of(value)
    if found is not None:
        return found
    if isinstance(value.get("values"), list):
        return plain(value["values"], depth + 1)
    rest = {key: inner for key, inner in value.items() if not str(key).startswith("py/")}
    return {str(key): plain(inner, depth + 1) for key, inner in rest.items()} or str(value)[:1000]


def _section(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = plain(document.get(name))
    return found if isinstance(found, dict) else {}


def _spelled(value: Any) -> Any:
    """Sections of hyperspace_explorer (`"TrainingSchedule": {"className": …}`) under current parameter names,
    as in a submitted config; `submitted` keeps the original."""
    if isinstance(value, list):
        return [_spelled(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {_parameter(name, inner, value): _spelled(inner) for name, inner in value.items()}


def _parameter(name: str, inner: Any, beside: Mapping[str, Any]) -> str:
    first = inner[0] if isinstance(inner, list) and inner else inner
    plain = trees.snake_case(name)
    section = isinstance(first, dict) and trees.CLASS_NAME in first
    return plain if section and trees.is_camel(name) and plain not in beside else name


def _result(value: Any) -> tuple[float | None, dict[str, Any]]:
    """The number that a run returned; of several, the one named `result` or the only one."""
    found = number(value)
    if found is not None:
        return found, {"result": value}
    if not isinstance(value, dict):
        return None, {}
    numbers = {name: single for name, inner in value.items() if (single := number(inner)) is not None}
    if "result" in numbers:
        return numbers["result"], value
    return (next(iter(numbers.values())) if len(numbers) == 1 else None), value


def _failure(document: Mapping[str, Any]) -> str | None:
    """The last line of its traceback."""
    lines = [line for part in _trace(document) for line in part.splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else None


def _trace(document: Mapping[str, Any]) -> list[str]:
    trace = document.get("fail_trace")
    if isinstance(trace, str):
        return [trace]
    return [str(line) for line in trace] if isinstance(trace, list) else []


def _attempts(document: Mapping[str, Any], outcome: Outcome | None,
              ended: datetime | None) -> tuple[Attempt, ...]:
    if outcome is None:
        return ()
    host, experiment = _section(document, "host"), _section(document, "experiment")
    sacred = {name: plain(document.get(name)) for name in ("format", "command", "meta")}
    sections = {"host": host, "sacred": sacred, "experiment": experiment}
    provenance = {name: value for name, value in sections.items() if value}
    name = str(host.get("hostname") or "unknown")
    return (Attempt(number=1, outcome=outcome, worker=Owner(worker=name, host=name),
                    started_at=moment(document.get("start_time")), ended_at=ended,
                    traceback="".join(_trace(document)) or None, provenance=provenance),)


# -- Series, output and files of runs written by another program --

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


# -- Decode numpy scalars in jsonpickle's text as numbers, without numpy or pickle --

# numpy's type names in `dtype` -> the format of `struct`
_FORMATS = {"f2": "e", "f4": "f", "f8": "d", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H",
            "u4": "I", "u8": "Q", "b1": "?"}
_LONGEST = 64                  # leaves of a pickled scalar: there are few


def scalar_of(value: Mapping[str, Any]) -> float | int | bool | None:
    """The number in it; None if it cannot be decoded."""
    named = value.get("value")
    if isinstance(named, int | float):
        return named
    leaves = []
    for leaf in _leaves(value):
        leaves.append(leaf)
        if len(leaves) > _LONGEST:
            return None
    for place, leaf in enumerate(leaves):
        if isinstance(leaf, str) and leaf in _FORMATS:
            return _decoded(_FORMATS[leaf], leaves[place + 1:])
    return None


def _leaves(value: Any, depth: int = 0) -> Iterator[Any]:
    if depth > 20:
        return
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner, depth + 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, depth + 1)
    else:
        yield value


def _decoded(kind: str, leaves: list[Any]) -> float | int | bool | None:
    """Decode the bytes, which follow the type and the byte order."""
    order = ">" if ">" in leaves else "<"
    size = struct.calcsize(kind)
    for leaf in leaves:
        raw = _bytes(leaf)
        if raw is not None and len(raw) == size:
            found: float | int | bool = struct.unpack(order + kind, raw)[0]
            return found
    return None


def _bytes(leaf: Any) -> bytes | None:
    if isinstance(leaf, bytes):
        return leaf
    if not isinstance(leaf, str) or not re.fullmatch(r"[A-Za-z0-9+/]+=*\s*", leaf):
        return None
    try:
        return base64.b64decode(leaf, validate=False)
    except (binascii.Error, ValueError):
        return None
