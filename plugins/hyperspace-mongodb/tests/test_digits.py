"""The digits example, drained from MongoDB by two workers: the quickstart's commands with `--storage`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

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


@pytest.mark.timeout(300)
def test_two_workers_do_each_run_once(mongodb_url: str) -> None:
    pytest.importorskip("digits_study")
    workers = [subprocess.Popen(command(mongodb_url, "worker"), stdout=subprocess.PIPE, text=True)
               for _ in range(2)]
    for worker in workers:
        assert worker.stdout is not None and "takes runs of holdout" in worker.stdout.readline()
    subprocess.run(command(mongodb_url, "submit", "holdout", *GRID), check=True, stdout=subprocess.DEVNULL)
    with open_store(mongodb_url, "digits") as store:
        until(lambda: store.count(RunFilter())[State.COMPLETED] == RUNS, "all runs", PATIENCE_S)
        records = list(store.find(RunFilter()))
    for worker in workers:
        worker.send_signal(signal.SIGINT)
    said = [worker.communicate(timeout=60)[0] for worker in workers]
    told = subprocess.run(command(mongodb_url, "results", "holdout", "--json"), check=True, text=True,
                          stdout=subprocess.PIPE).stdout

    assert [worker.returncode for worker in workers] == [0, 0]
    assert all(len(record.attempts) == 1 for record in records) and len(records) == RUNS
    assert len({record.attempts[0].worker.worker for record in records if record.attempts[0].worker}) == 2
    for record in records:             # told by the one worker that did it
        assert sum(f"run {record.id} COMPLETED" in lines for lines in said) == 1
    assert max(record.result or 0 for record in records) > 0.98
    assert json.dumps(records[0].id) in told
