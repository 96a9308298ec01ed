"""The values that a store accepts, and their JSON text; shared by all stores.

| given | stored as |
| --- | --- |
| None, bool, int within 64 bit, float (including NaN, infinities and -0.0), str | itself |
| dict with text keys, list | itself, copied |
| tuple | list |
| numpy or torch scalar, 0-d array | its number |
| `Path` | its text |
| `Enum` | its name |
| aware `datetime` | ISO 8601 text |
| anything else | refused, with its path |

Text may hold any character except half of a surrogate pair; a key must not hold NUL. At most 64 levels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from json import JSONDecoder
from pathlib import PurePath
from typing import Any

from hyperspace_core.config.tree import HIGHEST, LOWEST, MAX_DEPTH, join, shown, unwrapped
from hyperspace_core.errors import ValueNotStorable
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Attempt, Late, Owner, WorkerInfo
from hyperspace_core.records.states import Outcome

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
_decoder = json.JSONDecoder()


def storable(value: Any, path: str) -> Any:
    """Convert a value to a plain copy, as every store returns it.

    `path` names the value in messages. Raises `ValueNotStorable` with the path of the refused value.
    """
    return _plain(value, path, ())


def to_text(value: Any) -> str:
    """Encode a result of `storable` as one line of JSON, with NaN and Infinity."""
    return _encoder.encode(value)


def from_text(text: str) -> Any:
    """Decode a text of `to_text` bit by bit. Raises `ValueError` for other texts."""
    if text == "{}":                       # most trees of a new run
        return {}
    if text == "[]":                       # its tags
        return []
    value, end = _decoder.raw_decode(text)
    if end != len(text):
        raise ValueError(f"more than one JSON value: {text[end:end + 40]!r} follows")
    return value


def _plain(value: Any, path: str, above: tuple[int, ...]) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is float:
        return value
    if kind is str:
        return _text(value, path)
    if kind is int:
        return _integer(value, path)
    if isinstance(value, Mapping):
        return _section(value, path, _deeper(value, path, above))
    if isinstance(value, list | tuple):
        inside = _deeper(value, path, above)
        # fast path for long lists of numbers: a path is needed only for messages
        return [inner if type(inner) is float else _plain(inner, f"{path}[{index}]", inside)
                for index, inner in enumerate(value)]
    return _converted(value, path, above)


def _section(value: Mapping[Any, Any], path: str, above: tuple[int, ...]) -> dict[str, Any]:
    plain = {}
    for key, inner in value.items():
        if not isinstance(key, str):
            raise ValueNotStorable(f"{path}: key {key!r} is {type(key).__name__}; keys must be strings")
        name = _text(str.__str__(key), path, what=f"key {key!a}")
        if "\0" in name:
            raise ValueNotStorable(f"{path}: key {key!a} holds a NUL character; leave it out")
        plain[name] = _plain(inner, join(path, name), above)
    return plain


def _converted(value: Any, path: str, above: tuple[int, ...]) -> Any:
    """Convert values with a text or number form, and subclasses of JSON's types."""
    text = _own_text(value, path)
    if text is not None:
        return _text(text, path)
    scalar = unwrapped(value)
    if scalar is not value:
        return _plain(scalar, path, above)
    if isinstance(value, int):
        return _integer(int(value), path)
    if isinstance(value, float):
        return float(value)
    raise ValueNotStorable(f"{path}: {_refused(value)}")


def _own_text(value: Any, path: str) -> str | None:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueNotStorable(f"{path}: a datetime without a time zone is ambiguous; use "
                                   "datetime.now(UTC)")
        return value.isoformat()
    return None


def _refused(value: Any) -> str:
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return (f"{type(value).__name__} of {size / 1e6:.3g} MB; log it with log_artifact(), "
                "or keep a list of numbers")
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes; log them with log_artifact()"
    return f"{shown(value)} cannot be stored; use None, bool, int, float, str, or lists and dicts of these"


def _deeper(value: Any, path: str, above: tuple[int, ...]) -> tuple[int, ...]:
    if id(value) in above:
        raise ValueNotStorable(f"{path}: refers to itself")
    if len(above) >= MAX_DEPTH:
        raise ValueNotStorable(f"nested deeper than {MAX_DEPTH} levels at {path[:60]}…")
    return (*above, id(value))


def _text(value: str, path: str, *, what: str = "text") -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueNotStorable(f"{path}: {what} holds half of a surrogate pair at position {error.start} (of "
                               "a file name that is not UTF-8?); use os.fsencode and a spelling of your own"
                               ) from None
    return value


def _integer(value: int, path: str) -> int:
    if not LOWEST <= value <= HIGHEST:
        raise ValueNotStorable(f"{path}: integer too large (limit 64 bit)")
    return value


# -- Decoding of many similar JSON texts; equal parts are decoded once --

