"""Check what `single_run` returned and turn it into numbers."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from hyperspace_core.config.tree import is_number, unwrapped
from hyperspace_core.errors import HyperspaceError, did_you_mean
from hyperspace_core.records.logged import MAX_INT, MAX_NAME, ArtifactStaged, InfoSet
from hyperspace_core.run import Logged, Sink

Number = int | float
CURE = "; return it too, or name another as the task's metric"


class BadResult(HyperspaceError):
    """The returned value is no valid result; `metrics` holds the numbers in it."""

    def __init__(self, message: str, metrics: dict[str, Number] | None = None) -> None:
        super().__init__(message)
        self.metrics = metrics or {}


def without_extra(returned: Any) -> tuple[Any, Any]:
    """`(metrics, anything)` as returned: the metrics, and what is handed on to a notebook; else None.

    Two numbers are no such pair: it is not known which of them counts.
    """
    if isinstance(returned, tuple) and len(returned) == 2 and not is_number(unwrapped(returned[1])) and (
            isinstance(returned[0], Mapping) or is_number(unwrapped(returned[0]))):
        return returned
    return returned, None


def numbers_of(returned: Any, metric: str) -> tuple[float, dict[str, Number], str]:
    """The task's metric, all numbers by name, and what else cannot be stored. NaN and infinities are numbers.

    A plain number is the metric itself; a dict must hold it. Scalars of numpy and torch are unwrapped. Raises
    `BadResult` where the task's metric is missing or no number.
    """
    value = unwrapped(returned)
    if is_number(value):
        checked = _checked(f"the result of single_run, `{metric}`", value)
        return float(checked), {metric: checked}, ""
    if not isinstance(value, Mapping):
        raise BadResult(f"single_run returned {_described(value)}; expected a number or a dict of numbers")
    metrics, problems = _each(value)
    if metric not in value:
        has = ", ".join(map(str, value)) or "nothing"
        problems.insert(0, f"single_run returned {has}, but not the task's metric '{metric}'"
                           f"{did_you_mean(metric, metrics) or CURE}")
    if metric not in metrics:
        raise BadResult("\n".join(problems), metrics)
    return float(metrics[metric]), metrics, "; ".join(problems)


def numbers_in(returned: Mapping[Any, Any]) -> dict[str, Number]:
    """The entries that are numbers; others are ignored."""
    return _each(returned)[0]


def _each(returned: Mapping[Any, Any]) -> tuple[dict[str, Number], list[str]]:
    metrics: dict[str, Number] = {}
    problems: list[str] = []
    for name, value in returned.items():
        try:
            metrics[_name(name)] = _checked(f"result.{name}", unwrapped(value))
        except BadResult as problem:
            problems.append(str(problem))
    return metrics, problems


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise BadResult(f"result: key {name!r} is {type(name).__name__}; keys must be strings")
    if not 0 < len(name) <= MAX_NAME or any(ord(c) < 32 or 0xD800 <= ord(c) <= 0xDFFF for c in name):
        raise BadResult(f"result: key {name[:40]!r}: a name is one line of 1 to {MAX_NAME} characters")
    return str(name)


def _checked(where: str, value: Any) -> Number:
    if not is_number(value):
        raise BadResult(f"{where}: expected a number, found {_described(value)}")
    if isinstance(value, int) and abs(value) > MAX_INT:
        raise BadResult(f"{where}: a whole number beyond 64 bits; return it as a float")
    return int(value) if isinstance(value, int) else float(value)  # subclasses become plain numbers


def _described(value: Any) -> str:
    if inspect.iscoroutine(value):
        value.close()
        return "a coroutine (did you forget await?)"
    if inspect.isgenerator(value):
        return "a generator (is there a yield in it?)"
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, type):
        return f"the class {value.__name__} (did you forget to call it?)"
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return f"{type(value).__name__} of {in_bytes(size)}; log it with log_artifact()"
    return f"{type(value).__name__} {str(value)[:40]!r}" if isinstance(value, str) else type(value).__name__


def in_bytes(size: float) -> str:
    """`size` bytes for people: `23.1 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


# -- Store values too large for a record as artifacts, with a note in their place --

LIMIT = 1_000_000              # bytes of one value, or of a whole result
TOTAL_LIMIT = 8_000_000        # bytes of all `run.info`: some stores allow 16 MB a document


class BoundedInfo:
    """The sink of `run.info`: turns large values into artifacts."""

    def __init__(self, sink: Sink, workdir: Path) -> None:
        self._sink = sink
        self._workdir = workdir
        self._sizes: dict[str, int] = {}
        self._sent: dict[str, bytes] = {}

    def emit(self, message: Logged) -> None:
        if isinstance(message, InfoSet):
            self._info(message.key, message.value)
        else:
            self._sink.emit(message)

    def _info(self, key: str, value: Any) -> None:
        encoded = msgspec.msgpack.encode(value)
        digest = hashlib.blake2b(encoded).digest()
        if self._sent.get(key) == digest:          # unchanged: everything is sent again at the end
            return
        self._sent[key] = digest
        size = len(encoded)
        others = sum(self._sizes.values()) - self._sizes.get(key, 0)
        if size > LIMIT or others + size > TOTAL_LIMIT:
            name = f"info/{_file_name(key)}.json"
            self._sink.emit(ArtifactStaged(name, str(json_file(value, self._workdir))))
            value = f"{in_bytes(size)}, kept as the artifact {name}"
            size = len(value)
        self._sizes[key] = size
        self._sink.emit(InfoSet(key, value))


def bounded_result(sink: Sink, workdir: Path, metric: str, metrics: dict[str, Number]) -> dict[str, Number]:
    """The metrics; only the task's where all are too large: then an artifact has all."""
    size = len(msgspec.msgpack.encode(metrics))
    if size <= LIMIT:
        return metrics
    sink.emit(ArtifactStaged("result.json", str(json_file(metrics, workdir))))
    sink.emit(InfoSet("result_omitted", f"result is {in_bytes(size)} (limit {in_bytes(LIMIT)}): kept as the "
                                        "artifact result.json; use log_artifact for large values"))
    return {metric: metrics[metric]}


def json_file(value: Any, workdir: Path) -> Path:
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
