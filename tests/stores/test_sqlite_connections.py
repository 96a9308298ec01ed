"""Connections: one per thread, none across a fork, waiting for other writers, disk errors."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import StoreError, StoreUnavailable, ValueNotStorable
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import NewRun, Owner
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_core.stores.sqlite import connection, open_store, opening

OWNER = Owner(worker="w", host="h")
PATIENCE_S = 30.0
_uids = count()


def new_run() -> NewRun:
    return NewRun(uid=f"u{next(_uids)}", project="p", task="t", submitted={"trees": 3})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture
def store(path: Path) -> Iterator[Any]:
    with open_store(f"sqlite:///{path}") as opened:
        yield opened


@pytest.fixture
def writer(store: Store, path: Path) -> Iterator[sqlite3.Connection]:
    """Another program that is writing to the file."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


class Calling:
    """A store call in its own thread."""

    def __init__(self, verb: Callable[[], Any]) -> None:
        self.answer: Any = None
        self._verb = verb
        self._thread = threading.Thread(target=self._call)
        self._thread.start()

    def _call(self) -> None:
        try:
            self.answer = self._verb()
        except BaseException as error:
            self.answer = error

    def waits(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> Any:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when a call has found the file locked and waits."""
    event = threading.Event()
    sleep = connection.time.sleep

    def sleeping(seconds: float) -> None:
        event.set()
        sleep(seconds)

    monkeypatch.setattr(connection.time, "sleep", sleeping)
    return event


OPENING = """
import os, sys
from hyperspace_core.records.run import NewRun
from hyperspace_core.stores.sqlite import open_store
print("ready", flush=True)
sys.stdin.readline()
with open_store(f"sqlite:///{sys.argv[1]}") as store:
    print(store.submit([NewRun(uid=str(os.getpid()), project="p", task="t", submitted={})]))
"""

# -- how a connection is made ------------------------------------------------------------------------------


@pytest.mark.parametrize(("pragma", "value"), [
    ("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("trusted_schema", 0),
    ("busy_timeout", 30_000),
])
def test_every_thread_s_connection_has_the_settings(store: Any, pragma: str, value: object) -> None:
    def look() -> object:
        with store._database.using() as connection:
            return connection.execute(f"PRAGMA {pragma}").fetchone()[0]

    store.submit([new_run()])
    assert look() == Calling(look).result() == value


def test_a_thread_that_has_ended_leaves_no_connection_behind(store: Any) -> None:
    for _ in range(5):
        Calling(lambda: store.submit([new_run()])).result()
    store.get(1)
    assert len(store._database._links) == 1


def test_processes_that_open_a_new_file_at_once_share_it(path: Path) -> None:
    started = [subprocess.Popen([sys.executable, "-c", OPENING, str(path)], text=True, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(6)]
    for process in started:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in started:                # no process has opened the file yet
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=PATIENCE_S) for process in started]
    assert sorted(out for out, _ in said) == [f"[{number}]\n" for number in range(1, 7)]
    assert [error for _, error in said] == [""] * 6


def test_a_file_just_created_by_another_process_is_accepted(
        path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = opening._schema

    def look_and_be_overtaken(found: sqlite3.Connection) -> int | None:
        version = look(found)
        monkeypatch.setattr(opening, "_schema", look)
        open_store(f"sqlite:///{path}").close()
        return version

    monkeypatch.setattr(opening, "_schema", look_and_be_overtaken)
    with open_store(f"sqlite:///{path}") as opened:
        assert opened.submit([new_run()]) == [1]


def test_threads_that_open_a_new_file_at_once_share_it(path: Path) -> None:
    start = threading.Barrier(8)

    def work() -> int:
        start.wait(PATIENCE_S)
        with open_store(f"sqlite:///{path}") as opened:
            return opened.submit([new_run()])[0]

    assert sorted(call.result() for call in [Calling(work) for _ in range(8)]) == list(range(1, 9))


# -- other writers -----------------------------------------------------------------------------------------


def test_reading_does_not_wait_for_a_writer(store: Store, writer: sqlite3.Connection) -> None:
    assert list(store.find(RunFilter())) == []
    assert store.claim("p", OWNER, "token") is None        # the queue is empty: no lock is taken


def test_a_write_waits_until_another_program_has_written(
        store: Store, writer: sqlite3.Connection, begun: threading.Event) -> None:
    call = Calling(lambda: store.submit([new_run()]))
    assert begun.wait(PATIENCE_S) and call.waits()
    writer.execute("COMMIT")
    assert call.result() == [1]


def test_the_wait_for_a_lock_ends_with_the_file_s_name(
        store: Store, path: Path, writer: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PATIENCE_S", 0.05)
    with pytest.raises(StoreUnavailable, match="another process has been writing to it") as caught:
        store.submit([new_run()])
    assert str(caught.value).startswith(f"{path}: ")
    writer.execute("COMMIT")
    assert store.submit([new_run()]) == [1]


def test_closing_a_store_ends_the_wait_for_a_lock(
        store: Store, path: Path, writer: sqlite3.Connection, begun: threading.Event) -> None:
    call = Calling(lambda: store.submit([new_run()]))
    assert begun.wait(PATIENCE_S)
    store.close()
    with pytest.raises(StoreError, match=r"runs\.db: this store has been closed"):
        call.result()


def test_closing_a_store_ends_wait_for_change(store: Store) -> None:
    listening = threading.Event()

    def listen() -> bool:
        listening.set()
        return store.wait_for_change("p", PATIENCE_S * 10)

    call = Calling(listen)
    assert listening.wait(PATIENCE_S)
    store.close()
    with pytest.raises(StoreError, match="has been closed"):
        call.result()


def test_a_closed_store_refuses_every_call(store: Store) -> None:
    store.close()
    store.close()
    for verb in (lambda: store.get(1), lambda: store.submit([new_run()]), lambda: store.info()):
        with pytest.raises(StoreError, match="this store has been closed"):
            verb()


# -- steps -------------------------------------------------------------------------------------------------


def test_a_moved_file_is_unavailable_until_it_is_back(store: Store, path: Path) -> None:
    first = store.submit([new_run()])
    away = path.rename(path.with_name("elsewhere.db"))
    with pytest.raises(StoreUnavailable, match="deleted, moved or replaced"):
        store.submit([new_run()])
    path.touch()
    with pytest.raises(StoreUnavailable, match="deleted, moved or replaced"):
        store.count(RunFilter())
    away.rename(path)
    second = store.submit([new_run()])
    assert [store.get(run).id for run in first + second] == [1, 2]


def test_an_interrupted_write_leaves_nothing_and_no_lock(
        store: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.submit([new_run()])
    with monkeypatch.context() as patch:
        patch.setattr("hyperspace_core.stores.sqlite.edits.ring", interrupt)
        store.cancel(1)
        with pytest.raises(KeyboardInterrupt):
            store.requeue(1)
    with open_store(f"sqlite:///{path}") as other:
        assert other.get(1).state is State.CANCELLED
        assert other.requeue(1) is State.QUEUED
    assert store.cancel(1) is State.CANCELLED


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_value_that_is_not_storable_changes_nothing(store: Store) -> None:
    store.submit([new_run()])
    for bad in ({"note": "\ud800"}, {"priority": 2**63}, {"add_tags": ["\udfff"]}):
        with pytest.raises(ValueNotStorable):
            store.annotate(1, **{"add_tags": ["x"], "note": "x"} | bad)
    assert (store.get(1).note, store.get(1).tags, store.get(1).priority) == ("", (), 0)


# -- forks -------------------------------------------------------------------------------------------------

FORKED = """
import os, sys
from hyperspace_core.errors import StoreError
from hyperspace_core.records.run import NewRun
from hyperspace_core.stores.sqlite import open_store

store = open_store(f"sqlite:///{sys.argv[1]}")
store.submit([NewRun(uid="u", project="p", task="t", submitted={})])
child = os.fork()
if not child:
    try:
        store.get(1)
    except StoreError as error:
        print(error, flush=True)
    store.close()
    with open_store(f"sqlite:///{sys.argv[1]}") as own:
        own.submit([NewRun(uid="v", project="p", task="t", submitted={})])
    sys.exit(0)
print(os.waitpid(child, 0)[1], store.get(2).uid, store.check())
store.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no forks there")
def test_a_store_is_unusable_after_a_fork_and_undamaged(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FORKED, str(path)], capture_output=True, text=True)
    assert done.stderr == ""
    refused, parent = done.stdout.splitlines()
    assert refused.startswith(f"{path}: this store was opened by process ")
    assert refused.endswith("cannot be used after a fork; open it again in this process")
    assert parent == "0 v ()"


