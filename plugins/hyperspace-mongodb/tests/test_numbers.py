"""Integers beyond 32 bits are read back as plain integers."""

from __future__ import annotations

from pathlib import Path

from hyperspace_core.records.run import NewRun
from hyperspace_core.records.states import State
from hyperspace_core.storage import new_token
from pytest_hyperspace.project import ProjectFolder
from support.behaving import PROJECT, in_state, opened_for_tests, worker_processes

SEED = 2**31 + 7


def test_a_run_with_a_seed_beyond_32_bits_is_executed(mongodb_url: str, project: ProjectFolder,
                                                      tmp_path: Path) -> None:
    with opened_for_tests(mongodb_url) as store, worker_processes(mongodb_url, project.env()) as start:
        run, = store.submit([NewRun(uid=new_token(), project=PROJECT, task="behave", submitted={},
                                    seed=SEED)])
        start(drain=True).report()
        record = in_state(store, run, State.COMPLETED)

    assert record.seed == SEED
    assert type(record.seed) is int
