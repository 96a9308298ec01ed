"""Searches: each proposal is decided once, despite races, repeats and kills."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hyperspace_core.errors import NotFound, Refused, UsageError, ValueNotStorable
from hyperspace_core.records import Budget, Metric, NewRun, NewSearch, SearchRecord, SearchState, State
from hyperspace_core.storage import Searches, Store, new_token
from pytest_hyperspace.stores.base import StoreTests, for_stores_with
from pytest_hyperspace.stores.harness import PROJECT, UNKNOWN_ID, Harness, ProcessGroup, new_run, propose_all
from pytest_hyperspace.stores.process_tests import kill_when

NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, UTC)
TUNER = {"className": "Random"}
SPACE = {"classifier": ["Forest", {"className": "Support", "C": {"float": [0.1, 10], "log": True}}],
         "odd.$key": -0.0}


def new_search(**fields: Any) -> NewSearch:
    defaults: dict[str, Any] = {"uid": new_token(), "project": PROJECT, "task": "task",
                                "scenario": {"className": "Holdout"},
                                "tuner": TUNER, "budget": Budget(runs=100)}
    return NewSearch(**defaults | fields)


def proposal(search: SearchRecord, number: int, /, **fields: Any) -> NewRun:
    defaults: dict[str, Any] = {"uid": search.run_uid(number), "search": search.uid,
                                "config": {"x": number}, "seed": 0}
    return new_run(**defaults | fields)


@for_stores_with(Searches)
class SearchTests(StoreTests):
    @pytest.fixture
    def searches(self, store: Store) -> Searches:
        return Searches.of(store)

    @pytest.fixture
    def other_searches(self, other: Store) -> Searches:
        return Searches.of(other)

    @pytest.fixture
    def search(self, searches: Searches) -> SearchRecord:
        return searches.get_search(searches.add_search(new_search()))

    def test_a_search_is_read_back_equal(self, searches: Searches, other_searches: Searches) -> None:
        given = new_search(
            space=SPACE, metrics=(Metric(name="accuracy"), Metric(name="seconds", goal="minimize")),
            budget=Budget(runs=7, hours=0.5, target=-0.0, patience=3), pruner={"className": "Median"},
            sources=("other",), seed=2**63 - 1, priority=-3, tags=("a", "b"), note="ünï",
            retries=2, submitted_by="ann@host")

        found = other_searches.get_search(searches.add_search(given))

        for name in NewSearch.__dataclass_fields__:
            assert getattr(found, name) == getattr(given, name), name
        assert (found.state, found.reason, found.proposed, found.redrawn, found.repeats) == (
            SearchState.OPEN, None, 0, 0, 0)
        assert found.submitted_at is not None and found.submitted_at.tzinfo is not None
        assert found.ended_at is None

    def test_the_same_uid_again_is_the_same_search(self, searches: Searches) -> None:
        given = new_search()
        first = searches.add_search(given)
        searches.end_search(first, "enough")

        assert searches.add_search(given) == first
        assert searches.get_search(first).state is SearchState.ENDED
        assert len(searches.searches(PROJECT)) == 1

    @pytest.mark.parametrize("state", SearchState)
    def test_a_restored_search_is_equal_and_paused(
            self, searches: Searches, other_searches: Searches, state: SearchState) -> None:
        ended = state is SearchState.ENDED
        record = SearchRecord(
            **vars(new_search(space=SPACE, priority=3, tags=("a",), budget=Budget(hours=0.5))), id=4711,
            state=state, reason="enough" if ended else None, proposed=7, redrawn=2, repeats=1,
            submitted_at=NOON, ended_at=NOON + timedelta(hours=1, microseconds=1) if ended else None)

        here = searches.restore_search(record)

        kept = SearchState.ENDED if ended else SearchState.PAUSED
        assert other_searches.get_search(here) == replace(record, id=here, state=kept)

    def test_unknown_times_of_a_restored_search_stay_unknown(self, searches: Searches) -> None:
        record = SearchRecord(**vars(new_search()), id=1, state=SearchState.ENDED, reason="enough")

        assert searches.get_search(searches.restore_search(record)) == replace(record, id=1)

    def test_a_search_restored_again_raises_only_its_counts(
            self, searches: Searches, search: SearchRecord) -> None:
        searches.propose(search.id, 0, proposal(search, 0), redrawn=5)
        copy = replace(search, id=4711, state=SearchState.ENDED, reason="there", budget=Budget(runs=1),
                       priority=9, proposed=3, redrawn=4, repeats=2, ended_at=NOON)

        assert [searches.restore_search(copy) for _ in range(2)] == [search.id, search.id]

        assert searches.get_search(search.id) == replace(search, proposed=3, redrawn=5, repeats=2)
        searches.restore_search(replace(copy, proposed=1, repeats=0))
        assert searches.get_search(search.id).proposed == 3
        assert searches.propose(search.id, 2, proposal(search, 2)) is None
        assert searches.propose(search.id, 3, proposal(search, 3)) is not None

    def test_a_restored_search_continues_once_it_is_opened(
            self, harness: Harness, search: SearchRecord) -> None:
        copy = replace(search, uid=new_token(), proposed=2)
        here = harness.searches.restore_search(copy)
        assert harness.searches.propose(here, 2, proposal(copy, 2)) is None

        harness.searches.change_search(here, state=SearchState.OPEN)

        assert harness.searches.propose(here, 1, proposal(copy, 1)) is None
        run = harness.searches.propose(here, 2, proposal(copy, 2))
        assert harness.ids(search=copy.uid) == [run]

    def test_searches_are_listed_oldest_first_and_filtered(self, searches: Searches) -> None:
        first, second, third = (searches.add_search(new_search()) for _ in range(3))
        searches.add_search(new_search(project="another"))
        searches.end_search(second, "enough")
        searches.change_search(third, state=SearchState.PAUSED)

        def listed(**fields: Any) -> list[int]:
            return [found.id for found in searches.searches(PROJECT, **fields)]

        assert listed() == [first, second, third]
        assert listed(states=(SearchState.OPEN,)) == [first]
        assert listed(states=(SearchState.PAUSED, SearchState.ENDED)) == [second, third]
        assert listed(uids=(searches.get_search(second).uid,)) == [second]
        assert searches.searches("unknown") == []

    def test_a_proposal_is_a_queued_run_of_the_search(self, harness: Harness, search: SearchRecord) -> None:
        run = harness.searches.propose(search.id, 0, proposal(search, 0, priority=5, tags=("t",)), redrawn=3)

        assert run is not None
        record = harness.get(run)
        assert (record.state, record.search, record.uid, record.config, record.priority, record.tags) == (
            State.QUEUED, search.uid, f"{search.uid}-0", {"x": 0}, 5, ("t",))
        assert harness.ids(search=search.uid) == [run]
        after = harness.searches.get_search(search.id)
        assert (after.proposed, after.redrawn, after.repeats) == (1, 3, 0)
        harness.searches.propose(search.id, 1, proposal(search, 1), redrawn=2, repeat=True)
        after = harness.searches.get_search(search.id)
        assert (after.proposed, after.redrawn, after.repeats) == (2, 5, 1)

    def test_a_proposal_may_be_claimed_at_once(self, harness: Harness, search: SearchRecord) -> None:
        run = harness.searches.propose(search.id, 0, proposal(search, 0))

        assert harness.take().lease.run == run

    def test_of_two_proposals_of_one_number_the_first_counts(
            self, harness: Harness, other_searches: Searches, search: SearchRecord) -> None:
        first = harness.searches.propose(search.id, 0, proposal(search, 0, config={"x": 1}))

        assert other_searches.propose(search.id, 0, proposal(search, 0, config={"x": 2})) is None
        assert other_searches.propose(search.id, 0, proposal(search, 0, config={"x": 1}, seed=9)) is None
        assert harness.ids() == [first]
        assert harness.get(first or 0).config == {"x": 1}
        assert harness.searches.get_search(search.id).proposed == 1

    def test_a_proposal_whose_answer_was_lost_may_be_repeated(
            self, harness: Harness, search: SearchRecord) -> None:
        run = harness.searches.propose(search.id, 0, proposal(search, 0), redrawn=1)
        harness.bring(run or 0, State.COMPLETED)

        assert harness.searches.propose(search.id, 0, proposal(search, 0), redrawn=1) == run
        after = harness.searches.get_search(search.id)
        assert (after.proposed, after.redrawn) == (1, 1)
        assert harness.state(run or 0) is State.COMPLETED

    def test_no_number_is_left_out(self, harness: Harness, search: SearchRecord) -> None:
        assert harness.searches.propose(search.id, 1, proposal(search, 1)) is None
        assert harness.ids() == []

    def test_only_an_open_search_proposes(
            self, harness: Harness, search: SearchRecord) -> None:
        harness.searches.change_search(search.id, state=SearchState.PAUSED)
        assert harness.searches.propose(search.id, 0, proposal(search, 0)) is None
        harness.searches.change_search(search.id, state=SearchState.OPEN)
        harness.searches.end_search(search.id, "enough")
        assert harness.searches.propose(search.id, 0, proposal(search, 0)) is None
        assert harness.ids() == []

    def test_a_deleted_proposal_does_not_come_back(self, harness: Harness, search: SearchRecord) -> None:
        run = harness.searches.propose(search.id, 0, proposal(search, 0))
        harness.store.delete([run or 0])

        assert harness.searches.propose(search.id, 0, proposal(search, 0)) is None
        assert harness.searches.propose(search.id, 1, proposal(search, 1)) is not None
        assert len(harness.ids()) == 1

    def test_a_run_that_is_not_this_proposal_is_refused(self, harness: Harness, search: SearchRecord) -> None:
        for wrong in ({"uid": new_token()}, {"search": None}, {"search": "another"}, {"project": "another"}):
            with pytest.raises(UsageError, match="is not proposal 0 of search"):
                harness.searches.propose(search.id, 0, proposal(search, 0, **wrong))
        assert harness.searches.get_search(search.id).proposed == 0

    def test_a_proposal_that_cannot_be_kept_leaves_no_trace(self, harness: Harness,
                                                            search: SearchRecord) -> None:
        with pytest.raises(ValueNotStorable):
            harness.searches.propose(search.id, 0, proposal(search, 0, config={"x": object()}))

        assert harness.searches.get_search(search.id).proposed == 0
        assert harness.searches.propose(search.id, 0, proposal(search, 0)) is not None

    def test_a_worker_ends_a_search_only_if_unchanged(self, harness: Harness, search: SearchRecord) -> None:
        harness.searches.propose(search.id, 0, proposal(search, 0))

        assert not harness.searches.end_search(search.id, "nothing left", proposed=0)
        assert harness.searches.get_search(search.id).state is SearchState.OPEN
        assert harness.searches.end_search(search.id, "nothing left", proposed=1)
        ended = harness.searches.get_search(search.id)
        assert (ended.state, ended.reason) == (SearchState.ENDED, "nothing left")
        assert ended.ended_at is not None
        assert not harness.searches.end_search(search.id, "another reason")
        assert harness.searches.get_search(search.id).reason == "nothing left"

    def test_a_paused_search_is_ended_by_a_user_only(
            self, harness: Harness, search: SearchRecord) -> None:
        harness.searches.change_search(search.id, state=SearchState.PAUSED)

        assert not harness.searches.end_search(search.id, "nothing left", proposed=0)
        assert harness.searches.end_search(search.id, "cancelled")

    def test_an_ended_search_continues_with_a_larger_budget(self, harness: Harness,
                                                            search: SearchRecord) -> None:
        harness.searches.propose(search.id, 0, proposal(search, 0))
        harness.searches.end_search(search.id, "enough")

        changed = harness.searches.change_search(search.id, state=SearchState.OPEN, budget=Budget(runs=200),
                                              priority=4)

        assert (changed.state, changed.reason, changed.ended_at) == (SearchState.OPEN, None, None)
        assert (changed.budget, changed.priority, changed.proposed) == (Budget(runs=200), 4, 1)
        assert harness.searches.get_search(search.id) == changed
        assert harness.searches.propose(search.id, 1, proposal(search, 1)) is not None

    def test_change_search_keeps_the_other_fields(self, harness: Harness, search: SearchRecord) -> None:
        assert harness.searches.change_search(search.id, priority=7) == replace(search, priority=7)
        assert harness.searches.change_search(search.id) == replace(search, priority=7)

    def test_change_search_refuses_invalid_states(
            self, harness: Harness, search: SearchRecord) -> None:
        with pytest.raises(UsageError, match="end_search"):
            harness.searches.change_search(search.id, state=SearchState.ENDED)
        harness.searches.end_search(search.id, "enough")
        with pytest.raises(Refused, match=r"has ended \(enough\)"):
            harness.searches.change_search(search.id, state=SearchState.PAUSED)

    @pytest.mark.parametrize("ask", [
        lambda searches, search: searches.get_search(search),
        lambda searches, search: searches.propose(search, 0, new_run()),
        lambda searches, search: searches.end_search(search, "x"),
        lambda searches, search: searches.change_search(search, priority=1)])
    @pytest.mark.parametrize("number", [UNKNOWN_ID, 0, -1, 2**70])
    def test_an_unknown_search_is_not_found(self, searches: Searches, ask: Callable[[Searches, int], Any],
                                            number: int) -> None:
        with pytest.raises(NotFound, match=f"no search {number} "):
            ask(searches, number)

    @pytest.mark.parametrize("change", [
        lambda searches, search: searches.add_search(new_search()),
        lambda searches, search: searches.propose(search.id, 0, proposal(search, 0)),
        lambda searches, search: searches.change_search(search.id, state=SearchState.OPEN)])
    def test_a_proposal_wakes_waiting_workers(self, store: Store, other_searches: Searches,
                                              search: SearchRecord,
                                              change: Callable[[Searches, SearchRecord], Any]) -> None:
        while store.wait_for_change(PROJECT, 0.0):
            pass

        change(other_searches, search)

        assert store.wait_for_change(PROJECT, 10.0)

    def test_many_processes_propose_and_each_number_is_one_run(
            self, harness: Harness, search: SearchRecord,
            start_processes: Callable[..., ProcessGroup]) -> None:
        proposers = start_processes(propose_all, [(search.id, name, 40) for name in ("a", "b", "c", "d")])
        answers = proposers.answers()

        records = [harness.get(run) for run in harness.ids(search=search.uid)]
        assert [record.uid for record in records] == [search.run_uid(number) for number in range(40)]
        assert {run: name for name, each in zip("abcd", answers, strict=True) for run in each} == {
            record.id: record.note for record in records}
        assert harness.searches.get_search(search.id).proposed == 40

    def test_killed_proposers_give_each_number_once(self, harness: Harness, search: SearchRecord,
                                                    start_processes: Callable[..., ProcessGroup]) -> None:
        killed = start_processes(propose_all, [(search.id, name, 10_000) for name in ("a", "b", "c")])
        kill_when(killed, [3, 8, 15])
        (rest,) = start_processes(propose_all, [(search.id, "d", 60)]).answers()

        uids = [harness.get(run).uid for run in harness.ids(search=search.uid)]
        proposed = harness.searches.get_search(search.id).proposed
        assert sorted(uids) == sorted(search.run_uid(number) for number in range(proposed))
        assert proposed >= 60 and len(rest) <= proposed
        harness.assert_undamaged()
