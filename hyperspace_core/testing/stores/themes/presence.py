"""Register, update and unregister workers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hyperspace_core.records.run import WorkerInfo
from hyperspace_core.storage import Store
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import PROJECT, owner


def worker(name: str = "first", beat: int = 1, project: str = PROJECT) -> WorkerInfo:
    return WorkerInfo(owner=owner(name), project=project, tasks=("a", "ü.b"), state="busy", slots=3,
                      running=(1, 2), refused=(7,), started_at=datetime(2026, 1, 2, 3, 4, 5, 678000, UTC),
                      beat=beat)


class Presence(StoreTests):
    def test_a_worker_is_read_back_as_it_presents_itself(self, store: Store, other: Store) -> None:
        store.present(worker())

        (found,) = other.workers(PROJECT)
        assert replace(found, seen_at=None) == worker()
        assert found.seen_at is not None and found.seen_at.utcoffset() is not None

    def test_a_later_registration_replaces_the_earlier_one(self, store: Store) -> None:
        store.present(worker())
        later = replace(worker(beat=2), state="idle", running=(), refused=(), tasks=("a",), slots=1)
        store.present(later)

        assert [replace(found, seen_at=None) for found in store.workers(PROJECT)] == [later]

    def test_the_beat_of_a_worker_grows(self, store: Store) -> None:
        seen = []
        for beat in (1, 2, 3):
            store.present(worker(beat=beat))
            seen.append(store.workers(PROJECT)[0].beat)

        assert seen == [1, 2, 3]

    def test_several_workers_are_listed(self, store: Store) -> None:
        for name in ("b", "a", "c"):
            store.present(worker(name))
        store.present(worker("d", project="elsewhere"))

        assert {found.owner.worker for found in store.workers(PROJECT)} == {"a", "b", "c"}
        assert [found.owner.worker for found in store.workers("elsewhere")] == ["d"]
        assert store.workers("nowhere") == []

    def test_an_unregistered_worker_is_gone(self, store: Store) -> None:
        store.present(worker("a"))
        store.present(worker("b"))
        for _ in range(2):
            store.absent("a")

        assert [found.owner.worker for found in store.workers(PROJECT)] == ["b"]

    def test_an_unknown_worker_may_be_unregistered(self, store: Store) -> None:
        store.absent("unknown")

        assert store.workers(PROJECT) == []

    def test_a_worker_may_register_again(self, store: Store) -> None:
        store.present(worker(beat=5))
        store.absent("first")
        store.present(worker(beat=1))

        assert [found.beat for found in store.workers(PROJECT)] == [1]
