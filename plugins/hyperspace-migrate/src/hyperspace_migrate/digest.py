"""Digests of a run's data, equal in all stores that hold the same run.

Left out are the values that each store assigns: the run's id and its parent's id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Protocol, TypeVar

from hyperspace_core.records import Artifact, OutputChunk, Point, RunRecord
from hyperspace_core.storage import Store, rewritten_of

T = TypeVar("T")

POINTS_AT_ONCE = 5000
PIECES_AT_ONCE = 20            # pieces of output per batch, at most 64 KiB each
OF_THE_STORE = {"id", "parent", "started_at", "attempts"}      # `started_at` is that of the last attempt


class Listener(Protocol):
    """Receives the data that is read for the digests, batch by batch."""

    def points(self, attempt: int, points: Sequence[Point]) -> None: ...
    def output(self, attempt: int, output: Sequence[OutputChunk]) -> None: ...
    def artifact(self, artifact: Artifact) -> None: ...


@dataclass(frozen=True, kw_only=True)
class RunDigest:
    """A text or digest per part, as in "points of attempt 2" → "1000, sha…"."""

    parts: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 of all parts, hexadecimal."""
        return hashlib.sha256(_text(self.parts).encode("ascii")).hexdigest()

    def differences(self, other: RunDigest) -> tuple[str, ...]:
        """The names of the parts that differ."""
        names = [*self.parts, *(name for name in other.parts if name not in self.parts)]
        return tuple(name for name in names if self.parts.get(name) != other.parts.get(name))


def run_digest(store: Store, record: RunRecord, listener: Listener | None = None) -> RunDigest:
    """Compute the digests of a record and its logged data, batch by batch."""
    parts = {field.name: _text(getattr(record, field.name))
             for field in fields(RunRecord) if field.name not in OF_THE_STORE}
    run = record.id
    for step in rewritten_of(store, record):
        parts[f"config before '{step.migration}'"] = _text(step)
    for attempt in record.attempts:
        number = attempt.number
        parts[f"attempt {number}"] = _text(attempt)
        parts[f"points of attempt {number}"] = _summed(
            store.points(run, attempt=number), POINTS_AT_ONCE, _point_text,
            None if listener is None else _to(listener.points, number))
        parts[f"output of attempt {number}"] = _summed(
            store.output(run, attempt=number), PIECES_AT_ONCE, _piece_text,
            None if listener is None else _to(listener.output, number))
        for artifact in store.artifacts(run, attempt=number):
            parts[f"artifact '{artifact.name}' of attempt {number}"] = f"{artifact.size}, {artifact.digest}"
            if listener is not None:
                listener.artifact(artifact)
    return RunDigest(parts={name: text for name, text in parts.items() if text != _NOTHING})


def same_try(one: Any, other: Any) -> bool:
    """Whether two attempts, or other records, are equal."""
    return _text(one) == _text(other)


def _summed(items: Iterable[T], size: int, text_of: Callable[[T], str],
            hear: Callable[[Sequence[T]], None] | None) -> str:
    """The number of items and their digest."""
    hasher, count = hashlib.sha256(), 0
    for batch in batches(items, size):
        hasher.update("".join(map(text_of, batch)).encode("utf-8"))
        count += len(batch)
        if hear is not None:
            hear(batch)
    return f"{count}, {hasher.hexdigest()}" if count else _NOTHING


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most `size`."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


def _to(hear: Callable[[int, Sequence[T]], None], attempt: int) -> Callable[[Sequence[T]], None]:
    return lambda batch: hear(attempt, batch)


def _point_text(point: Point) -> str:
    return f"{point.seq} {point.name!r} {point.step} {float(point.value)!r} {float(point.at)!r}\n"


def _piece_text(piece: OutputChunk) -> str:
    return f"{piece.seq} {float(piece.at)!r} {piece.text!r}\n"


def _text(value: Any) -> str:
    """The canonical text of a value: `1` differs from `1.0`, NaN equals NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)


_NOTHING = "0"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if is_dataclass(value):
        return vars(value)
    raise TypeError(f"{type(value).__name__} does not occur in records")
