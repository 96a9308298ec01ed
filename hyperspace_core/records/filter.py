"""Which runs are meant: one frozen filter for every store, and one grammar for every command.

The grammar of a condition is `PATH OP VALUE` with `= != < <= > >= ~`; `~` looks for text, without regard to case.
A path is a name of the record (`result`, `seed`, `priority`, `state`, `task`, ...), `metrics.accuracy`, `info.x`,
`scenario.dataset.version`, `config.classifier.trees`, or a hyper-parameter alone: `classifier.trees`.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from hyperspace_core.errors import UsageError
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State

ORDER_NEWEST = "newest"        # highest id first
ORDER_OLDEST = "oldest"        # lowest id first
ORDER_QUEUE = "queue"          # as workers take them: priority, then age
ORDER_BEST = "best"            # by result, in the direction of the run's metric; NaN and missing results last
ORDERS = (ORDER_NEWEST, ORDER_OLDEST, ORDER_QUEUE, ORDER_BEST)

_MISSING = object()
_CONDITION = re.compile(r"^\s*(?P<path>[^=!<>~\s]+)\s*(?P<op><=|>=|!=|==|=|<|>|~)\s*(?P<value>.*?)\s*$", re.DOTALL)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}
_AGE = re.compile(r"^(\d+(?:\.\d+)?)\s*([smhdw])$")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True)
class Condition:
    """One comparison of a value in the record, by its dotted path."""

    path: str
    op: str
    value: Any

    def matches(self, record: RunRecord) -> bool:
        found = look_up(record, self.path)
        if self.op == "!=":
            return found is _MISSING or not _equal(found, self.value)
        if found is _MISSING:
            return False
        if self.op in ("=", "=="):
            return _equal(found, self.value)
        if self.op == "~":
            return str(self.value).casefold() in _as_text(found).casefold()
        return _comparable(found, self.value) and _COMPARE[self.op](found, self.value)


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """All of these must hold; an empty one matches every run."""

    project: str | None = None
    tasks: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    states: tuple[State, ...] = ()
    tags: tuple[str, ...] = ()             # all of them
    since: datetime | None = None          # submitted at or after
    parent: int | None = None
    search: str | None = None
    where: tuple[Condition, ...] = ()

    def matches(self, record: RunRecord) -> bool:
        """The meaning of the filter; a store may narrow faster but never differently."""
        return (
            (self.project is None or record.project == self.project)
            and (not self.tasks or record.task in self.tasks)
            and (not self.ids or record.id in self.ids)
            and (not self.states or record.state in self.states)
            and set(self.tags) <= set(record.tags)
            and (self.since is None or (record.submitted_at is not None and record.submitted_at >= self.since))
            and (self.parent is None or record.parent == self.parent)
            and (self.search is None or record.search == self.search)
            and all(condition.matches(record) for condition in self.where)
        )


def parse_condition(text: str) -> Condition:
    """`"classifier.trees>=100"` → a `Condition`. Raises `UsageError`."""
    match = _CONDITION.match(text)
    if match is None:
        raise UsageError(f"--where {text!r}: expected PATH OP VALUE with one of = != < <= > >= ~, "
                         "as in 'classifier.trees>=100'")
    return Condition(match["path"], match["op"], _value(match["value"]))


def parse_since(text: str, now: datetime) -> datetime:
    """`2d`, `90m` or an ISO date or time → an aware moment. Raises `UsageError`."""
    age = _AGE.match(text.strip())
    if age:
        return now - timedelta(seconds=float(age[1]) * _UNIT_S[age[2]])
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"--since {text!r}: expected an age such as 2d, 3h, 90m or a date such as 2026-01-31") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_states(texts: tuple[str, ...]) -> tuple[State, ...]:
    """`("failed", "queued,paused")` → states. Raises `UsageError`."""
    states = []
    for text in ",".join(texts).split(","):
        if not text.strip():
            continue
        try:
            states.append(State(text.strip().upper()))
        except ValueError:
            known = ", ".join(state.lower() for state in State)
            raise UsageError(f"--status {text.strip()!r}: expected one of {known}") from None
    return tuple(states)


def look_up(record: RunRecord, path: str) -> Any:
    """The value at a dotted path; a private marker where there is none (`is_missing` tells)."""
    head, _, rest = path.partition(".")
    if head in _FIELDS:
        found = _walk(getattr(record, head), rest)
        if found is not _MISSING:
            return found
    return _walk(record.config if record.config is not None else record.submitted, path)


def is_missing(value: object) -> bool:
    return value is _MISSING


_FIELDS = frozenset(field.name for field in fields(RunRecord))


def _walk(value: Any, path: str) -> Any:
    while path:
        if isinstance(value, dict):
            if path in value:                  # a key may hold dots itself
                return value[path]
            step, _, path = path.partition(".")
            if step not in value:
                return _MISSING
            value = value[step]
        elif isinstance(value, list | tuple):
            step, _, path = path.partition(".")
            if not step.isdigit() or int(step) >= len(value):
                return _MISSING
            value = value[int(step)]
        else:
            step, _, path = path.partition(".")
            value = getattr(value, step, _MISSING) if step in getattr(value, "__dataclass_fields__", ()) else _MISSING
    # a component stands for its class: "classifier=Forest"
    return value


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, dict) and isinstance(wanted, str):
        return found.get("className") == wanted
    if isinstance(found, bool) != isinstance(wanted, bool):
        return False
    return bool(found == wanted)


def _comparable(found: Any, wanted: Any) -> bool:
    numbers = isinstance(found, int | float) and isinstance(wanted, int | float)
    booleans = isinstance(found, bool) or isinstance(wanted, bool)
    return (numbers and not booleans) or (isinstance(found, str) and isinstance(wanted, str))


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
