"""Execute runs by a worker on a store of their own, gone afterwards: nothing is added to the project's."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import NewRun, RunRecord
from hyperspace_core.worker.options import WorkerOptions
from hyperspace_core.worker.report import Event
from hyperspace_core.worker.worker import Worker

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.storage import Store

Listener = Callable[[Event], None]


@dataclass(frozen=True, kw_only=True)
class Played:
    """A run that was executed, and all that it logged."""

    record: RunRecord
    points: tuple[Point, ...]


@contextmanager
def replayed(project: str, extensions: Extensions, runs: Sequence[NewRun], options: WorkerOptions,
             listener: Listener) -> Iterator[list[Played]]:
    """The runs, executed, in their order; one that was not begun is still QUEUED.

    Within the `with` their store is still there. Raises what a worker raises: `ProjectError`.
    """
    from hyperspace_core.stores.sqlite import open_store

    with (tempfile.TemporaryDirectory(prefix="hyperspace-replay-") as folder,
          open_store(f"sqlite:///{Path(folder) / 'replay.db'}", project) as store):
        store.submit(runs)
        Worker(store, project, extensions, options, on_event=listener).run()
        yield [Played(record=record, points=points_of(store, record))
               for record in store.find(RunFilter(project=project), order=ORDER_OLDEST)]


def again(record: RunRecord, *, uid: str) -> NewRun:
    """The same task, scenario, config and seed; completed already, so that nothing is looked up."""
    return NewRun(uid=uid, project=record.project, task=record.task, submitted=record.submitted,
                  scenario=record.scenario, config=record.config, metric=record.metric, seed=record.seed,
                  max_losses=1)


def points_of(store: Store, record: RunRecord) -> tuple[Point, ...]:
    """What the last attempt of a run logged."""
    return tuple(store.points(record.id)) if record.attempts else ()
