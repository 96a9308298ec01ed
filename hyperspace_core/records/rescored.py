"""Metrics that were computed of a run after it had ended: beside what it returned, never in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import Refused
from hyperspace_core.records.logged import is_number
from hyperspace_core.records.run import Goal, RunRecord

KEY = "rescored"               # the entry of `info` under which they stand


@dataclass(frozen=True, kw_only=True)
class Rescored:
    """One such metric of one run, as `info["rescored"][name]` keeps it."""

    name: str
    value: float
    goal: Goal
    attempt: int                   # whose predictions it was computed of
    by: str = ""                   # user@host
    at: str = ""                   # ISO 8601, for display
    code: str = ""                 # fingerprint of the function; "" where its source was not found

    def tree(self) -> Tree:
        return {"value": self.value, "goal": self.goal, "attempt": self.attempt, "by": self.by, "at": self.at,
                "code": self.code}


def rescored_of(record: RunRecord) -> dict[str, Rescored]:
    """By name; what was computed of an earlier attempt than the last does not count."""
    kept = record.info.get(KEY)
    last = record.attempt.number if record.attempt is not None else 0
    if not isinstance(kept, Mapping):
        return {}
    found = {name: _read(name, told) for name, told in kept.items()}
    return {name: one for name, one in found.items() if one is not None and one.attempt == last}


def is_mended(record: RunRecord) -> bool:
    """Whether the task's own metric was computed anew."""
    return KEY in record.info and record.metric.name in rescored_of(record)


def decisive(record: RunRecord) -> float | None:
    """The value of the task's metric that counts: as it was mended, else as the run returned it."""
    return rescored_of(record)[record.metric.name].value if is_mended(record) else record.result


def _read(name: str, told: Any) -> Rescored | None:
    """None for what user code has put there itself."""
    if not isinstance(told, Mapping) or not is_number(told.get("value")):
        return None
    goal: Goal = "minimize" if told.get("goal") == "minimize" else "maximize"
    attempt = told.get("attempt")
    return Rescored(name=name, value=float(told["value"]), goal=goal, by=str(told.get("by", "")),
                    attempt=attempt if isinstance(attempt, int) else 0, at=str(told.get("at", "")),
                    code=str(told.get("code", "")))


def amended(info: Tree, name: str, entry: Tree | None) -> Tree:
    """What `info` becomes when an entry is kept, or taken away; for stores."""
    before = info.get(KEY)
    kept = {key: value for key, value in (before if isinstance(before, dict) else {}).items() if key != name}
    if entry is not None:
        kept[name] = entry
    rest = {key: value for key, value in info.items() if key != KEY}
    return rest | {KEY: kept} if kept else rest


def check_ended(record: RunRecord) -> None:
    """Raises `Refused` for a run that may still return something itself."""
    if not record.state.terminal:
        raise Refused(f"run {record.id} is {record.state}: a metric is added when it has ended")
