"""Searches of the growing project, with a worker in this process."""

from __future__ import annotations

from hyperspace_core.extension.manager import build_manager
from hyperspace_core.records.search import Budget, NewSearch
from hyperspace_core.storage import Store, new_token
from hyperspace_core.worker.events import WorkerReport
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker
from pytest_hyperspace.stores.harness import Harness, new_run
from support.growing import PROJECT


def work(store: Store, **options: object) -> WorkerReport:
    """Run a worker until the queue is empty, or for `max_runs` runs."""
    chosen = WorkerOptions(isolation="inline", drain=True, **options)  # type: ignore[arg-type]
    return Worker(store, PROJECT, build_manager(), chosen).run()


def new_search(store: Store, project: str, task: str = "task", **fields: object) -> int:
    """Store a search without a project's code, for commands that do not need the code."""
    planned = {"scenario": {"className": "S"}, "tuner": {"className": "Random"}, "budget": Budget(runs=5)}
    return store.add_search(NewSearch(uid=new_token(), project=project, task=task, **planned | fields))  # type: ignore[arg-type]


def proposed(harness: Harness, search: int) -> int:
    """A run that a worker has proposed."""
    record = harness.store.get_search(search)
    run = new_run(uid=record.run_uid(record.proposed), search=record.uid, project=harness.project,
                  task=record.task)
    made = harness.store.propose(search, record.proposed, run)
    assert made is not None
    return made
