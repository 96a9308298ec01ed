"""Store values too large for a record as artifacts, with a note in their place."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from hyperspace_core.execution.result import Number, in_bytes
from hyperspace_core.records.logged import MAX_NAME, Point, Progress
from hyperspace_core.sink import Absent, Section, Sink

LIMIT = 1_000_000              # bytes of one value, or of a whole result
TOTAL_LIMIT = 8_000_000        # bytes of all `run.info`: some stores allow 16 MB a document


class BoundedSink:
    """A wrapper of a sink that turns large values of `run.info` into artifacts."""

    def __init__(self, sink: Sink, workdir: Path) -> None:
        self._sink = sink
        self._workdir = workdir
        self._sizes: dict[str, int] = {}
        self._sent: dict[str, bytes] = {}

    def point(self, point: Point) -> None:
        self._sink.point(point)

    def progress(self, progress: Progress) -> None:
        self._sink.progress(progress)

    def artifact(self, name: str, path: Path) -> None:
        self._sink.artifact(name, path)

    def section(self, section: Section | Absent) -> None:
        self._sink.section(section)

    def info(self, key: str, value: Any) -> None:
        encoded = msgspec.msgpack.encode(value)
        digest = hashlib.blake2b(encoded).digest()
        if self._sent.get(key) == digest:          # unchanged: everything is sent again at the end
            return
        self._sent[key] = digest
        size = len(encoded)
        others = sum(self._sizes.values()) - self._sizes.get(key, 0)
        if size > LIMIT or others + size > TOTAL_LIMIT:
            name = f"info/{_file_name(key)}.json"
            self._sink.artifact(name, written(value, self._workdir))
            value = f"{in_bytes(size)}, kept as the artifact {name}"
            size = len(value)
        self._sizes[key] = size
        self._sink.info(key, value)


def bounded_result(sink: Sink, workdir: Path, metric: str, metrics: dict[str, Number]) -> dict[str, Number]:
    """The metrics; only the task's where all are too large: then an artifact has all."""
    size = len(msgspec.msgpack.encode(metrics))
    if size <= LIMIT:
        return metrics
    sink.artifact("result.json", written(metrics, workdir))
    sink.info("result_omitted", f"result is {in_bytes(size)} (limit {in_bytes(LIMIT)}): kept as the artifact "
                                "result.json; use log_artifact for large values")
    return {metric: metrics[metric]}


def written(value: Any, workdir: Path) -> Path:
    """Write `value` to a new JSON file, NaN and infinities as in JavaScript.

    Raises `OSError` with the folder and the cure where the disk is full.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(prefix=".artifact-", suffix=".json", dir=workdir)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file)
    except OSError as error:
        why = f"{error.strerror} for a large value of a run; make room, or set TMPDIR to another folder"
        raise OSError(error.errno, why, str(workdir)) from error
    return Path(path)


def _file_name(key: str) -> str:
    """A unique label for a key, which may be any text, as a plain relative name."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", key)[:MAX_NAME - 40]
    return plain if plain == key else f"{plain}-{hashlib.blake2b(key.encode(), digest_size=4).hexdigest()}"
