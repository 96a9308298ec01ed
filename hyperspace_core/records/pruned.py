"""Where a pruner stopped a run, stored in `info["pruned"]` to reproduce it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hyperspace_core.records.states import PRUNED, State

if TYPE_CHECKING:
    from hyperspace_core.records.run import RunRecord


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """The state of the watched series when `run.should_stop()` became true."""

    series: str                    # name of the series that the pruner watched
    values: int                    # number of values in the series
    step: int                      # step of the last value

    def plain(self) -> dict[str, Any]:
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