KEPT = 8                       # cached sections per predecessor
WHOLE = 256                    # cached texts of whole trees
_decode = JSONDecoder().raw_decode


class InternedTrees:
    """Decoder with a bounded cache; callers must not change its results."""

    def __init__(self) -> None:
        self._trees: dict[str, Any] = {}
        self._after: dict[str, list[tuple[str, str, Any]]] = {}    # name → what followed: text, name, value

    def tree(self, text: str | None) -> Any:
        """The decoded text; None for None."""
        if text is None:
            return None
        known = self._trees.get(text)
        if known is None:
            if len(self._trees) >= WHOLE:
                self._trees.clear()
            known = self._trees[text] = from_text(text)
        return known

    def sections(self, text: str) -> Any:
        """The text as a new dict with shared values. Raises `ValueError`."""
        found: dict[str, Any] = {}
        name, at = "", 0
        try:
            while text.startswith("," if found else "{", at):
                name, value, at = self._section(name, text, at + 1)
                found[name] = value
        except ValueError:                         # JSON in another spelling, or not JSON
            return from_text(text)
        return found if text[at:] == "}" else from_text(text)

    def _section(self, before: str, text: str, start: int) -> tuple[str, Any, int]:
        """Name, value and end of the section at `start`. Raises `ValueError`."""
        known = self._after.setdefault(before, [])
        for section, name, value in known:
            if text.startswith(section, start):
                return name, value, start + len(section)
        name, at = _decode(text, start)
        if not isinstance(name, str) or not text.startswith(":", at):
            raise ValueError("no section begins here")
        value, end = _decode(text, at + 1)
        if isinstance(value, dict | list):         # the text of a number has no end mark
            known[KEPT - 1:] = []
            known.insert(0, (text[start:end], name, value))
        return name, value, end


# -- Conversion of parts of a record to text and back, for stores that keep text --

def moment_text(moment: datetime) -> str:
    """ISO 8601 in UTC; the texts sort in the order of the moments."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def moment_of(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def tree_text(tree: Any, path: str) -> str | None:
    """Encode a tree with the codec; None stays None. Raises `ValueNotStorable`."""
    return None if tree is None else to_text(storable(tree, path))


def stored_tree(text: str | None) -> Any:
    return None if text is None else from_text(text)


def plain_text(text: str | None, path: str) -> str | None:
    """Check a text. Raises `ValueNotStorable` for one that is not storable."""
    plain: str | None = storable(text, path)
    return plain


# cached: every claim names its worker, and a listing repeats few workers
@lru_cache(maxsize=64)
def owner_text(owner: Owner) -> str:
    return to_text(vars(owner))


@lru_cache(maxsize=1024)
def owner_of(text: str) -> Owner:
    return Owner(**from_text(text))


def stored_progress(progress: Progress | None) -> str | None:
    return None if progress is None else to_text(storable(vars(progress), "progress"))


def late_text(late: Late) -> str:
    at = None if late.at is None else moment_text(late.at)
    return to_text(storable({"outcome": late.outcome.value, "reason": late.reason, "result": late.result,
                             "metrics": late.metrics, "at": at}, "late"))


def late_of(text: str) -> Late:
    fields = from_text(text)
    return Late(outcome=Outcome(fields["outcome"]), reason=fields["reason"], result=fields["result"],
                metrics=fields["metrics"], at=moment_of(fields["at"]))


def worker_text(worker: WorkerInfo) -> str:
    started = None if worker.started_at is None else moment_text(worker.started_at)
    return to_text(storable(
        {"owner": vars(worker.owner), "tasks": worker.tasks, "state": worker.state, "slots": worker.slots,
         "running": worker.running, "refused": worker.refused, "started_at": started}, "worker"))


def worker_of(project: str, text: str, beat: int, seen_at: str) -> WorkerInfo:
    info = from_text(text)
    return WorkerInfo(
        owner=Owner(**info["owner"]), project=project, tasks=tuple(info["tasks"]), state=info["state"],
        slots=info["slots"], running=tuple(info["running"]), refused=tuple(info["refused"]),
        started_at=moment_of(info["started_at"]), seen_at=moment_of(seen_at), beat=beat)


def attempt_of(kept: tuple[Any, ...], read: Callable[[str], Any] = from_text) -> Attempt:
    """Build an attempt from its stored texts, in the order of the columns.

    The worker may be empty. `read` decodes the text of the provenance.
    """
    number, outcome, reason, worker, started_at, ended_at, traceback, provenance, late = kept
    return Attempt(number=number, outcome=None if outcome is None else Outcome(outcome), reason=reason,
                   worker=owner_of(worker) if worker else None, started_at=moment_of(started_at),
                   ended_at=moment_of(ended_at), traceback=traceback, provenance=read(provenance),
                   late=None if late is None else late_of(late))
