"""The outbox: delivery in order and exactly once, despite store errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from hyperspace_core.errors import StoreError, StoreUnavailable
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.logged import ArtifactStaged, InfoSet, Points
from hyperspace_core.records.run import Claim, Finish, Lease, OutputChunk, Owner, Update
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.run import Section
from hyperspace_core.storage import Store, new_token
from hyperspace_core.worker.outbox import Outbox, Remark, Sender, Settled, Settlement, StoreFailed
from hyperspace_core.worker.outcome import LateOutcome, Release
from support.faults import Door

E = TypeVar("E")
PROJECT = "behaving"
DONE = Finish(outcome=Outcome.COMPLETED, result=0.5, metrics={"accuracy": 0.5})


class Scene:
    """One claimed run with a full outbox."""

    def __init__(self, claim: Claim, owner: Owner, tmp_path: Path) -> None:
        self.lease = claim.lease
        self.staged = tmp_path / "staged"
        self.staged.write_bytes(b"model")
        self.outbox = Outbox(claim.lease, owner)

    def events(self, kind: type[E]) -> list[E]:
        """The events of this kind so far; the others are dropped."""
        found = []
        while not self.outbox.events.empty():
            event = self.outbox.events.get()
            if isinstance(event, kind):
                found.append(event)
        return found

    @property
    def remarks(self) -> list[str]:
        return [event.text for event in self.events(Remark)]

    def fill(self) -> None:
        self.outbox.put(Section("git", {"commit": "abc"}))
        self.outbox.put(Section("python", {"version": "3"}))
        self.outbox.put(InfoSet("lr", 0.1))
        self.outbox.put(ArtifactStaged("model.bin", str(self.staged)))
        self.outbox.put(Points([(seq, "loss", seq, 1.0 / (seq + 1), 0.0) for seq in range(12_000)]))
        self.outbox.output([OutputChunk(seq=0, text="hello\n", at=0.0)])
        self.outbox.fill(Update(config={"a": 1}, seed=7))

    def deliver_until_settled(self, door: Door) -> int:
        for tries in range(100):
            try:
                self.outbox.deliver(door.port)
            except StoreError:
                continue
            if self.outbox.settled.is_set():
                return tries
        raise AssertionError("never settled")


@pytest.fixture
def scene(claim_one: Callable[[], Claim], owner: Owner, tmp_path: Path) -> Scene:
    return Scene(claim_one(), owner, tmp_path)


def assert_all_there(store: Store, lease: Lease) -> None:
    record = store.get(lease.run)
    assert record.info == {"lr": 0.1}
    assert (record.config, record.seed) == ({"a": 1}, 7)
    attempt = record.attempts[lease.attempt - 1]
    assert attempt.provenance == {"git": {"commit": "abc"}, "python": {"version": "3"}}
    assert [point.seq for point in store.points(lease.run, attempt=lease.attempt)] == list(range(12_000))
    assert [chunk.text for chunk in store.output(lease.run, attempt=lease.attempt)] == ["hello\n"]
    assert [artifact.name for artifact in store.artifacts(lease.run, attempt=lease.attempt)] == ["model.bin"]


def test_a_whole_run_costs_the_store_three_writes(scene: Scene, door: Door) -> None:
    scene.outbox.put(Section("git", {"commit": "abc"}))
    scene.outbox.put(InfoSet("lr", 0.1))
    scene.outbox.put(Points([(0, "loss", 0, 1.0, 0.0)]))
    scene.outbox.output([OutputChunk(seq=0, text="hello\n", at=0.0)])
    scene.outbox.end(DONE)
    scene.outbox.deliver(door.port)
    assert door.calls == ["update", "append", "finish"]
    assert scene.outbox.settlement is Settlement.STORED
    assert scene.events(Settled) == [Settled(settlement=Settlement.STORED)]
    assert door.store.get(scene.lease.run).state is State.COMPLETED


def test_everything_in_the_outbox_is_delivered(scene: Scene, door: Door) -> None:
    scene.fill()
    scene.outbox.end(DONE)
    scene.outbox.deliver(door.port)
    assert_all_there(door.store, scene.lease)
    assert not scene.staged.exists()


@pytest.mark.parametrize("verb", ["update", "put_artifact", "append", "finish"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_outage_at_any_step_loses_and_doubles_nothing(scene: Scene, door: Door, verb: str,
                                                         when: str) -> None:
    getattr(door, when)[verb] = [StoreUnavailable("away"), StoreUnavailable("still away")]
    scene.fill()
    scene.outbox.end(DONE)
    assert scene.deliver_until_settled(door) == 2
    assert_all_there(door.store, scene.lease)
    assert door.store.get(scene.lease.run).result == 0.5
    assert door.calls[-1] == "finish"


def test_a_disk_that_is_full_does_not_cost_a_result(scene: Scene, door: Door) -> None:
    door.before["finish"] = [StoreError("database or disk is full")] * 5
    scene.fill()
    scene.outbox.end(DONE)
    assert scene.deliver_until_settled(door) == 5
    assert door.store.get(scene.lease.run).state is State.COMPLETED


def test_data_logged_during_a_delivery_precede_the_end(scene: Scene, door: Door) -> None:
    scene.outbox.put(Points([(0, "loss", 0, 1.0, 0.0)]))
    scene.outbox.end(DONE)
    append = door.store.append

    class Slow(Door):
        def append(self, *args: object, **named: object) -> None:
            append(*args, **named)         # type: ignore[arg-type]
            if self.calls.count("append") < 1:
                self.calls.append("append")
                scene.outbox.put(Section("late", {"x": 1}))

    slow = Slow(door.store)
    scene.outbox.deliver(slow.port)
    assert not scene.outbox.settled.is_set()
    assert scene.outbox.wait_until_due(lambda: 0.0)
    scene.outbox.deliver(slow.port)
    assert slow.calls == ["append", "update", "finish"]


def test_a_run_taken_over_elsewhere_gets_only_a_note(
        scene: Scene, door: Door, store: Store) -> None:
    store.reap(store.held(PROJECT)[0])
    other = store.claim(PROJECT, Owner(worker="other", host="h"), new_token())
    assert other is not None
    scene.fill()
    scene.outbox.end(DONE)
    scene.outbox.deliver(door.port)
    assert scene.outbox.settlement is Settlement.LATE
    record = store.get(scene.lease.run)
    assert (record.state, record.result, record.config) == (State.RUNNING, None, None)
    late = record.attempts[0].late
    assert late is not None
    assert (late.outcome, late.result) == (Outcome.COMPLETED, 0.5)
    assert len(list(store.points(scene.lease.run, attempt=1))) == 12_000
    assert list(store.points(scene.lease.run)) == []


def test_a_reaped_run_that_is_still_queued_is_finished(
        scene: Scene, door: Door, store: Store) -> None:
    store.reap(store.held(PROJECT)[0])
    scene.fill()
    scene.outbox.end(DONE)
    scene.outbox.deliver(door.port)
    assert scene.outbox.settlement is Settlement.STORED
    assert_all_there(store, scene.lease)
    record = store.get(scene.lease.run)
    assert (record.state, record.result, record.losses) == (State.COMPLETED, 0.5, 0)


def test_a_released_run_is_queued_again(scene: Scene, door: Door, store: Store) -> None:
    scene.fill()
    scene.outbox.end(Release(reason="its worker was stopped"))
    scene.outbox.deliver(door.port)
    assert scene.outbox.settlement is Settlement.RELEASED
    record = store.get(scene.lease.run)
    assert (record.state, record.attempts[0].outcome) == (State.QUEUED, Outcome.RELEASED)
    assert record.attempts[0].reason == "its worker was stopped"


def test_a_late_outcome_changes_no_state(scene: Scene, door: Door, store: Store) -> None:
    scene.outbox.end(LateOutcome(finish=DONE))
    scene.outbox.deliver(door.port)
    record = store.get(scene.lease.run)
    assert (record.state, record.result) == (State.RUNNING, None)
    assert record.attempts[0].late is not None


def test_an_unstorable_value_is_named_and_the_rest_is_kept(scene: Scene, door: Door,
                                                                   store: Store) -> None:
    scene.outbox.put(Section("git", {"commit": "abc"}))
    scene.outbox.put(Section("odd", {"thing": object()}))
    scene.outbox.put(InfoSet("good", 1))
    scene.outbox.put(InfoSet("bad", {1, 2}))
    scene.outbox.end(DONE)
    scene.outbox.deliver(door.port)
    record = store.get(scene.lease.run)
    assert record.state is State.COMPLETED
    assert record.attempts[0].provenance == {"git": {"commit": "abc"}}
    assert record.info["good"] == 1
    assert record.info["bad"].startswith("left out: ")
    remark, = scene.remarks
    assert "odd" in remark


def test_an_unstorable_result_fails_the_run_with_a_reason(scene: Scene, door: Door,
                                                                     store: Store) -> None:
    scene.outbox.end(Finish(outcome=Outcome.COMPLETED, result=1.0, metrics={"x": object()}))
    scene.outbox.deliver(door.port)
    record = store.get(scene.lease.run)
    assert record.state is State.FAILED
    assert record.reason is not None
    assert record.reason.startswith("the result could not be stored: ")


def test_an_artifact_whose_file_is_gone_costs_nothing_else(scene: Scene, door: Door, store: Store) -> None:
    scene.staged.unlink()
    scene.fill()
    scene.outbox.end(DONE)
    scene.outbox.deliver(door.port)
    assert store.get(scene.lease.run).state is State.COMPLETED
    assert scene.remarks[0].startswith("artifact 'model.bin' could not be kept: ")


def test_a_run_that_was_deleted_meanwhile_settles_as_gone(scene: Scene, door: Door, store: Store) -> None:
    store.reap(store.held(PROJECT)[0])
    store.delete([scene.lease.run])
    scene.fill()
    scene.outbox.end(DONE)
    scene.outbox.deliver(door.port)
    assert scene.outbox.settlement is Settlement.GONE


class Carried:
    """A running sender."""

    def __init__(self, door: Door) -> None:
        self.sender = Sender(door.port, "test")
        self.sender.start()

    def end(self) -> None:
        self.sender.close()
        self.sender.join(5)
        assert not self.sender.is_alive()


def test_a_sender_gathers_data_and_delivers_the_end_at_once(scene: Scene, door: Door) -> None:
    carried = Carried(door)
    carried.sender.carry(scene.outbox)
    for seq in range(100):
        scene.outbox.put(Points([(seq, "loss", None, 0.0, 0.0)]))
    scene.outbox.end(DONE)
    assert scene.outbox.settled.wait(5)
    carried.end()
    assert door.calls == ["append", "finish"]


def test_a_sender_waits_for_a_lost_store_and_resumes(scene: Scene, door: Door) -> None:
    door.shut_it()
    carried = Carried(door)
    carried.sender.carry(scene.outbox)
    scene.fill()
    scene.outbox.end(DONE)
    assert not scene.outbox.settled.wait(0.3)
    said = [scene.outbox.events.get() for _ in range(scene.outbox.events.qsize())]
    assert said and all(isinstance(event, StoreFailed) for event in said)
    door.open_it()
    carried.sender.hurry()
    assert scene.outbox.settled.wait(5)
    carried.end()
    assert_all_there(door.store, scene.lease)


def test_a_sender_reports_a_store_error_once_and_retries(scene: Scene, door: Door) -> None:
    door.before["finish"] = [StoreError("disk full")] * 3
    carried = Carried(door)
    carried.sender.carry(scene.outbox)
    scene.outbox.end(DONE)
    assert scene.outbox.settled.wait(5)
    carried.end()
    remark, = scene.remarks
    assert "disk full" in remark
    assert door.store.get(scene.lease.run).state is State.COMPLETED


def test_a_sender_delivers_one_outbox_after_the_other(
        claim_one: Callable[[], Claim], owner: Owner, door: Door, tmp_path: Path) -> None:
    carried = Carried(door)
    for _ in range(3):
        scene = Scene(claim_one(), owner, tmp_path)
        carried.sender.carry(scene.outbox)
        scene.outbox.end(DONE)
        assert scene.outbox.settled.wait(5)
    carried.end()
    assert door.store.count(RunFilter(project=PROJECT)) == {State.COMPLETED: 3}


def test_a_closed_sender_still_delivers_its_outbox(scene: Scene, door: Door) -> None:
    carried = Carried(door)
    carried.sender.carry(scene.outbox)
    carried.sender.close()
    scene.fill()
    scene.outbox.end(DONE)
    assert scene.outbox.settled.wait(5)
    assert_all_there(door.store, scene.lease)
