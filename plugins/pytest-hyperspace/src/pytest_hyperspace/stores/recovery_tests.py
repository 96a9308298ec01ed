"""Dead owners (T8), owners that return (T12, T13), and repeated verbs (I8)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import Refused
from hyperspace_core.plugin import states as states_
from hyperspace_core.records import (
    Command,
    Finish,
    Held,
    Lease,
    Migration,
    NewSearch,
    Outcome,
    OutputChunk,
    Point,
    Progress,
    Rewrite,
    RunFilter,
    Snapshot,
    State,
    Update,
)
from hyperspace_core.storage import Maintenance, Migrations, Store, new_token
from pytest_hyperspace.stores.base import StoreTests, for_stores_with, same
from pytest_hyperspace.stores.harness import (
    CANCELLED,
    COMMANDS,
    COMPLETED,
    FAILED,
    PROJECT,
    Harness,
    new_run,
    owner,
)
from pytest_hyperspace.stores.lease_tests import worker


class ReapTests(StoreTests):
    def test_observers_see_every_running_run_of_their_project(self, harness: Harness) -> None:
        leases = [harness.start() for _ in range(3)]
        harness.submit()
        Harness(harness.store, "elsewhere").start()
        harness.store.finish(leases.pop(), COMPLETED)

        held = {row.run: row for row in harness.store.held(PROJECT)}

        assert set(held) == {lease.run for lease in leases}
        for lease in leases:
            row = held[lease.run]
            assert (row.attempt, row.token, row.owner) == (lease.attempt, lease.token, owner("first"))

    @pytest.mark.parametrize("what", COMMANDS)
    @pytest.mark.parametrize("budget", [1, 2])
    def test_a_lost_run_goes_where_the_table_says(
            self, harness: Harness, what: Command | None, budget: int) -> None:
        lease = harness.start(max_losses=budget)
        harness.ask(lease.run, what)

        state = harness.store.reap(harness.held(lease.run), "no beat for 30 s")

        record, attempt = harness.get(lease.run), harness.last(lease.run)
        assert state is record.state is states_.after_reap(what, 1, budget)
        assert (attempt.outcome, attempt.reason) == (Outcome.LOST, "no beat for 30 s")
        assert attempt.ended_at is not None
        assert (record.losses, record.failures, record.command) == (1, 0, None)
        assert (record.finished_at is not None) == (record.state in states_.TERMINAL)
        assert harness.store.held(PROJECT) == []

    def test_a_run_that_kills_its_workers_is_given_up(self, harness: Harness) -> None:
        run = harness.submit()
        states = []
        for number in range(3):
            harness.take(run, f"worker {number}")
            states.append(harness.lose(run))

        assert states == [State.QUEUED, State.QUEUED, State.FAILED]
        record = harness.get(run)
        assert record.losses == 3 and "worker lost 3 times" in (record.reason or "")
        assert [attempt.outcome for attempt in record.attempts] == [Outcome.LOST] * 3
        assert harness.claim() is None

    def test_losses_and_failures_are_counted_apart(self, harness: Harness) -> None:
        run = harness.submit(max_losses=2, max_failures=1)
        harness.take(run)
        harness.lose(run)
        harness.store.finish(harness.take(run).lease, FAILED)

        record = harness.get(run)
        assert (record.state, record.losses, record.failures) == (State.QUEUED, 1, 1)

    def test_a_beat_in_between_prevents_the_reap(self, harness: Harness) -> None:
        lease = harness.start()
        seen = harness.held(lease.run)
        harness.store.beat(lease)
        before = harness.picture(lease.run)

        assert harness.store.reap(seen) is None
        assert harness.picture(lease.run) == before

    @pytest.mark.parametrize("stale", ["beat", "attempt", "token"])
    def test_an_outdated_observation_does_not_reap(self, harness: Harness, stale: str) -> None:
        seen = harness.held(harness.start().run)
        wrong: dict[str, Held] = {"beat": replace(seen, beat=seen.beat + 1),
                                  "attempt": replace(seen, attempt=seen.attempt + 1),
                                  "token": replace(seen, token="0" * 32)}

        assert harness.store.reap(wrong[stale]) is None
        assert harness.held(seen.run) == seen

    def test_an_earlier_attempts_beat_reaps_no_later_one(self, harness: Harness) -> None:
        lease = harness.start()
        seen = harness.held(lease.run)
        harness.store.release(lease)
        later = harness.take(lease.run).lease

        # never reset, or an observer could confuse two attempts
        assert harness.beat(lease.run) > seen.beat
        assert harness.store.reap(seen) is None
        assert harness.store.beat(later).held

    @pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
    def test_only_a_running_run_is_reaped(self, harness: Harness, state: State) -> None:
        lease = harness.start(max_losses=5)
        seen = harness.held(lease.run)
        harness.lose(lease.run)
        harness.bring(lease.run, state)
        before = harness.picture(lease.run)

        assert harness.store.reap(seen, "again") is None
        assert harness.picture(lease.run) == before

    def test_of_two_reapers_one_succeeds_and_the_loss_counts_once(self, harness: Harness,
                                                                  other: Store) -> None:
        for _ in range(10):
            seen = harness.held(harness.start().run)
            start = threading.Barrier(2)
            answers: list[State | None] = []

            def reap(store: Store, seen: Held = seen, start: threading.Barrier = start,
                     answers: list[State | None] = answers) -> None:
                start.wait(30)
                answers.append(store.reap(seen))

            threads = [threading.Thread(target=reap, args=(store,)) for store in (harness.store, other)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)

            assert sorted(answers, key=str) == [None, State.QUEUED]
            assert harness.get(seen.run).losses == 1


# -- T12 and T13: an owner returns ----

ELSEWHERE = owner("first, again")


class ReadoptTests(StoreTests):
    def test_a_readopted_run_counts_no_loss(self, harness: Harness) -> None:
        lease = harness.start()
        beat = harness.beat(lease.run)
        harness.lose(lease.run)

        assert harness.store.readopt(lease, ELSEWHERE)

        record, attempt = harness.get(lease.run), harness.last(lease.run)
        assert (record.state, record.losses, record.finished_at) == (State.RUNNING, 0, None)
        assert (attempt.number, attempt.outcome, attempt.ended_at) == (1, None, None)
        held = harness.held(lease.run)
        assert (held.attempt, held.token, held.owner) == (1, lease.token, ELSEWHERE)
        assert held.beat > beat
        assert harness.store.beat(lease).held and harness.claim() is None
        assert harness.store.finish(lease, COMPLETED)
        assert harness.state(lease.run) is State.COMPLETED

    def test_a_repeated_readopt_succeeds(self, harness: Harness) -> None:
        lease = harness.zombie()
        assert harness.store.readopt(lease, ELSEWHERE)
        before = harness.picture(lease.run)

        assert harness.store.readopt(lease, ELSEWHERE)
        assert harness.picture(lease.run) == before

    def test_an_earlier_beat_does_not_reap_a_readopted_run(self, harness: Harness) -> None:
        lease = harness.start()
        seen = harness.held(lease.run)
        harness.lose(lease.run)
        harness.store.readopt(lease, ELSEWHERE)

        assert harness.store.reap(seen) is None
        assert harness.store.beat(lease).held

    def test_readopt_is_refused_after_another_claim(self, harness: Harness) -> None:
        lease = harness.zombie()
        second = harness.take(lease.run, "second").lease
        assert not harness.store.readopt(lease, ELSEWHERE)

        harness.store.release(second)
        before = harness.picture(lease.run)
        assert not harness.store.readopt(lease, ELSEWHERE)
        assert harness.picture(lease.run) == before

    def test_readopt_needs_the_token(self, harness: Harness) -> None:
        lease = harness.zombie()

        assert not harness.store.readopt(replace(lease, token="0" * 32), ELSEWHERE)
        assert harness.state(lease.run) is State.QUEUED

    @pytest.mark.parametrize("what", [Command.PAUSE, Command.CANCEL])
    def test_a_stopped_run_is_not_readopted(self, harness: Harness, what: Command) -> None:
        lease = harness.start()
        harness.ask(lease.run, what)
        harness.lose(lease.run)
        before = harness.picture(lease.run)

        assert not harness.store.readopt(lease, ELSEWHERE)
        assert harness.picture(lease.run) == before

    def test_a_run_lost_too_often_is_not_readopted(self, harness: Harness) -> None:
        lease = harness.zombie(max_losses=1)

        assert not harness.store.readopt(lease, ELSEWHERE)
        assert harness.state(lease.run) is State.FAILED

    def test_only_a_lost_attempt_is_readopted(self, harness: Harness) -> None:
        released, failed = harness.start(), harness.start(max_failures=1)
        harness.store.release(released)
        harness.store.finish(failed, FAILED)

        for lease in (released, failed):
            assert harness.state(lease.run) is State.QUEUED
            assert not harness.store.readopt(lease, ELSEWHERE)
            assert harness.state(lease.run) is State.QUEUED

    def test_losses_never_fall_below_zero(self, harness: Harness) -> None:
        lease = harness.zombie(max_losses=1)
        harness.store.requeue(lease.run)
        harness.store.readopt(lease, ELSEWHERE)

        assert harness.get(lease.run).losses == 0


class LateOutcomeTests(StoreTests):
    LATE = Finish(outcome=Outcome.COMPLETED, reason="late", result=float("nan"),
                  metrics={"a.b": [1, {"$c": 2}]})

    @pytest.mark.parametrize("state", State)
    def test_a_late_end_is_only_a_note(
            self, harness: Harness, state: State) -> None:
        lease = harness.zombie()
        harness.bring(lease.run, state)
        before = harness.get(lease.run)

        assert harness.store.late(lease, self.LATE)

        record = harness.get(lease.run)
        late = record.attempts[0].late
        assert late is not None and late.at is not None
        assert (late.outcome, late.reason) == (Outcome.COMPLETED, "late")
        assert same(late.result, self.LATE.result) and same(late.metrics, self.LATE.metrics)
        without = replace(record.attempts[0], late=None)
        assert replace(record, attempts=(without, *record.attempts[1:])) == before

    def test_a_repeated_late_end_changes_nothing(self, harness: Harness) -> None:
        lease = harness.zombie()
        harness.store.late(lease, CANCELLED)
        first = harness.get(lease.run).attempts[0].late

        assert harness.store.late(lease, CANCELLED)
        again = harness.get(lease.run).attempts[0].late
        assert first is not None and again is not None
        assert replace(again, at=None) == replace(first, at=None)

    def test_late_needs_an_attempt_with_this_token(self, harness: Harness) -> None:
        lease = harness.zombie()

        assert not harness.store.late(Lease(run=lease.run, attempt=1, token="0" * 32), self.LATE)
        assert not harness.store.late(Lease(run=lease.run, attempt=2, token=lease.token), self.LATE)
        assert harness.get(lease.run).attempts[0].late is None

    def test_a_late_end_belongs_to_its_attempt(self, harness: Harness) -> None:
        first = harness.zombie()
        second = harness.take(first.run).lease
        harness.lose(first.run)
        harness.store.late(second, FAILED)

        notes = [attempt.late for attempt in harness.get(first.run).attempts]
        assert notes[0] is None and notes[1] is not None


# -- I8: repeated verbs ----

Again = Callable[[], Any]
Prepare = Callable[[Harness, Path], Again]
READING = {"info", "check", "get", "find", "count", "ids", "held", "points", "output", "artifacts",
           "open_artifact", "workers", "wait_for_change", "close", "snapshot", "open_content", "migrations",
           "rewritten", "get_search", "searches"}
# the answer is needed for the next verb of an owner or a submitter
SAME_ANSWER = {"submit", "restore", "claim", "beat", "update", "finish", "release", "readopt", "late",
               "put_artifact", "annotate", "amend", "settings", "change_settings",
               "add_search", "propose", "change_search", "restore_search"}
CHANGES_NOTHING = {"beat, fenced", "finish, fenced", "settings", "upgrade", "put_snapshot",
                   "amend, taken away"}


def claim(harness: Harness, **limits: Any) -> Again:
    token = new_token()
    return lambda: harness.store.claim(PROJECT, owner(), token, **limits)


def reap(harness: Harness) -> Again:
    seen = harness.held(harness.start().run)
    return lambda: harness.store.reap(seen, "gone")


def submit_here(harness: Harness) -> Again:
    new, token = new_run(), new_token()
    return lambda: harness.store.submit([new], owner=owner(), tokens=[token])


def artifact(harness: Harness, path: Path) -> Again:
    run = harness.start().run
    return lambda: harness.store.put_artifact(run, 1, "file", path)


def garbage(harness: Harness, path: Path) -> Again:
    again = artifact(harness, path)
    again()
    path.write_text("other")
    again()
    return lambda: harness.maintenance.collect_garbage(dry_run=False)


def deletion(harness: Harness) -> Again:
    runs = harness.submit_many(2)
    return lambda: harness.store.delete(runs)


def restoration(harness: Harness) -> Again:
    """Restore a run of another store; it replaces one that waits here."""
    ended = harness.get(harness.in_state(State.FAILED))
    waits = harness.get(harness.in_state(State.PAUSED))
    records = [replace(ended, uid="e" * 32), replace(ended, uid=waits.uid)]
    return lambda: harness.maintenance.restore(records)


def migration(harness: Harness, *, undone: bool = False) -> Again:
    run = harness.in_state(State.COMPLETED, config={"trees": 1})
    change = Rewrite(run=run, old_scenario=None, old_config={"trees": 1}, scenario=None, config={"trees": 2})
    named = Migration(name="m", project=PROJECT, steps=({"op": "map_values"},))
    if not undone:
        return lambda: harness.migrations.migrate(named, [change])
    harness.migrations.migrate(named, [change])
    return lambda: harness.migrations.unmigrate(PROJECT, "m")


def append(harness: Harness) -> Again:
    run = harness.start().run
    return lambda: harness.store.append(run, 1, points=[Point(seq=0, name="m", step=0, value=1.0, at=0.0)],
                                        output=[OutputChunk(seq=0, text="out", at=0.0)])


def by_lease(verb: str, *arguments: Any, zombie: bool = False, **fields: Any) -> Prepare:
    """A verb of an owner, or of an owner that has lost its lease."""
    def prepare(harness: Harness, path: Path) -> Again:
        lease = harness.zombie(**fields) if zombie else harness.start(**fields)
        return lambda: getattr(harness.store, verb)(lease, *arguments)

    return prepare


def by_person(verb: str, state: State, **named: Any) -> Prepare:
    def prepare(harness: Harness, path: Path) -> Again:
        run = harness.in_state(state)
        return lambda: getattr(harness.store, verb)(run, **named)

    return prepare


SEARCH = NewSearch(uid="e" * 32, project=PROJECT, task="task", scenario={}, tuner={"className": "Random"})


def by_search(call: Callable[[Store, int], Any]) -> Prepare:
    def prepare(harness: Harness, path: Path) -> Again:
        search = harness.store.add_search(SEARCH)
        return lambda: call(harness.store, search)

    return prepare


# "verb, circumstances" -> the preparation, and the call that is repeated
VERBS: dict[str, Prepare] = {
    "submit": lambda harness, path: lambda: harness.store.submit(
        [new_run(uid="e" * 32), new_run(uid="f" * 32)]),
    "submit, executed here": lambda harness, path: submit_here(harness),
    "claim": lambda harness, path: claim(harness),
    "claim, limited": lambda harness, path: claim(harness, tasks=["task"], exclude=[99]),
    "claim, one run": lambda harness, path: claim(harness, only=[harness.submit()]),
    "beat": by_lease("beat", Progress(done=1)),
    "beat, fenced": by_lease("beat", Progress(done=1), zombie=True),
    "update": by_lease("update", Update(info={"a": 1}, provenance={"git": {}}, seed=3)),
    "finish, completed": by_lease("finish", COMPLETED),
    "finish, cancelled": by_lease("finish", CANCELLED),
    "finish, failed": by_lease("finish", FAILED),
    "finish, to be tried again": by_lease("finish", FAILED, max_failures=2),
    "finish, fenced": by_lease("finish", COMPLETED, zombie=True),
    "release": by_lease("release", "drained"),
    "reap": lambda harness, path: reap(harness),
    "readopt": by_lease("readopt", owner("again"), zombie=True),
    "late": by_lease("late", COMPLETED, zombie=True),
    "cancel": by_person("cancel", State.QUEUED),
    "cancel, running": by_person("cancel", State.RUNNING),
    "pause": by_person("pause", State.QUEUED),
    "pause, running": by_person("pause", State.RUNNING),
    "resume": by_person("resume", State.PAUSED),
    "requeue": by_person("requeue", State.FAILED),
    "annotate": by_person("annotate", State.FAILED, add_tags=["a"], remove_tags=["b"], note="n", priority=2),
    "delete": lambda harness, path: deletion(harness),
    "append": lambda harness, path: append(harness),
    "put_artifact": artifact,
    "put_snapshot": lambda harness, path: lambda: harness.store.put_snapshot(
        Snapshot(files=()), lambda path: b""),
    "present": lambda harness, path: lambda: harness.store.present(worker("second", beat=2)),
    "absent": lambda harness, path: lambda: harness.store.absent("first"),
    "settings": lambda harness, path: lambda: harness.store.settings("a new one"),
    "change_settings": lambda harness, path: lambda: harness.store.change_settings(
        PROJECT, paused=True, ttl_s=50),
    "add_search": lambda harness, path: lambda: harness.store.add_search(SEARCH),
    "propose": by_search(lambda store, search: store.propose(
        search, 0, new_run(uid=f"{SEARCH.uid}-0", search=SEARCH.uid, config={"x": 1}, seed=0), redrawn=2)),
    "end_search": by_search(lambda store, search: store.end_search(search, "enough")),
    "end_search, as it was seen": by_search(lambda store, search: store.end_search(search, "x", proposed=0)),
    "change_search": by_search(lambda store, search: store.change_search(search, priority=3)),
    "restore_search": by_search(lambda store, search: store.restore_search(
        replace(store.get_search(search), uid="f" * 32))),
}


OF_MIGRATIONS: dict[str, Prepare] = {
    "amend": by_person("amend", State.COMPLETED, name="f1", entry={"value": 0.5}),
    "amend, taken away": by_person("amend", State.COMPLETED, name="f1", entry=None),
    "migrate": lambda harness, path: migration(harness),
    "unmigrate": lambda harness, path: migration(harness, undone=True),
}
OF_MAINTENANCE: dict[str, Prepare] = {
    "restore": lambda harness, path: restoration(harness),
    "collect_garbage": garbage,
    "upgrade": lambda harness, path: harness.maintenance.upgrade,
}


def everything(store: Store) -> Iterator[Any]:
    """The whole content of a store without beats and times."""
    for record in store.find(RunFilter()):
        yield replace(record, attempts=())
        for attempt in record.attempts:
            yield replace(attempt, late=attempt.late and replace(attempt.late, at=None))
        for number in range(1, len(record.attempts) + 1):
            yield from store.points(record.id, attempt=number)
            yield from store.output(record.id, attempt=number)
            yield from store.artifacts(record.id, attempt=number)
    yield [replace(held, beat=0) for held in store.held(PROJECT)]
    yield [replace(found, seen_at=None, beat=0) for found in store.workers(PROJECT)]
    yield store.settings(PROJECT), store.settings("a new one"), store.info().runs
    if isinstance(store, Maintenance):
        yield store.collect_garbage(), store.check()
    if isinstance(store, Migrations):
        yield [replace(found, at=None, undone_at=None) for found in store.migrations(PROJECT)]
        yield [store.rewritten(record.id) for record in store.find(RunFilter())]
    yield store.searches(PROJECT)


def check_repeat(harness: Harness, folder: Path, name: str, prepare: Prepare) -> None:
    """Assert that a verb changes the store once, and that its repeat changes nothing."""
    path = folder / "content"
    path.write_text("content")
    harness.store.present(worker("first"))
    harness.submit_many(2)
    again = prepare(harness, path)
    before = list(everything(harness.store))
    first = again()
    once = list(everything(harness.store))

    try:
        second = again()
    except Refused:                    # a user's verb: the repeat reports that it has happened already
        second = None

    assert list(everything(harness.store)) == once
    assert name in CHANGES_NOTHING or once != before
    if name.partition(",")[0] in SAME_ANSWER:
        assert second == first


class RepeatTests(StoreTests):
    def test_every_verb_is_repeated(self) -> None:
        ports = (Store, Migrations, Maintenance)
        repeated = {name.partition(",")[0] for name in (*VERBS, *OF_MIGRATIONS, *OF_MAINTENANCE)}
        assert repeated | READING == {verb for port in ports for verb in port.__abstractmethods__}

    @pytest.mark.parametrize("name", VERBS)
    def test_a_repeated_verb_changes_nothing(self, harness: Harness, tmp_path: Path, name: str) -> None:
        check_repeat(harness, tmp_path, name, VERBS[name])

    @for_stores_with(Migrations)
    @pytest.mark.parametrize("name", OF_MIGRATIONS)
    def test_a_repeated_migration_changes_nothing(self, harness: Harness, tmp_path: Path, name: str) -> None:
        check_repeat(harness, tmp_path, name, OF_MIGRATIONS[name])

    @for_stores_with(Maintenance)
    @pytest.mark.parametrize("name", OF_MAINTENANCE)
    def test_repeated_maintenance_changes_nothing(self, harness: Harness, tmp_path: Path, name: str) -> None:
        check_repeat(harness, tmp_path, name, OF_MAINTENANCE[name])
