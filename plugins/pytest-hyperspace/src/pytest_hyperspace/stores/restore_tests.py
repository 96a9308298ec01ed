"""Records of another store: stored unchanged under new ids, each uid once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from hyperspace_core.errors import Refused, ValueNotStorable
from hyperspace_core.records import (
    ORDER_BEST,
    Attempt,
    Late,
    Lease,
    Metric,
    Outcome,
    Progress,
    RunFilter,
    RunRecord,
    State,
)
from hyperspace_core.storage import Maintenance, Store, new_token
from pytest_hyperspace.stores.base import HIGHEST, StoreTests, for_stores_with, same, texts, trees
from pytest_hyperspace.stores.harness import (
    BATCH,
    COMPLETED,
    PATIENCE_S,
    PROJECT,
    Harness,
    ProcessGroup,
    new_run,
    owner,
    restore_batches,
    restore_these,
)
from pytest_hyperspace.stores.process_tests import kill_when
from pytest_hyperspace.stores.value_tests import chunk, point

NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, UTC)
SETTLED = [state for state in State if state is not State.RUNNING]
WAITING = [State.QUEUED, State.PAUSED]
FIRST = Attempt(number=1, outcome=Outcome.LOST, reason="gone", worker=owner("elsewhere"), started_at=NOON,
                ended_at=NOON + timedelta(hours=1, microseconds=1), provenance={"git": {"a.b": "$c"}},
                late=Late(outcome=Outcome.COMPLETED, reason="too late", result=-0.0, metrics={"x": 1},
                          at=NOON + timedelta(days=1, microseconds=7)))
SECOND = Attempt(number=2, outcome=Outcome.FAILED, reason="no", worker=owner("third"), traceback="Traceback",
                 started_at=NOON + timedelta(hours=2), ended_at=NOON + timedelta(hours=3))
# every field differs from its default, except the command (only of running runs) and the migrations
# (applied again)
FULL = RunRecord(
    id=4711, uid="0123456789abcdef0123456789abcdef", project=PROJECT, task="imdb_1k", state=State.FAILED,
    reason="ValueError: no", priority=-3, tags=("b", "a", "ü"), note="first\nsecond", submitted={"trees": 7},
    submitted_by="ann@host", scenario={"className": "S"}, config={"trees": 7, "depth": None},
    metric=Metric(name="log_loss", goal="minimize"), seed=HIGHEST, validated=False,
    progress=Progress(done=3, total=4.5, eta_s=0.25, note="epoch 3"), result=0.5, metrics={"log_loss": 0.5},
    info={"n": 1}, attempts=(FIRST, SECOND), losses=1, max_losses=5, failures=1, max_failures=2, parent=1,
    search="s1", code={"absent": "too large"}, submitted_at=NOON - timedelta(days=1, microseconds=1),
    started_at=SECOND.started_at, finished_at=NOON + timedelta(hours=3, microseconds=3))

moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1),
                       timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]))
tries = st.builds(
    Attempt, number=st.just(1), outcome=st.sampled_from(Outcome), reason=st.none() | texts,
    worker=st.none() | st.just(owner()), started_at=st.none() | moments, ended_at=st.none() | moments,
    traceback=st.none() | texts, provenance=trees,
    late=st.none() | st.builds(Late, outcome=st.sampled_from(Outcome), reason=st.none() | texts,
                               result=st.none() | st.floats(), metrics=trees, at=st.none() | moments))
records = st.builds(
    RunRecord, id=st.just(1), uid=st.builds(new_token), project=st.just(PROJECT), task=texts,
    state=st.sampled_from(SETTLED), reason=st.none() | texts, priority=st.integers(-9, 9),
    tags=st.lists(texts, max_size=3, unique=True).map(tuple), note=texts, submitted=trees, submitted_by=texts,
    scenario=st.none() | trees, config=st.none() | trees, seed=st.none() | st.integers(0, HIGHEST),
    validated=st.booleans(), result=st.none() | st.floats(), metrics=trees, info=trees,
    attempts=st.lists(tries, max_size=3).map(lambda found: tuple(
        replace(attempt, number=number) for number, attempt in enumerate(found, start=1))),
    losses=st.integers(0, 3), failures=st.integers(0, 3), search=st.none() | texts,
    submitted_at=st.none() | moments, finished_at=st.none() | moments)


def full(**changes: Any) -> RunRecord:
    """A record with a value in every field, with its own uid."""
    return replace(FULL, **{"uid": new_token()} | changes)


def fresh(state: State = State.QUEUED, **changes: Any) -> RunRecord:
    """A record of a run that was never claimed."""
    return full(**{"state": state, "attempts": (), "started_at": None, "finished_at": None} | changes)


def plain(record: RunRecord) -> dict[str, Any]:
    """The content that two stores must agree on, as values that `same` compares."""
    named = {field.name: getattr(record, field.name) for field in fields(record) if field.name != "id"}
    attempts = [vars(attempt) | {"late": attempt.late and vars(attempt.late)} for attempt in record.attempts]
    return named | {"attempts": attempts}


@for_stores_with(Maintenance)
class RestoreTests(StoreTests):
    def test_every_field_of_a_record_comes_back_but_its_id(self, harness: Harness) -> None:
        harness.submit_many(3)

        (run,) = harness.maintenance.restore([FULL])

        assert harness.get(run) == replace(FULL, id=run)
        given = {field.name for field in fields(FULL) if getattr(FULL, field.name) != getattr(
            RunRecord(id=0, uid="", project="", task="", state=State.QUEUED), field.name)}
        assert {field.name for field in fields(RunRecord)} - given == {"command", "migrated"}

    def test_any_record_comes_back_the_same(self, harness: Harness) -> None:
        @self.property_settings()
        @given(record=records)
        def holds(record: RunRecord) -> None:
            started = record.attempts[-1].started_at if record.attempts else None
            (run,) = harness.maintenance.restore([record])
            assert same(plain(harness.get(run)), plain(replace(record, started_at=started)))

        holds()

    def test_unknown_fields_of_a_record_stay_unknown(self, harness: Harness) -> None:
        record = full(submitted_at=None, started_at=None, finished_at=None,
                      attempts=(Attempt(number=1, outcome=Outcome.COMPLETED),))
        (run,) = harness.maintenance.restore([record])

        assert harness.get(run) == replace(record, id=run)

    def test_restored_runs_get_new_ids_in_order(self, harness: Harness) -> None:
        before = harness.submit()
        given = [full(id=number) for number in (9, 3, before)]

        ids = harness.maintenance.restore(given)

        assert ids == sorted(set(ids)) and before < ids[0]
        assert [harness.get(run).uid for run in ids] == [record.uid for record in given]
        assert harness.submit() > ids[-1]
        assert harness.maintenance.restore([]) == []

    def test_restored_runs_are_found_by_uid(self, harness: Harness) -> None:
        given = [full(), full(), full(uid="odd\0one $ü'")]
        ids = harness.maintenance.restore(given)
        harness.submit_many(2)

        wanted = tuple(record.uid for record in given[1:])
        assert harness.ids(uids=(*wanted, "unknown")) == ids[1:]
        assert harness.ids(uids=wanted[:1]) == ids[1:2]
        assert harness.store.count(RunFilter(uids=wanted)) == {State.FAILED: 2}
        assert harness.ids(uids=("unknown",)) == [] and len(harness.ids(uids=())) == 5

    def test_restored_results_are_ranked_with_local_ones(self, harness: Harness) -> None:
        here = harness.submit(metric=Metric(name="loss", goal="minimize"))
        harness.store.finish(harness.take(here).lease, COMPLETED)
        ids = harness.maintenance.restore([full(result=0.75), full(result=0.25)])

        ranked = [record.id for record in harness.store.find(RunFilter(project=PROJECT), order=ORDER_BEST)]
        assert ranked == [ids[1], here, ids[0]]

    def test_series_output_and_artifacts_follow_attempt_by_attempt(self, harness: Harness,
                                                                   tmp_path: Path) -> None:
        (run,) = harness.maintenance.restore([FULL])
        (tmp_path / "file").write_text("content")
        for number in (1, 2):
            harness.store.append(run, number, points=[point(0, number)], output=[chunk(0, f"{number}")])
        artifact = harness.store.put_artifact(run, 1, "file", tmp_path / "file")

        assert [found.value for found in harness.store.points(run)] == [2.0]
        assert [found.value for found in harness.store.points(run, attempt=1)] == [1.0]
        assert [found.text for found in harness.store.output(run, attempt=1)] == ["1"]
        assert harness.store.artifacts(run, attempt=1) == [artifact] and harness.store.artifacts(run) == []
        assert harness.get(run) == replace(FULL, id=run)

    # -- verbs on restored runs ------------------------------------------------------------------------------

    def test_a_restored_queued_run_gets_the_next_attempt(self, harness: Harness) -> None:
        (run,) = harness.maintenance.restore([full(state=State.QUEUED)])

        claim = harness.take()

        assert (claim.lease.run, claim.lease.attempt) == (run, 3)
        assert claim.record.attempts[:2] == FULL.attempts
        assert harness.beat(run) == 3
        assert harness.store.finish(claim.lease, COMPLETED) and harness.state(run) is State.COMPLETED

    def test_a_restored_queued_run_wakes_waiting_workers(self, harness: Harness) -> None:
        harness.submit()
        while harness.store.wait_for_change(PROJECT, 0.0):
            pass

        harness.maintenance.restore([fresh()])

        assert harness.store.wait_for_change(PROJECT, PATIENCE_S)

    def test_a_restored_paused_run_waits_until_resumed(self, harness: Harness) -> None:
        (run,) = harness.maintenance.restore([fresh(State.PAUSED)])

        assert harness.claim() is None
        assert harness.store.resume(run) is State.QUEUED
        assert harness.take().lease.run == run

    @pytest.mark.parametrize("state", [state for state in State if state.terminal])
    def test_a_restored_finished_run_can_be_requeued(self, harness: Harness, state: State) -> None:
        (run,) = harness.maintenance.restore([full(state=state)])

        assert harness.claim() is None
        assert harness.store.requeue(run) is State.QUEUED
        assert harness.take().lease.attempt == 3

    def test_leases_of_the_other_store_are_invalid(self, harness: Harness) -> None:
        lease = harness.zombie()
        (run,) = harness.maintenance.restore([replace(harness.get(lease.run), uid=new_token())])
        there = Lease(run=run, attempt=1, token=lease.token)
        before = harness.picture(run)

        assert not harness.store.beat(there).held and not harness.store.finish(there, COMPLETED)
        assert not harness.store.readopt(there, owner()) and not harness.store.late(there, COMPLETED)
        assert harness.picture(run) == before

    # -- known uids ------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("state", [State.RUNNING, *(state for state in State if state.terminal)])
    def test_a_known_uid_is_not_restored_again(self, harness: Harness, state: State) -> None:
        run = harness.in_state(state, note="from here")
        before = harness.picture(run)

        new, again = full(), full(uid=harness.get(run).uid)
        ids = harness.maintenance.restore([new, again])

        assert ids[1] == run and harness.picture(run) == before
        assert harness.get(ids[0]) == replace(new, id=ids[0])

    @pytest.mark.parametrize("state", WAITING)
    @pytest.mark.parametrize("given", [
        full(), full(state=State.PAUSED), fresh(State.CANCELLED), full(state=State.QUEUED)],
        ids=["ended", "paused after a try", "cancelled before any", "queued after a try"])
    def test_an_unclaimed_run_is_replaced_by_a_later_state(
            self, harness: Harness, state: State, given: RunRecord) -> None:
        run, other = harness.maintenance.restore(
            [fresh(state, uid=given.uid, note="from here"), fresh(State.PAUSED)])

        assert harness.maintenance.restore([given]) == [run]

        assert harness.get(run) == replace(given, id=run)
        assert harness.ids() == [run, other]
        assert (harness.claim() is not None) == (given.state is State.QUEUED)

    @pytest.mark.parametrize("state", WAITING)
    @pytest.mark.parametrize("given", WAITING)
    def test_an_unclaimed_run_is_not_replaced_by_its_equal(
            self, harness: Harness, state: State, given: State) -> None:
        run = harness.in_state(state, note="from here")
        before = harness.picture(run)

        assert harness.maintenance.restore([fresh(given, uid=harness.get(run).uid)]) == [run]
        assert harness.picture(run) == before

    @pytest.mark.parametrize("state", WAITING)
    def test_a_run_claimed_here_is_not_replaced(self, harness: Harness, state: State) -> None:
        lease = harness.start()
        harness.store.release(lease)
        harness.bring(lease.run, state)
        before = harness.picture(lease.run)

        assert harness.maintenance.restore([full(uid=harness.get(lease.run).uid)]) == [lease.run]
        assert harness.picture(lease.run) == before

    def test_a_record_twice_in_one_call_is_one_run(self, harness: Harness) -> None:
        waits, ended = fresh(), full()

        ids = harness.maintenance.restore([waits, ended, replace(ended, note="again"),
                                     replace(ended, uid=waits.uid, note="further on")])

        assert ids == [ids[0], ids[1], ids[1], ids[0]] and len(harness.ids()) == 2
        assert [harness.get(run).note for run in ids[:2]] == ["further on", ended.note]

    # -- all or none -----------------------------------------------------------------------------------------

    def test_a_running_record_refuses_the_whole_batch(self, harness: Harness) -> None:
        running = full(state=State.RUNNING)

        with pytest.raises(Refused, match=running.uid):
            harness.maintenance.restore([full(), running, full()])
        assert harness.ids() == []

    def test_one_bad_record_refuses_the_whole_batch(self, harness: Harness) -> None:
        for bad in (full(info={"when": object()}), full(note="\ud800"),
                    full(attempts=(replace(FIRST, provenance={"outer": {1: 2}}),)),
                    full(attempts=(replace(FIRST, traceback="\ud800"),))):
            with pytest.raises(ValueNotStorable):
                harness.maintenance.restore([full(), bad])
        assert harness.ids() == []

    def test_concurrent_restores_store_each_record_once(
            self, harness: Harness, start_processes: Callable[..., ProcessGroup]) -> None:
        given = [full() for _ in range(30)] + [fresh() for _ in range(10)]
        orders = [(given,), (given[::-1],), ([*given[20:], *given[:20]],)]

        answers = start_processes(restore_these, orders).answers()

        assert answers == [answers[0]] * 3
        assert sorted(answers[0].values()) == harness.ids() and len(harness.ids()) == 40
        for record in given:
            run = answers[0][record.uid]
            assert harness.get(run) == replace(record, id=run)

    def test_a_killed_restore_leaves_whole_batches(self, harness: Harness,
                                                   start_processes: Callable[..., ProcessGroup]) -> None:
        restorers = start_processes(restore_batches, [("first", FULL), ("second", FULL), ("third", FULL)])
        kill_when(restorers, [2, 4, 7])

        found = [harness.get(run) for run in harness.ids()]
        sizes = Counter(record.search for record in found)
        assert set(sizes.values()) == {BATCH}
        for member, name in zip(restorers.members, ("first", "second", "third"), strict=True):
            assert all(f"{name}-{number}" in sizes for number in member.reports)
        assert all(record.attempts == FULL.attempts for record in found)
        harness.assert_undamaged()

    def test_restored_runs_are_visible_at_once(self, harness: Harness, other: Store) -> None:
        (run,) = harness.maintenance.restore([FULL])

        assert other.get(run) == replace(FULL, id=run)
        assert other.submit([new_run(uid=FULL.uid)]) == [run]
