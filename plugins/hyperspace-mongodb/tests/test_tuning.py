"""A search on a server, from the shell: no driver process; a worker that is killed loses no proposal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from worker.scene import until

from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.search import SearchState
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store
from hyperspace_mongodb.store import open_store

PATIENCE_S = 240.0
RUNS = 12


def command(url: str, *words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "hyperspace_core", *words, "--project", "digits", "--storage", url]


@pytest.fixture
def workers(mongodb_url: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Three, which have nothing to do yet."""
    pytest.importorskip("digits_study")
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with open_store(mongodb_url, "digits") as store:       # what a killed worker held is soon taken from it
        store.change_settings("digits", heartbeat_s=0.5, ttl_s=5.0)
    url = f"{mongodb_url}{'&' if '?' in mongodb_url else '?'}timeoutMS=20000"
    started = [subprocess.Popen(command(url, "worker"), stdout=subprocess.PIPE, text=True, env=env)
               for _ in range(3)]
    try:
        for worker in started:
            assert worker.stdout is not None and "waits for runs of " in worker.stdout.readline()
        yield started
    finally:
        for worker in started:
            if worker.poll() is None:
                worker.kill()
            worker.communicate()


def over(store: Store) -> bool:
    waits = {State.QUEUED, State.RUNNING} & store.count(RunFilter()).keys()
    return store.searches("digits")[0].state is SearchState.ENDED and not waits


@pytest.mark.timeout(300)
def test_three_workers_tune_and_one_that_is_killed_loses_no_run_of_the_budget(
        mongodb_url: str, workers: list[subprocess.Popen[str]]) -> None:
    subprocess.run(command(mongodb_url, "tune", "holdout", "--runs", str(RUNS), "--tuner", "Random",
                           "--space", '{"classifier": ["Linear", "Forest"]}'),
                   check=True, stdout=subprocess.DEVNULL)
    with open_store(mongodb_url, "digits") as store:
        until(lambda: store.count(RunFilter()).get(State.COMPLETED, 0) >= 2, "the first runs", PATIENCE_S)
        workers[0].send_signal(signal.SIGKILL)
        until(lambda: over(store), "the end of the search and of its runs", PATIENCE_S)
        search, = store.searches("digits")
        records = list(store.find(RunFilter(search=search.uid)))
        assert store.check() == ()

    assert [(record.state, record.reason) for record in records] == [(State.COMPLETED, None)] * RUNS
    assert search.proposed == RUNS
    assert {record.uid for record in records} == {search.run_uid(number) for number in range(RUNS)}
    outcomes = Counter(attempt.outcome for record in records for attempt in record.attempts)
    assert outcomes[Outcome.COMPLETED] == RUNS
