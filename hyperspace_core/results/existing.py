"""Find existing runs of the same experiment on the same code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from hyperspace_core.config.tree import digest
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import NewRun, RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.results.parts import parts_of
from hyperspace_core.results.today import Today
from hyperspace_core.results.yardstick import differing
from hyperspace_core.storage import Store

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project

LIVE = (State.QUEUED, State.PAUSED, State.RUNNING, State.COMPLETED)


def key_of(run: NewRun | RunRecord) -> str:
    """Key of an experiment: digest of task, scenario, completed config and seed."""
    return digest({"task": run.task, "scenario": run.scenario, "config": run.config, "seed": run.seed})


def existing_runs(store: Store, project: Project, task: str) -> dict[str, int]:
    """Key → id of the oldest queued, paused, running or completed run of a task.

    A run does not count if the code of a class that it uses differs. Unknown code, such as that of a run that
    has not begun, counts as equal.
    """
    today = Today(project)
    wanted = RunFilter(project=project.name, tasks=(task,), states=LIVE)
    found: dict[str, int] = {}
    for record in store.find(wanted, order=ORDER_OLDEST):
        if record.config is not None and _is_of_today(record, today):
            found.setdefault(key_of(record), record.id)
    return found


def unless_known(runs: Iterable[NewRun], known: Mapping[str, int]) -> Iterator[NewRun]:
    """Drop the runs whose key is known, and duplicates."""
    seen = set(known)
    for run in runs:
        key = key_of(run)
        if key not in seen:
            seen.add(key)
            yield run


def _is_of_today(record: RunRecord, today: Today) -> bool:
    parts = parts_of(record)
    return parts is None or not any(differing(parts, today.parts(record, parts), today.sameness))
