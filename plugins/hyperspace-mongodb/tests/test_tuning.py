"""A search on a server, from the shell, without a driver process; a kill loses no proposal."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Iterator

import pytest

from digits_shell import PATIENCE_S, command, waiting_workers
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.search import SearchState
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store
from hyperspace_mongodb.store import open_store
from support.behaving import until

RUNS = 12


@pytest.fixture
def workers(mongodb_url: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Three idle workers."""
    with open_store(mongodb_url, "digits") as store:       # the runs of a killed worker are soon reaped
        store.change_settings("digits", heartbeat_s=0.5, ttl_s=5.0)
    with waiting_workers(f"{mongodb_url}{'&' if '?' in mongodb_url else '?'}timeoutMS=20000", 3) as three:
        yield three


def over(store: Store) -> bool:
    waits = {State.QUEUED, State.RUNNING} & store.count(RunFilter()).keys()
    return store.searches("digits")[0].state is SearchState.ENDED and not waits


@pytest.mark.timeout(300)
def test_a_killed_worker_loses_no_run_of_the_budget(
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
