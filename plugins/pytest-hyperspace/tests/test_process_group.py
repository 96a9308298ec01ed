"""Processes that work on one store together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from group_work import fail, go_on, tell
from hyperspace_core.stores.sqlite import open_store
from pytest_hyperspace.stores.harness import ProcessGroup


@pytest.fixture
def start_processes(tmp_path: Path) -> Iterator[Callable[..., ProcessGroup]]:
    url = f"sqlite:///{tmp_path}/runs.db"
    open_store(url).close()
    started: list[ProcessGroup] = []

    def start(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> ProcessGroup:
        started.append(ProcessGroup(open_store, url, work, arguments))
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_each_member_is_a_process_and_answers_in_order(start_processes: Callable[..., ProcessGroup]) -> None:
    both = start_processes(tell, [(7,), (8,)])

    answers = both.answers()

    assert sorted(run for run, _ in answers) == [1, 2]
    assert len({os.getpid(), *(pid for _, pid in answers)}) == 3
    assert [member.reports for member in both.members] == [[7], [8]]


def test_an_error_in_another_process_is_raised_here(start_processes: Callable[..., ProcessGroup]) -> None:
    with pytest.raises(AssertionError, match=r"(?s)in another process.*in fail.*ValueError: as requested"):
        start_processes(fail, [()]).answers()


def test_the_others_continue_after_a_kill(start_processes: Callable[..., ProcessGroup]) -> None:
    both = start_processes(go_on, [(0,), (1,)])
    quiet, busy = both.members
    while not (quiet.over and busy.reports):
        both.hear()

    busy.kill()

    assert busy.over and busy.process.exitcode == -9
    assert set(busy.reports) == {busy.process.pid}


def test_all_end_with_the_test(start_processes: Callable[..., ProcessGroup]) -> None:
    both = start_processes(go_on, [(1,), (1,)])
    both.hear()

    both.end()

    assert [member.process.exitcode for member in both.members] == [-9, -9]
