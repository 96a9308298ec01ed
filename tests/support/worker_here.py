from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from hyperspace_core.execution.identity import this_process
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.records.run import Claim, NewRun, Owner
from hyperspace_core.storage import Store, new_token
from hyperspace_core.worker.events import WorkerReport
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker
from pytest_hyperspace.project import ProjectFolder
from support.behaving import FILES, PATIENCE_S, PROJECT, WorkerProcess, opened_for_tests, worker_processes
from support.faults import Door

E = TypeVar("E")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with opened_for_tests(url) as opened:
        yield opened


@pytest.fixture
def door(store: Store) -> Door:
    return Door(store)


@pytest.fixture
def owner() -> Owner:
    return this_process("me")


@pytest.fixture
def claim_one(store: Store, owner: Owner) -> Callable[[], Claim]:
    """Submit a run and claim it."""

    def one() -> Claim:
        run = store.submit([NewRun(uid=new_token(), project=PROJECT, task="t", submitted={})])[0]
        claim = store.claim(PROJECT, owner, new_token(), only=[run])
        assert claim is not None
        return claim

    return one


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name=PROJECT)


class WorkerHere:
    """A worker in a thread of this process; its runs are child processes."""

    def __init__(self, store: Store, options: dict[str, Any]) -> None:
        self.events: list[Any] = []
        self._heard: queue.Queue[tuple[Any, float]] = queue.Queue()
        self.worker = Worker(store, PROJECT, build_manager(), WorkerOptions(**options), on_event=self._hear)
        self._result: list[WorkerReport | BaseException] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _hear(self, event: Any) -> None:
        self.events.append(event)
        self._heard.put((event, time.monotonic()))

    def _run(self) -> None:
        try:
            self._result.append(self.worker.run())
        except BaseException as error:
            self._result.append(error)

    def wait_for(self, kind: type[E], **values: Any) -> tuple[E, float]:
        """The next event of this kind with these values, and its time."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                event, at = self._heard.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind.__name__} {values}; heard {self.events}") from None
            if isinstance(event, kind) and all(getattr(event, key) == value for key, value in values.items()):
                return event, at

    def stop(self, level: int | None = None) -> None:
        self.worker.stop(level)

    def join(self) -> WorkerReport:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), f"the worker goes on; heard {self.events}"
        (result,) = self._result
        if isinstance(result, BaseException):
            raise result
        return result


@pytest.fixture
def here(store: Store, project: ProjectFolder) -> Iterator[Callable[..., WorkerHere]]:
    started: list[WorkerHere] = []

    def one(*, store: Store = store, **options: Any) -> WorkerHere:
        started.append(WorkerHere(store, options))
        return started[-1]

    yield one
    for worker in started:
        worker.stop(3)
        worker._thread.join(PATIENCE_S)


@pytest.fixture
def start(url: str, store: Store, project: ProjectFolder) -> Iterator[Callable[..., WorkerProcess]]:
    with worker_processes(url, project.env()) as start:
        yield start
