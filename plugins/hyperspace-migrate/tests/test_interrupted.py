"""Killed and concurrent copies: the next copy continues, and each run arrives once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyperspace_core.records.filter import RunFilter
from hyperspace_core.storage import Store
from hyperspace_core.stores.sqlite import open_store
from hyperspace_migrate.copy import Fate, copy_runs
from hyperspace_migrate.testing import assert_the_same, copy_to, fill_sample_store
from pytest_hyperspace.stores.harness import Harness, ProcessGroup, work_all
from pytest_hyperspace.stores.process_tests import kill_when

Start = Callable[..., ProcessGroup]


@pytest.fixture
def full(source: Store, tmp_path: Path) -> Store:
    """A source that is large enough to kill its copy in the middle."""
    fill_sample_store(source, tmp_path, points=20_000)
    Harness(source).submit_many(60)
    fill_sample_store(source, tmp_path)
    return source


@pytest.fixture
def start_processes(full: Store) -> Iterator[Start]:
    """Processes that copy the source: `start_processes([address of the destination, …])`."""
    started: list[ProcessGroup] = []

    def start(targets: list[str]) -> ProcessGroup:
        started.append(ProcessGroup(open_store, full.url, copy_to,
                                    [(open_store, target) for target in targets]))
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_a_repeatedly_killed_copy_is_completed_by_the_next(full: Store, target: Store,
                                                           start_processes: Start) -> None:
    killed = 0
    for reports in (1, 3, 5, 6, 7, 8, 10, 11, 13, 16, 17, 22, 30, 47):
        copying = start_processes([target.url])
        kill_when(copying, [reports])
        killed += copying.members[0].answer is None
    assert killed > 0

    assert Fate.DIFFERS not in {one.fate for one in copy_runs(full, target)}
    assert_the_same(full, target)
    assert {one.fate for one in copy_runs(full, target)} == {Fate.THERE, Fate.RUNNING}


def test_two_copies_at_once_bring_each_run_once(full: Store, target: Store, start_processes: Start) -> None:
    answers = start_processes([target.url] * 3).answers()

    total = sum(full.count(RunFilter()).values())
    assert [sum(answer.values()) for answer in answers] == [total] * 3
    assert all(set(answer) <= {"copied", "there", "running"} for answer in answers)
    assert_the_same(full, target)


def test_repeated_copies_of_a_busy_store_become_complete(source: Store, target: Store) -> None:
    Harness(source).submit_many(30)
    workers = ProcessGroup(open_store, source.url, work_all, [("first",), ("second",)])
    copies = 0
    while not all(member.over for member in workers.members):
        workers.hear()
        copies += sum(1 for _ in copy_runs(source, target))
    workers.answers()

    last = {one.fate for one in copy_runs(source, target)}

    assert copies >= 30 and last <= {Fate.THERE, Fate.COPIED}
    assert_the_same(source, target)
    assert Harness(target).claim() is None
