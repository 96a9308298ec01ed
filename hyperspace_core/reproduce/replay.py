"""Execute runs by a worker on a temporary store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hyperspace_core.config.tree import CLASS_NAME
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.info import Pruned
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import NewRun, RunRecord
from hyperspace_core.records.search import NewSearch
from hyperspace_core.worker.events import Event
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.storage import Store

Listener = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class Played:
    """An executed run and its logged points."""

    record: RunRecord
    points: tuple[Point, ...]


@contextmanager
def replayed(project: str, extensions: Extensions, runs: Sequence[NewRun], options: WorkerOptions,
             listener: Listener, *, stops: Mapping[str, Pruned | None]) -> Iterator[list[Played]]:
    """Execute the runs and return them in order; one not begun is still QUEUED.

    `stops`: by `uid`, where a pruner stopped the original run; the replay stops there, too. The temporary
    store exists until the `with` block ends. Raises `ProjectError`, as a worker does.
    """
    from hyperspace_core.stores.sqlite import open_store

    with (tempfile.TemporaryDirectory(prefix="hyperspace-replay-") as folder,
          open_store(f"sqlite:///{Path(folder) / 'replay.db'}", project) as store):
        store.submit([_stopped_again(store, run, stops.get(run.uid)) for run in runs])
        Worker(store, project, extensions, options, on_event=listener).run()
        yield [Played(record=record, points=points_of(store, record))
               for record in store.find(RunFilter(project=project), order=ORDER_OLDEST)]


def again(record: RunRecord, *, uid: str) -> NewRun:
    """Copy the completed task, scenario, config and seed of a run."""
    return NewRun(uid=uid, project=record.project, task=record.task, submitted=record.submitted,
                  scenario=record.scenario, config=record.config, metric=record.metric, seed=record.seed,
                  max_losses=1)


def _stopped_again(store: Store, run: NewRun, stop: Pruned | None) -> NewRun:
    """Assign the run to a search whose pruner stops it at the recorded value."""
    if stop is None:
        return run
    pruner = {CLASS_NAME: "AsRecorded", "values": stop.values, "metric": stop.series, "goal": run.metric.goal}
    search = store.add_search(NewSearch(uid=run.uid, project=run.project, task=run.task, pruner=pruner,
                                        scenario=run.scenario or {}, tuner={}))
    store.end_search(search, "only holds the recorded stop of a run")
    return replace(run, search=run.uid)


def points_of(store: Store, record: RunRecord) -> tuple[Point, ...]:
    """Points that the last attempt of a run logged."""
    return tuple(store.points(record.id)) if record.attempts else ()
