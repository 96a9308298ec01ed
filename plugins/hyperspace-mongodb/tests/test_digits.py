"""The digits example on MongoDB with two workers: the quickstart's commands with `--storage`."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator

import pytest

from digits_shell import PATIENCE_S, command, waiting_workers
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.states import State
from hyperspace_mongodb.store import open_store
from support.behaving import until

GRID = ("--grid", "classifier=Forest,Support,Linear", "--grid", "scaler=Unscaled,Standard", "--repeats", "2")
RUNS = 12


@pytest.fixture
def workers(mongodb_url: str) -> Iterator[list[subprocess.Popen[str]]]:
    with waiting_workers(mongodb_url, 2) as both:
        yield both


@pytest.mark.timeout(300)
def test_two_workers_execute_each_run_once(mongodb_url: str, workers: list[subprocess.Popen[str]]) -> None:
    subprocess.run(command(mongodb_url, "submit", "holdout", *GRID), check=True, stdout=subprocess.DEVNULL)
    with open_store(mongodb_url, "digits") as store:
        until(lambda: store.count(RunFilter()) == {State.COMPLETED: RUNS}, "all runs", PATIENCE_S)
        records = list(store.find(RunFilter()))
    for worker in workers:
        worker.send_signal(signal.SIGINT)      # the first: stop when nothing is running
    said = [worker.communicate(timeout=60)[0] for worker in workers]
    printed = subprocess.run(command(mongodb_url, "results", "holdout", "--json"), check=True, text=True,
                          stdout=subprocess.PIPE).stdout

    assert [worker.returncode for worker in workers] == [0, 0]
    assert all(len(record.attempts) == 1 for record in records) and len(records) == RUNS
    assert len({record.attempts[0].worker for record in records}) == 2
    for record in records:             # reported by the one worker that executed it
        assert sum(f"run {record.id} COMPLETED" in lines for lines in said) == 1
    assert max(record.result or 0 for record in records) > 0.98
    assert sorted(row["id"] for row in json.loads(printed)) == [record.id for record in reversed(records)]