# -- a disk that fails -------------------------------------------------------------------------------------

FAILING = """
import sys
from hyperspace_core.errors import StoreError
from hyperspace_core.records.run import NewRun
from hyperspace_core.stores.sqlite import open_store

kept, refused = [], []
with open_store(f"sqlite:///{sys.argv[1]}") as store:
    for number in range(20):
        try:
            store.submit([NewRun(uid=str(number), project="p", task="t", submitted={})])
            kept.append(str(number))
        except StoreError as error:
            refused.append(str(error))
print(refused)
with open_store(f"sqlite:///{sys.argv[1]}") as store:
    from hyperspace_core.records.filter import RunFilter
    found = [record.uid for record in store.find(RunFilter(), order="oldest")]
    print(found == kept, len(kept), store.check())
"""


def test_a_disk_error_is_reported_and_no_committed_run_is_lost(path: Path) -> None:
    open_store(f"sqlite:///{path}").close()
    if shutil.which("strace") is None:
        pytest.skip("needs strace, which makes the disk fail")
    failing = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync",
               "-e", "inject=fdatasync:error=EIO:when=9"]
    done = subprocess.run([*failing, sys.executable, "-c", FAILING, str(path)], capture_output=True,
                          text=True)
    if done.returncode and "ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    refused, rest = done.stdout.splitlines()
    assert refused.startswith(f"['{path}: the disk reports an error (SQLITE_IOERR_FSYNC)")
    assert refused.count("the disk reports an error") == 1
    assert rest == "True 19 ()"
