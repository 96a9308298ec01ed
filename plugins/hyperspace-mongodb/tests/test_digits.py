"""The digits example, drained from MongoDB by two workers: the quickstart's commands with `--storage`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from worker.scene import until

from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.states import State
from hyperspace_mongodb.store import open_store

PATIENCE_S = 240.0
GRID = ("--grid", "classifier=Forest,Support,Linear", "--grid", "scaler=Unscaled,Standard", "--repeats", "2")
RUNS = 12


def command(url: str, *words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "hyperspace_core", *words, "--project", "digits", "--storage", url]


@pytest.fixture
def workers(mongodb_url: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Two, both waiting for work."""
    pytest.importorskip("digits_study")
    # two processes whose threads each take all cores would only wait for one another
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    started = [subprocess.Popen(command(mongodb_url, "worker"), stdout=subprocess.PIPE, text=True, env=env)
               for _ in range(2)]
    try:
        for worker in started:
            assert worker.stdout is not None and "waits for runs of " in worker.stdout.readline()
        yield started
    finally:
        for worker in started:
            if worker.poll() is None:
                worker.kill()
                worker.communicate()


@pytest.mark.timeout(300)
def test_two_workers_do_each_run_once(mongodb_url: str, workers: list[subprocess.Popen[str]]) -> None:
    subprocess.run(command(mongodb_url, "submit", "holdout", *GRID), check=True, stdout=subprocess.DEVNULL)
    with open_store(mongodb_url, "digits") as store:
        until(lambda: store.count(RunFilter()) == {State.COMPLETED: RUNS}, "all runs", PATIENCE_S)
        records = list(store.find(RunFilter()))
    for worker in workers:
        worker.send_signal(signal.SIGINT)      # the first: stop when nothing is running
    said = [worker.communicate(timeout=60)[0] for worker in workers]
    told = subprocess.run(command(mongodb_url, "results", "holdout", "--json"), check=True, text=True,
                          stdout=subprocess.PIPE).stdout

    assert [worker.returncode for worker in workers] == [0, 0]
    assert all(len(record.attempts) == 1 for record in records) and len(records) == RUNS
    assert len({record.attempts[0].worker for record in records}) == 2
    for record in records:             # told by the one worker that did it
        assert sum(f"run {record.id} COMPLETED" in lines for lines in said) == 1
    assert max(record.result or 0 for record in records) > 0.98
    assert sorted(row["id"] for row in json.loads(told)) == [record.id for record in reversed(records)]
