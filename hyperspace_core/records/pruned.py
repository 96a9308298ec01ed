"""Where a pruner stopped a run: as `info["pruned"]` of its record keeps it, so that it can be reproduced."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hyperspace_core.records.states import PRUNED, State

if TYPE_CHECKING:
    from hyperspace_core.records.run import RunRecord


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """When `run.should_stop()` became true."""

    series: str                    # that the pruner watched
    values: int                    # so many the series had then
    step: int                      # of the last one

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def is_pruned(record: RunRecord) -> bool:
    """Whether the run completed early, because its search's pruner said so."""
    return record.state is State.COMPLETED and record.reason == PRUNED


def whole_of(records: Iterable[RunRecord]) -> tuple[RunRecord, ...]:
    """Those that were not pruned; all of them where there are none.

    A value from the midst of a training is no repeat of one from its end.
    """
    given = tuple(records)
    return tuple(record for record in given if not is_pruned(record)) or given


def pruned_at(record: RunRecord) -> Pruned | None:
    """Where a pruned run was stopped; None for one that was not, and where nobody can tell any more."""
    told = record.info.get(PRUNED)
    if not is_pruned(record) or not isinstance(told, dict):
        return None
    series, values, step = (told.get(name) for name in ("series", "values", "step"))
    if not isinstance(series, str) or not isinstance(values, int) or not isinstance(step, int):
        return None
    return Pruned(series=series, values=values, step=step)
