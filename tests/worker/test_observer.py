"""The observer expires beats by its own clock, and forgets them in doubt."""

from __future__ import annotations

from dataclasses import replace

from hyperspace_core.records.run import Held, Owner
from hyperspace_core.worker.heartbeat import Observer, dead_here
from pytest_hyperspace.project import FakeClock

OWNER = Owner(worker="w", host="h")
ROW = Held(run=1, attempt=1, token="t", beat=1, owner=OWNER)
TTL = 6.0


def ticks(observer: Observer, clock: FakeClock, count: int, rows: list[Held],
          step: float = 1.0) -> list[Held]:
    found: list[Held] = []
    for _ in range(count):
        found = observer.expired(rows)
        clock.advance(step)
    return found


def test_an_unchanged_beat_expires_after_exactly_a_ttl() -> None:
    clock = FakeClock()
    observer = Observer(clock, TTL)
    assert ticks(observer, clock, 6, [ROW]) == []              # seen at 0, 1, ... 5
    assert observer.expired([ROW]) == [ROW]                    # at 6


def test_one_beat_within_the_ttl_keeps_a_run() -> None:
    clock = FakeClock()
    observer = Observer(clock, TTL)
    for beat in range(1, 40):
        row = replace(ROW, beat=beat)
        assert ticks(observer, clock, 6, [row]) == []


def test_a_new_attempt_or_token_is_a_new_lease() -> None:
    clock = FakeClock()
    observer = Observer(clock, TTL)
    ticks(observer, clock, 6, [ROW])
    assert observer.expired([replace(ROW, attempt=2)]) == []
    assert observer.expired([replace(ROW, token="other")]) == []


def test_an_observer_forgets_after_over_half_a_ttl() -> None:
    clock = FakeClock()
    observer = Observer(clock, TTL)
    ticks(observer, clock, 5, [ROW])
    clock.advance(TTL * 3)                                     # SIGSTOP, a suspended laptop
    assert observer.expired([ROW]) == []
    clock.advance(1.0)
    assert ticks(observer, clock, 5, [ROW]) == []
    assert observer.expired([ROW]) == [ROW]                    # after a whole TTL of new checks


def test_a_gap_of_exactly_half_a_ttl_is_not_forgotten() -> None:
    clock = FakeClock()
    observer = Observer(clock, TTL)
    ticks(observer, clock, 2, [ROW], step=TTL / 2)
    assert observer.expired([ROW]) == [ROW]


def test_an_observer_forgets_after_a_store_failure() -> None:
    clock = FakeClock()
    observer = Observer(clock, TTL)
    ticks(observer, clock, 6, [ROW])
    observer.forget()
    assert observer.expired([ROW]) == []


def test_a_run_that_was_not_held_for_a_moment_starts_anew() -> None:
    clock = FakeClock()
    observer = Observer(clock, TTL)
    ticks(observer, clock, 5, [ROW])
    ticks(observer, clock, 1, [])
    assert ticks(observer, clock, 3, [ROW]) == []


def test_only_unchanged_beats_expire() -> None:
    clock = FakeClock()
    observer = Observer(clock, TTL)
    still = replace(ROW, run=2)
    for beat in range(7):
        found = observer.expired([replace(ROW, beat=beat), still])
        clock.advance(1.0)
    assert found == [still]


def test_only_runs_of_proven_dead_owners_are_returned() -> None:
    asked: list[str] = []

    def proven_dead(owner: Owner) -> bool:
        asked.append(owner.worker)
        return owner.worker == "dead"

    dead = replace(ROW, owner=replace(OWNER, worker="dead"))
    rows = [ROW, dead, replace(dead, run=2), replace(ROW, run=3)]
    assert dead_here(rows, proven_dead) == [dead, replace(dead, run=2)]
    assert sorted(asked) == ["dead", "w"]
