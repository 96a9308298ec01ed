"""The table `records.states.TRANSITIONS`, verb by verb and state by state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from hyperspace_core.errors import NotFound, Refused
from hyperspace_core.records.run import Finish, Held, Lease
from hyperspace_core.records.states import TRANSITIONS, Command, Outcome, State, Verb, allowed
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import (
    CANCELLED,
    COMMANDS,
    COMPLETED,
    FAILED,
    UNKNOWN_ID,
    Desk,
    forged,
    new_run,
    owner,
)

PERSONAL = [Verb.CANCEL, Verb.PAUSE, Verb.RESUME, Verb.REQUEUE]
OWNERS = [verb for verb in Verb if verb not in (*PERSONAL, Verb.SUBMIT)]


@dataclass(frozen=True)
class Case:
    """A run in some state, the caller of the verb, its former owner, and an observation of its lease."""

    desk: Desk
    run: int
    uid: str
    lease: Lease
    zombie: Lease
    seen: Held


def held(lease: Lease, beat: int = 1) -> Held:
    return Held(run=lease.run, attempt=lease.attempt, token=lease.token, beat=beat, owner=owner())


# each returns whether it changed something
ACTIONS: dict[Verb, Callable[[Case], Any]] = {
    Verb.SUBMIT: lambda case: case.desk.store.submit([new_run(uid=case.uid)]),
    Verb.CLAIM: lambda case: case.desk.claim(case.run),
    Verb.BEAT: lambda case: case.desk.store.beat(case.lease).held,
    Verb.COMPLETE: lambda case: case.desk.store.finish(case.lease, COMPLETED),
    Verb.FAIL: lambda case: case.desk.store.finish(case.lease, FAILED),
    Verb.CANCELLED: lambda case: case.desk.store.finish(case.lease, CANCELLED),
    Verb.RELEASE: lambda case: case.desk.store.release(case.lease),
    Verb.REAP: lambda case: case.desk.store.reap(case.seen),
    Verb.LATE: lambda case: case.desk.store.late(case.lease, COMPLETED),
    Verb.READOPT: lambda case: case.desk.store.readopt(case.zombie, owner("again")),
    Verb.CANCEL: lambda case: case.desk.store.cancel(case.run),
    Verb.PAUSE: lambda case: case.desk.store.pause(case.run),
    Verb.RESUME: lambda case: case.desk.store.resume(case.run),
    Verb.REQUEUE: lambda case: case.desk.store.requeue(case.run),
}


def case_in(desk: Desk, state: State) -> Case:
    """A run in this state whose first owner was reaped. A running one has a new owner."""
    zombie = desk.start()
    seen = desk.held(zombie.run)
    desk.lose(zombie.run)
    lease = desk.bring(zombie.run, state)
    if state is State.RUNNING and lease is not None:
        return Case(desk, zombie.run, desk.get(zombie.run).uid, lease, zombie, desk.held(zombie.run))
    return Case(desk, zombie.run, desk.get(zombie.run).uid, zombie, zombie, seen)


class Transitions(StoreTests):
    @pytest.mark.parametrize("state", State)
    @pytest.mark.parametrize("verb", PERSONAL)
    def test_users_can_do_what_the_table_allows(self, desk: Desk, verb: Verb, state: State) -> None:
        case = case_in(desk, state)
        before = desk.picture(case.run)
        may = allowed(verb, state)

        if may:
            assert ACTIONS[verb](case) is desk.state(case.run)
            assert desk.state(case.run) in may
        else:
            with pytest.raises(Refused, match=f"(?i){state}"):
                ACTIONS[verb](case)
            assert desk.picture(case.run) == before

    @pytest.mark.parametrize("state", State)
    @pytest.mark.parametrize("verb", OWNERS)
    def test_workers_can_do_what_the_table_allows(self, desk: Desk, verb: Verb, state: State) -> None:
        case = case_in(desk, state)
        before = desk.picture(case.run)
        may = allowed(verb, state)

        did = ACTIONS[verb](case)

        if may:
            assert did and desk.state(case.run) in may
        else:
            assert not did
            assert desk.picture(case.run) == before

    @pytest.mark.parametrize("state", State)
    def test_a_known_run_is_not_submitted_again(self, desk: Desk, state: State) -> None:
        case = case_in(desk, state)
        before = desk.picture(case.run)

        assert allowed(Verb.SUBMIT, state) == frozenset()
        assert ACTIONS[Verb.SUBMIT](case) == [case.run]
        assert desk.picture(case.run) == before

    @pytest.mark.parametrize("verb", Verb)
    def test_a_run_that_does_not_exist_can_only_be_submitted(self, desk: Desk, verb: Verb) -> None:
        lease = forged(UNKNOWN_ID)
        case = Case(desk, UNKNOWN_ID, "f" * 32, lease, lease, held(lease))

        if verb is Verb.SUBMIT:
            (run,) = ACTIONS[verb](case)
            assert {desk.state(run)} == allowed(verb, None)
            return
        try:
            did = ACTIONS[verb](case)
        except NotFound:
            did = None
        else:
            assert verb not in PERSONAL, "a user's verb must raise NotFound for an unknown run"
        assert not did
        assert desk.ids() == []

    def test_a_failure_leads_to_the_states_of_the_table(self, desk: Desk) -> None:
        found = set()
        for what in COMMANDS:
            for budget in (0, 1):
                for retry in (False, True):
                    lease = desk.start(max_failures=budget)
                    desk.ask(lease.run, what)
                    desk.store.finish(lease, Finish(outcome=Outcome.FAILED, retry=retry))
                    found.add(desk.state(lease.run))

        assert found == TRANSITIONS[Verb.FAIL][State.RUNNING]

    def test_a_release_leads_to_the_states_of_the_table(self, desk: Desk) -> None:
        found = set()
        for what in COMMANDS:
            lease = desk.start()
            desk.ask(lease.run, what)
            desk.store.release(lease)
            found.add(desk.state(lease.run))

        assert found == TRANSITIONS[Verb.RELEASE][State.RUNNING]

    def test_a_loss_leads_to_the_states_of_the_table(self, desk: Desk) -> None:
        found = set()
        for what in COMMANDS:
            for budget in (1, 2):
                lease = desk.start(max_losses=budget)
                desk.ask(lease.run, what)
                found.add(desk.lose(lease.run))

        assert found == TRANSITIONS[Verb.REAP][State.RUNNING]

    def test_a_command_never_changes_a_running_run_s_state(self, desk: Desk) -> None:
        lease = desk.start()
        for verb, after in ((desk.store.pause, Command.PAUSE), (desk.store.cancel, Command.CANCEL)):
            assert verb(lease.run) is State.RUNNING
            assert desk.get(lease.run).command is after
