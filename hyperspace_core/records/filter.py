"""Filters of runs for all stores, and their grammar for all commands.

The grammar of a condition is `PATH OP VALUE` with `= != < <= > >= ~`; `~` searches text and ignores case.
A path is a field of the record (`result`, `seed`, `priority`, `state`, `submitted_at`, ...),
`metrics.accuracy`, `info.x`, `scenario.dataset.version`, `attempt.worker.host`, `config.classifier.trees`, or
just a hyper-parameter: `classifier.trees`. Quotes may stand round a name with operators in it:
`metrics."f1 > 0.5">0.1`. A value is JSON where it parses as JSON, else text; without quotes, a number is also
the text that it shows. A component equals the name of its class: `classifier=Forest`.
"""

from __future__ import annotations

import contextlib
import json
import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from hyperspace_core.config.jsonfile import parse_value
from hyperspace_core.config.tree import CLASS_NAME, Unquoted
from hyperspace_core.errors import ConfigError, UsageError, did_you_mean
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State

ORDER_NEWEST = "newest"        # highest id first
ORDER_OLDEST = "oldest"        # lowest id first
ORDER_QUEUE = "queue"          # in the order of claiming: priority, then age
ORDER_BEST = "best"            # best result first by the metric's goal; NaN and missing results last
ORDERS = (ORDER_NEWEST, ORDER_OLDEST, ORDER_QUEUE, ORDER_BEST)

_MISSING = object()
_CONDITION = re.compile(r"""\s*(?P<path>(?:"[^"]*"|[^=!<>~"\s])(?:"[^"]*"|[^=!<>~"])*?)\s*
                            (?P<op><=|>=|!=|==|=|<|>|~)(?![=<>~!])\s*
                            (?P<value>.*?)\s*""", re.DOTALL | re.VERBOSE)
_QUOTED = re.compile(r'"([^"]*)"')
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}
_AGE = re.compile(r"^(\d+(?:\.\d+)?)\s*([smhdw])$")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True)
class Condition:
    """One comparison of a value at a dotted path in the record."""

    path: str
    op: str
    value: Any

    def matches(self, record: RunRecord) -> bool:
        found, value = look_up(record, self.path), self.value
        if type(value) is Unquoted:                        # `version=2024` also finds the text "2024"
            value = str(value) if isinstance(found, str) else value.value
        if self.op == "!=":
            return found is _MISSING or not _equal(found, value)
        if found is _MISSING:
            return False
        if self.op in ("=", "=="):
            return _equal(found, value)
        if self.op == "~":
            text = found if isinstance(found, str) else json.dumps(found, default=str)
            return str(self.value).casefold() in text.casefold()
        return _compares(found, self.op, value)


@dataclass(frozen=True, kw_only=True)
class RunFilter:
    """Criteria that must all hold; an empty filter matches every run."""

    project: str | None = None
    tasks: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    uids: tuple[str, ...] = ()             # the same run in every store
    states: tuple[State, ...] = ()
    tags: tuple[str, ...] = ()             # all of them
    since: datetime | None = None          # submitted at or after
    parent: int | None = None
    search: str | None = None
    where: tuple[Condition, ...] = ()

    def matches(self, record: RunRecord) -> bool:
        """Whether a record matches; every store must select the same runs."""
        return (
            (self.project is None or record.project == self.project)
            and (not self.tasks or record.task in self.tasks)
            and (not self.ids or record.id in self.ids)
            and (not self.uids or record.uid in self.uids)
            and (not self.states or record.state in self.states)
            and set(self.tags) <= set(record.tags)
            and (self.since is None or _compares(record.submitted_at, ">=", self.since))
            and (self.parent is None or record.parent == self.parent)
            and (self.search is None or record.search == self.search)
            and all(condition.matches(record) for condition in self.where)
        )


def parse_condition(text: str) -> Condition:
    """Parse `"classifier.trees>=100"` into a `Condition`. Raises `UsageError`."""
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise UsageError(f"--where {text!r}: expected PATH OP VALUE with one of = != < <= > >= ~, "
                         "as in 'classifier.trees>=100'")
    return Condition(_QUOTED.sub(r"\1", match["path"]), match["op"], _value(match["value"]))


