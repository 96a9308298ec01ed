"""Inline execution: recorded like any other run."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.execution.identity import this_process
from hyperspace_core.extension.manager import Extensions, build_manager
from hyperspace_core.extension.project import open_project
from hyperspace_core.markers import hookimpl
from hyperspace_core.records.run import Claim, Lease, NewRun, RunRecord
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store, new_token
from hyperspace_core.worker.inline import execute_here
from pytest_hyperspace.project import ProjectFolder
from support.behaving import PROJECT, began


@pytest.fixture
def extensions() -> Extensions:
    return build_manager()


@pytest.fixture
def execute(store: Store, project: ProjectFolder, extensions: Extensions) -> Callable[..., RunRecord]:
    opened = open_project(PROJECT, extensions)

    def one(how: str, *, echo: bool = True, heard: Callable[[int], None] = lambda run: None,
            **config: Any) -> RunRecord:
        token = new_token()
        new = NewRun(uid=new_token(), project=PROJECT, task="behave", submitted={"how": how} | config,
                     validated=False)
        run = store.submit([new], owner=this_process("here"), tokens=[token])[0]
        heard(run)
        claim = Claim(lease=Lease(run=run, attempt=1, token=token), record=store.get(run))
        return execute_here(store, opened, extensions, claim, echo=echo)

    return one


def test_an_inline_run_is_recorded_completely(execute: Callable[..., RunRecord], store: Store,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    record = execute("well", points=20)
    assert (record.state, record.result, record.info) == (State.COMPLETED, 1.0, {"how": "well"})
    assert [point.seq for point in store.points(record.id)] == list(range(20))
    assert "".join(chunk.text for chunk in store.output(record.id)) == "well done\n"
    assert capsys.readouterr().out == "well done\n"
    assert store.held(PROJECT) == []


def test_without_echo_nothing_is_printed_here(execute: Callable[..., RunRecord], store: Store,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    record = execute("well", echo=False)
    assert capsys.readouterr().out == ""
    assert "".join(chunk.text for chunk in store.output(record.id)) == "well done\n"
    assert sys.stdout is before


def test_a_run_cannot_close_the_streams_of_its_caller(
        execute: Callable[..., RunRecord], store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    record = execute("close-streams")
    assert record.state is State.COMPLETED
    assert "".join(chunk.text for chunk in store.output(record.id)) == "before\n"
    print("after")
    assert capsys.readouterr().out == "before\nafter\n"


@pytest.mark.parametrize("how", ["raise", "system-exit"])
def test_what_user_code_raises_is_in_the_record(execute: Callable[..., RunRecord], how: str) -> None:
    record = execute(how)
    assert record.state is State.FAILED
    assert record.attempt is not None
    assert record.attempt.traceback


def in_thread(act: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


@pytest.fixture
def ask_when_begun(tmp_path: Path) -> Iterator[Callable[[Callable[[int], Any]], Callable[[int], None]]]:
    threads: list[threading.Thread] = []

    def made(act: Callable[[int], Any]) -> Callable[[int], None]:
        def heard(run: int) -> None:
            def when_begun() -> None:
                began(tmp_path, run)
                act(run)

            threads.append(in_thread(when_begun))

        return heard

    yield made
    for thread in threads:
        thread.join(30)


def test_interrupting_cancels_the_run_and_is_raised_again(
        execute: Callable[..., RunRecord], store: Store, tmp_path: Path, ask_when_begun: Any) -> None:
    runs: list[int] = []

    def press(run: int) -> None:
        runs.append(run)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        execute("wait", folder=str(tmp_path), heard=ask_when_begun(press))
    record = store.get(runs[0])
    assert (record.state, record.reason) == (State.CANCELLED, "interrupted with Ctrl-C")
    assert record.attempts[0].outcome is Outcome.CANCELLED
    assert signal.getsignal(signal.SIGINT) is before


def test_a_cancel_from_elsewhere_reaches_user_code(
        execute: Callable[..., RunRecord], store: Store, tmp_path: Path, ask_when_begun: Any) -> None:
    record = execute("wait", folder=str(tmp_path), heard=ask_when_begun(store.cancel))
    assert (record.state, record.reason) == (State.CANCELLED, "cancelled")


def test_observers_get_the_end_of_an_inline_run_once(
        execute: Callable[..., RunRecord], extensions: Extensions, store: Store, tmp_path: Path,
        ask_when_begun: Any) -> None:
    heard: list[tuple[int, State]] = []

    class Listener:
        @hookimpl
        def hyperspace_run_finished(self, record: RunRecord) -> None:
            heard.append((record.id, record.state))

    extensions.manager.register(Listener())
    good, gone = execute("well"), execute("wait", folder=str(tmp_path), heard=ask_when_begun(store.cancel))
    assert heard == [(good.id, State.COMPLETED), (gone.id, State.CANCELLED)]


def test_a_cancel_sets_should_stop_in_a_run_that_calls_it(
        execute: Callable[..., RunRecord], store: Store, tmp_path: Path, ask_when_begun: Any) -> None:
    record = execute("wait-politely", folder=str(tmp_path), heard=ask_when_begun(store.cancel))
    assert record.state is State.CANCELLED
    assert record.metrics == {"result": 0.25}
