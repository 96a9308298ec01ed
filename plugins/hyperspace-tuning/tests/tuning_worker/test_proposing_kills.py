"""A search whose workers, proposers, fork servers and runs are killed."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from hyperspace_core.records.search import SearchState
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store
from proposed_runs import Start, all_there_once, runs_of
from support.behaving import PROJECT, WorkerProcess, until

RUNS, KILLS = 40, 12


def victims(workers: list[WorkerProcess]) -> list[psutil.Process]:
    """All processes of the living workers."""
    found = []
    for worker in workers:
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(worker.process.pid)
            found += [top, *top.children(recursive=True)]
    return found


def replace_the_dead(workers: list[WorkerProcess], start: Start) -> None:
    workers[:] = [worker if worker.process.poll() is None else start() for worker in workers]


@pytest.mark.parametrize("seed", [1, 2])
def test_no_kill_loses_or_doubles_a_proposed_run(
        store: Store, start: Start, tune: Callable[..., Any], seed: int) -> None:
    rng = random.Random(seed)
    search = tune(runs=RUNS, retries=1000)
    workers = [start(), start(slots=2)]
    for kill in range(KILLS):
        # at least one proposal between kills
        until(lambda kill=kill: store.get_search(search.id).proposed > kill, "another proposal")
        with contextlib.suppress(psutil.NoSuchProcess, IndexError):
            rng.choice(victims(workers)).kill()
        replace_the_dead(workers, start)

    def over() -> bool:
        # a worker whose import was killed does not start, and may end after the last kill
        replace_the_dead(workers, start)
        return (store.get_search(search.id).state is SearchState.ENDED
                and all(run.state.terminal for run in runs_of(store, search)))

    until(over, "the end of the search", 90.0)

    for run in all_there_once(store, search, RUNS):
        outcomes = [attempt.outcome for attempt in run.attempts]
        assert outcomes.count(Outcome.COMPLETED) == 1 and outcomes[-1] is Outcome.COMPLETED
        assert run.state is State.COMPLETED
    after = store.get_search(search.id)
    assert (after.proposed, after.repeats) == (RUNS, 0)
    assert store.held(PROJECT) == []
