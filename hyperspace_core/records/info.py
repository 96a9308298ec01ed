"""Notes about the finished parts of a run, so that another attempt can skip them.

A note is stored in `info` under `part/NAME`; for a part within a part, under `OUTER/part/NAME`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hyperspace_core.config.tree import Tree, is_number
from hyperspace_core.errors import Refused
from hyperspace_core.records.run import Goal, RunRecord
from hyperspace_core.records.states import PRUNED, State

NOTED = "part/"                # prefix of a part's name, as a key of `info`
MADE_OF = "made_of"            # key in the note: digest of the code, the config, the scenario and the seed


def parts_of(info: Mapping[str, Any]) -> Tree:
    """The notes of finished parts in a run's `info`."""
    return {key: value for key, value in info.items()
            if (key.startswith(NOTED) or f"/{NOTED}" in key) and isinstance(value, dict)}


def made_of(digest: str, notes: Mapping[str, Any]) -> Tree:
    """The notes that were made by the same code with the same config."""
    return {key: note for key, note in notes.items() if note.get(MADE_OF) == digest}


def within(name: str, notes: Mapping[str, Any]) -> Tree:
    """The notes of the parts within a part, without the outer part's prefix."""
    return {key.removeprefix(f"{name}/"): note for key, note in notes.items() if key.startswith(f"{name}/")}


# -- Where a pruner stopped a run, stored in `info["pruned"]` to reproduce it --

@dataclass(frozen=True, kw_only=True)
class Pruned:
    """The state of the watched series when `run.should_stop()` became true."""

    series: str                    # name of the series that the pruner watched
    values: int                    # number of values in the series
    step: int                      # step of the last value

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def is_pruned(record: RunRecord) -> bool:
    """Whether the run completed early because a pruner stopped it."""
    return record.state is State.COMPLETED and record.reason == PRUNED


def whole_of(records: Iterable[RunRecord]) -> tuple[RunRecord, ...]:
    """The records that were not pruned; all records where every one was pruned.

    A value from the middle of a training does not repeat a value from its end.
    """
    given = tuple(records)
    return tuple(record for record in given if not is_pruned(record)) or given


def pruned_at(record: RunRecord) -> Pruned | None:
    """Where a run was pruned; None if it was not or has no valid entry."""
    entry = record.info.get(PRUNED)
    if not is_pruned(record) or not isinstance(entry, dict):
        return None
    series, values, step = (entry.get(name) for name in ("series", "values", "step"))
    if not isinstance(series, str) or not isinstance(values, int) or not isinstance(step, int):
        return None
    return Pruned(series=series, values=values, step=step)


# -- Metrics computed after a run has ended, stored beside its own metrics --

KEY = "rescored"               # the entry of `info` that holds them


@dataclass(frozen=True, kw_only=True)
class Rescored:
    """One such metric of one run, stored in `info["rescored"][name]`."""

    name: str
    value: float
    goal: Goal
    attempt: int                   # the attempt whose predictions were used
    by: str = ""                   # user@host
    at: str = ""                   # ISO 8601, for display
    code: str = ""                 # fingerprint of the function; "" where its source was not found

    def tree(self) -> Tree:
        return {"value": self.value, "goal": self.goal, "attempt": self.attempt, "by": self.by, "at": self.at,
                "code": self.code}


def rescored_of(record: RunRecord) -> dict[str, Rescored]:
    """The rescored metrics of the last attempt, by name."""
    kept = record.info.get(KEY)
    last = record.attempt.number if record.attempt is not None else 0
    if not isinstance(kept, Mapping):
        return {}
    found = {name: _read(name, entry) for name, entry in kept.items()}
    return {name: one for name, one in found.items() if one is not None and one.attempt == last}


def is_mended(record: RunRecord) -> bool:
    """Whether the task's own metric was rescored."""
    return KEY in record.info and record.metric.name in rescored_of(record)


def decisive(record: RunRecord) -> float | None:
    """The task's metric: the rescored value, else the one that the run returned."""
    return rescored_of(record)[record.metric.name].value if is_mended(record) else record.result


def _read(name: str, entry: Any) -> Rescored | None:
    """The stored metric; None for an entry that user code has written there."""
    if not isinstance(entry, Mapping) or not is_number(entry.get("value")):
        return None
    goal: Goal = "minimize" if entry.get("goal") == "minimize" else "maximize"
    attempt = entry.get("attempt")
    return Rescored(name=name, value=float(entry["value"]), goal=goal, by=str(entry.get("by", "")),
                    attempt=attempt if isinstance(attempt, int) else 0, at=str(entry.get("at", "")),
                    code=str(entry.get("code", "")))


def amended(info: Tree, name: str, entry: Tree | None) -> Tree:
    """`info` with an entry added, or removed where `entry` is None; for stores."""
    before = info.get(KEY)
    kept = {key: value for key, value in (before if isinstance(before, dict) else {}).items() if key != name}
    if entry is not None:
        kept[name] = entry
    rest = {key: value for key, value in info.items() if key != KEY}
    return rest | {KEY: kept} if kept else rest


def check_ended(record: RunRecord) -> None:
    """Check that a run has ended. Raises `Refused` otherwise."""
    if not record.state.terminal:
        raise Refused(f"run {record.id} is {record.state}: a metric is added when it has ended")