def parse_since(text: str, now: datetime) -> datetime:
    """Parse `2d`, `90m` or an ISO date or time in UTC. Raises `UsageError`."""
    age = _AGE.match(text.strip())
    try:
        moment = now - timedelta(seconds=float(age[1]) * _UNIT_S[age[2]]) if age else _moment(text)
    except OverflowError:
        moment = datetime.min.replace(tzinfo=UTC)      # before every run
    if moment is None:
        raise UsageError(f"--since {text!r}: expected an age such as 2d, 3h, 90m or a date such as "
                         "2026-01-31")
    return moment


def parse_states(texts: tuple[str, ...]) -> tuple[State, ...]:
    """Parse `("failed", "queued,paused")` into states. Raises `UsageError`."""
    states = []
    for text in ",".join(texts).split(","):
        if not text.strip():
            continue
        try:
            states.append(State(text.strip().upper()))
        except ValueError:
            known = [state.lower() for state in State]
            raise UsageError(f"--status {text.strip()!r}: expected one of {', '.join(known)}"
                             f"{did_you_mean(text.strip(), known)}") from None
    return tuple(states)


def look_up(record: RunRecord, path: str) -> Any:
    """The value at a dotted path; `is_missing` is true where there is none."""
    head, _, rest = path.partition(".")
    if head in FIELDS:
        found = _walk(record.effective_config if head == "config" else getattr(record, head), rest)
        if found is not _MISSING:
            return found
    return _walk(record.effective_config, path)


def is_missing(value: object) -> bool:
    return value is _MISSING


FIELDS = frozenset(field.name for field in fields(RunRecord)) | {"attempt"}


def _walk(value: Any, path: str) -> Any:
    while path and value is not _MISSING:
        if isinstance(value, dict) and path in value:      # a key may contain dots
            return value[path]
        step, _, path = path.partition(".")
        value = _inside(value, step)
    return value


def _inside(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step, _MISSING)
    if isinstance(value, list | tuple):
        known = step.isascii() and step.isdigit() and len(step) < 10 and int(step) < len(value)
        return value[int(step)] if known else _MISSING
    # dataclass fields only: a command line must not reach other attributes of an object
    return getattr(value, step) if step in getattr(value, "__dataclass_fields__", ()) else _MISSING


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(found, dict) and isinstance(wanted, str):
        return found.get(CLASS_NAME) == wanted
    if isinstance(found, StrEnum) and isinstance(wanted, str):
        return found.casefold() == wanted.casefold()   # `state=failed` in lower case
    if isinstance(found, datetime) and isinstance(wanted, str):
        return found == _moment(wanted)
    if isinstance(found, bool) != isinstance(wanted, bool):
        return False
    if isinstance(found, float) and isinstance(wanted, float) and math.isnan(found):
        return math.isnan(wanted)                      # `result=NaN` finds the runs that diverged
    return bool((list(found) if isinstance(found, tuple) else found) == wanted)


def _compares(found: Any, op: str, wanted: Any) -> bool:
    """Compare numbers with numbers, texts with texts, moments with dates; else False."""
    if isinstance(found, datetime):
        moment = _moment(wanted) if isinstance(wanted, str) else wanted
        return isinstance(moment, datetime) and _COMPARE[op](found, moment)
    numbers = isinstance(found, int | float) and isinstance(wanted, int | float)
    booleans = isinstance(found, bool) or isinstance(wanted, bool)
    comparable = (numbers and not booleans) or (isinstance(found, str) and isinstance(wanted, str))
    return comparable and _COMPARE[op](found, wanted)


def _moment(text: str) -> datetime | None:
    """Parse an ISO date or time, in UTC by default; None for other texts."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _value(text: str) -> Any:
    try:
        found = json.loads(text)               # also NaN and Infinity, which a result may be
    except (ValueError, RecursionError):
        with contextlib.suppress(ConfigError):
            return parse_value(text)
        return text
    return found if isinstance(found, str | list | dict) else Unquoted(text, found)
