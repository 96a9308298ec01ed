"""Repeat the best run with other seeds while a worker is idle; stop a repeat that is much worse.

In the worker, `hyperspace_offer_run` queues and claims a repeat, and `hyperspace_answer` knows the best
result. In the process of a run, `hyperspace_watch_run` asks for it and follows what the run logs.
"""

from __future__ import annotations

from typing import Any

from hyperspace_core.execution.answers import AskWorker
from hyperspace_core.markers import hookimpl
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import Claim, NewRun, RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.run import Run
from hyperspace_core.storage import Store, new_token
from hyperspace_core.worker.hooks import WorkerContext

TAG = "spare-time"
BEST = "spare-time.best"       # the topic of this plugin's question
REPEATS = 2
WORSE = 0.5                    # a repeat below this part of the best result is stopped


def best_of(store: Store, project: str, task: str | None = None) -> RunRecord | None:
    """The best completed run that is no repeat."""
    done = RunFilter(project=project, states=(State.COMPLETED,), tasks=() if task is None else (task,))
    found = [one for one in store.find(done) if one.parent is None and one.result is not None]
    return max(found, key=lambda one: one.result or 0.0, default=None)


@hookimpl
def hyperspace_offer_run(worker: WorkerContext, tasks: frozenset[str], queued: bool) -> Claim | None:
    if queued:                 # a repeat is never more urgent than the queue
        return None
    best = best_of(worker.store, worker.project)
    if best is None or best.task not in tasks:
        return None
    made = sum(TAG in one.tags for one in worker.store.find(RunFilter(project=worker.project)))
    if made >= REPEATS:
        return None
    repeat = NewRun(uid=new_token(), project=best.project, task=best.task, submitted=best.submitted,
                    scenario=best.scenario, config=best.config, metric=best.metric, parent=best.id,
                    seed=(best.seed or 0) + 1 + made, tags=(TAG,))
    number, = worker.store.submit([repeat])
    return worker.store.claim(worker.project, worker.owner, new_token(), tasks=tasks, only=[number])


class Watcher:
    """Stops its run once the task's metric is far below the best result."""

    def __init__(self, run: Run, ask: AskWorker) -> None:
        self._run, self._best = run, ask(BEST, run.task)

    def on_scalar(self, name: str, step: int | None, value: float) -> None:
        if name == self._run.metric and self._best.wait() and value < WORSE * (self._best.value or 0.0):
            self._run.request_stop("far below the best result")


@hookimpl
def hyperspace_watch_run(run: Run, ask: AskWorker) -> Watcher:
    return Watcher(run, ask)


@hookimpl
def hyperspace_answer(worker: WorkerContext, topic: str, payload: Any) -> float | None:
    if topic != BEST:
        return None
    best = best_of(worker.store, worker.project, payload)
    return None if best is None else best.result
