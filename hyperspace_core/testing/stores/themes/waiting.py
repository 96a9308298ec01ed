"""`wait_for_change`: idle workers notice work in time and wake for nothing else."""

from __future__ import annotations

import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from hyperspace_core.records.run import Finish, Held, Lease
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.crowd import Crowd
from hyperspace_core.testing.stores.desk import PATIENCE_S, PROJECT, Desk, new_run
from hyperspace_core.testing.stores.others import submit_on_request

ROUNDS = 5


def has_looked(store: Store) -> None:
    """Wait until this thread has seen all changes so far."""
    for _ in range(20):
        if not store.wait_for_change(PROJECT, 0.05):
            return
    raise AssertionError("wait_for_change reports a change although nothing has changed")


def lost(desk: Desk) -> Held:
    return desk.held(desk.start().run)


def paused_project(desk: Desk) -> None:
    desk.submit()
    desk.store.change_settings(PROJECT, paused=True)


# the preparation, and the change that makes a run claimable
NEWS: dict[str, tuple[Callable[[Desk], Any], Callable[[Store, Any], Any]]] = {
    "submit": (lambda desk: None, lambda store, _: store.submit([new_run()])),
    "release": (lambda desk: desk.start(), lambda store, lease: store.release(lease)),
    "retry": (lambda desk: desk.start(max_failures=1),
              lambda store, lease: store.finish(lease, Finish(outcome=Outcome.FAILED))),
    "reap": (lost, lambda store, seen: store.reap(seen)),
    "resume": (lambda desk: desk.in_state(State.PAUSED), lambda store, run: store.resume(run)),
    "requeue": (lambda desk: desk.in_state(State.COMPLETED), lambda store, run: store.requeue(run)),
    "the project is resumed": (paused_project, lambda store, _: store.change_settings(PROJECT, paused=False)),
}


class Waiting(StoreTests):
    def test_a_wait_without_a_change_times_out(self, store: Store) -> None:
        has_looked(store)
        began = time.monotonic()

        assert not store.wait_for_change(PROJECT, 0.1)
        assert time.monotonic() - began > 0.05

    @pytest.mark.parametrize("news", NEWS)
    def test_a_claimable_run_is_noticed(self, desk: Desk, other: Store, news: str) -> None:
        prepare, act = NEWS[news]
        subject = prepare(desk)
        has_looked(desk.store)

        act(other, subject)

        assert desk.store.wait_for_change(PROJECT, PATIENCE_S)
        assert desk.claim() is not None

    def test_a_change_by_the_same_store_is_noticed(self, desk: Desk) -> None:
        has_looked(desk.store)
        desk.submit()

        assert desk.store.wait_for_change(PROJECT, PATIENCE_S)

    def test_a_change_is_reported_once(self, desk: Desk) -> None:
        has_looked(desk.store)
        desk.submit_many(3)
        desk.store.wait_for_change(PROJECT, PATIENCE_S)

        has_looked(desk.store)         # ends although the runs are still queued

    def test_each_thread_notices_a_change(self, desk: Desk, other: Store) -> None:
        looked = threading.Barrier(4)
        answers: list[bool] = []

        def wait() -> None:
            has_looked(desk.store)
            looked.wait(PATIENCE_S)
            answers.append(desk.store.wait_for_change(PROJECT, PATIENCE_S))

        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        looked.wait(PATIENCE_S)
        other.submit([new_run()])
        for thread in threads:
            thread.join(2 * PATIENCE_S)

        assert answers == [True, True, True]

    def test_a_submission_by_another_process_is_noticed_in_time(
            self, store: Store, crowd: Callable[..., Crowd]) -> None:
        go = multiprocessing.get_context("spawn").Semaphore(0)
        others = crowd(submit_on_request, [(go, ROUNDS)])
        noticed = []
        for _ in range(ROUNDS):
            has_looked(store)
            go.release()
            assert store.wait_for_change(PROJECT, PATIENCE_S)
            noticed.append(time.monotonic())

        others.answers()
        delays = [after - stored for stored, after in zip(others.members[0].reports, noticed, strict=True)]
        assert statistics.median(delays) <= 10 * self.wait_s, delays

    def test_beats_of_running_runs_do_not_wake_idle_workers(self, desk: Desk, other: Store) -> None:
        leases = [desk.start() for _ in range(2)]
        beats, stop = self.beating(other, leases)
        try:
            assert any(self.slept_through(desk.store, beats) for _ in range(20))
        finally:
            stop()

    def slept_through(self, store: Store, beats: list[int]) -> bool:
        """Whether a wait ended without a change although a run sent heartbeats meanwhile."""
        before = len(beats)
        return not store.wait_for_change(PROJECT, 0.2) and len(beats) > before

    def beating(self, store: Store, leases: list[Lease]) -> tuple[list[int], Callable[[], None]]:
        """Send heartbeats from a thread; the number sent, and a function that ends it."""
        beats: list[int] = []
        over = threading.Event()

        def beat() -> None:
            while not over.wait(0.01):
                for lease in leases:
                    store.beat(lease)
                    beats.append(lease.run)

        thread = threading.Thread(target=beat)
        thread.start()

        def stop() -> None:
            over.set()
            thread.join(PATIENCE_S)

        return beats, stop
