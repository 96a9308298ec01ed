"""The table `records.states.TRANSITIONS`, verb by verb and state by state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from hyperspace_core.errors import NotFound, Refused
from hyperspace_core.plugin import states
from hyperspace_core.records import Command, Finish, Held, Lease, Outcome, State, Verb
from pytest_hyperspace.stores.base import StoreTests
from pytest_hyperspace.stores.harness import (
    CANCELLED,
    COMMANDS,
    COMPLETED,
    FAILED,
    UNKNOWN_ID,
    Harness,
    forged,
    new_run,
    owner,
)

PERSONAL = [Verb.CANCEL, Verb.PAUSE, Verb.RESUME, Verb.REQUEUE]
OWNERS = [verb for verb in Verb if verb not in (*PERSONAL, Verb.SUBMIT)]


@dataclass(frozen=True)
class Case:
    """A run in some state, the caller of the verb, its former owner, and an observation of its lease."""

    harness: Harness
    run: int
    uid: str
    lease: Lease
    zombie: Lease
    seen: Held


def held(lease: Lease, beat: int = 1) -> Held:
    return Held(run=lease.run, attempt=lease.attempt, token=lease.token, beat=beat, owner=owner())


# each returns whether it changed something
ACTIONS: dict[Verb, Callable[[Case], Any]] = {
    Verb.SUBMIT: lambda case: case.harness.store.submit([new_run(uid=case.uid)]),
    Verb.CLAIM: lambda case: case.harness.claim(case.run),
    Verb.BEAT: lambda case: case.harness.store.beat(case.lease).held,
    Verb.COMPLETE: lambda case: case.harness.store.finish(case.lease, COMPLETED),
    Verb.FAIL: lambda case: case.harness.store.finish(case.lease, FAILED),
    Verb.CANCELLED: lambda case: case.harness.store.finish(case.lease, CANCELLED),
    Verb.RELEASE: lambda case: case.harness.store.release(case.lease),
    Verb.REAP: lambda case: case.harness.store.reap(case.seen),
    Verb.LATE: lambda case: case.harness.store.late(case.lease, COMPLETED),
    Verb.READOPT: lambda case: case.harness.store.readopt(case.zombie, owner("again")),
    Verb.CANCEL: lambda case: case.harness.store.cancel(case.run),
    Verb.PAUSE: lambda case: case.harness.store.pause(case.run),
    Verb.RESUME: lambda case: case.harness.store.resume(case.run),
    Verb.REQUEUE: lambda case: case.harness.store.requeue(case.run),
}


def case_in(harness: Harness, state: State) -> Case:
    """A run in this state whose first owner was reaped. A running one has a new owner."""
    zombie = harness.start()
    seen = harness.held(zombie.run)
    harness.lose(zombie.run)
    lease = harness.bring(zombie.run, state)
    if state is State.RUNNING and lease is not None:
        return Case(harness, zombie.run, harness.get(zombie.run).uid, lease, zombie, harness.held(zombie.run))
    return Case(harness, zombie.run, harness.get(zombie.run).uid, zombie, zombie, seen)


class TransitionTests(StoreTests):
    @pytest.mark.parametrize("state", State)
    @pytest.mark.parametrize("verb", PERSONAL)
    def test_users_can_do_what_the_table_allows(self, harness: Harness, verb: Verb, state: State) -> None:
        case = case_in(harness, state)
        before = harness.picture(case.run)
        may = states.allowed(verb, state)

        if may:
            assert ACTIONS[verb](case) is harness.state(case.run)
            assert harness.state(case.run) in may
        else:
            with pytest.raises(Refused, match=f"(?i){state}"):
                ACTIONS[verb](case)
            assert harness.picture(case.run) == before

    @pytest.mark.parametrize("state", State)
    @pytest.mark.parametrize("verb", OWNERS)
    def test_workers_can_do_what_the_table_allows(self, harness: Harness, verb: Verb, state: State) -> None:
        case = case_in(harness, state)
        before = harness.picture(case.run)
        may = states.allowed(verb, state)

        did = ACTIONS[verb](case)

        if may:
            assert did and harness.state(case.run) in may
        else:
            assert not did
            assert harness.picture(case.run) == before

    @pytest.mark.parametrize("state", State)
    def test_a_known_run_is_not_submitted_again(self, harness: Harness, state: State) -> None:
        case = case_in(harness, state)
        before = harness.picture(case.run)

        assert states.allowed(Verb.SUBMIT, state) == frozenset()
        assert ACTIONS[Verb.SUBMIT](case) == [case.run]
        assert harness.picture(case.run) == before

    @pytest.mark.parametrize("verb", Verb)
    def test_a_run_that_does_not_exist_can_only_be_submitted(self, harness: Harness, verb: Verb) -> None:
        lease = forged(UNKNOWN_ID)
        case = Case(harness, UNKNOWN_ID, "f" * 32, lease, lease, held(lease))

        if verb is Verb.SUBMIT:
            (run,) = ACTIONS[verb](case)
            assert {harness.state(run)} == states.allowed(verb, None)
            return
        try:
            did = ACTIONS[verb](case)
        except NotFound:
            did = None
        else:
            assert verb not in PERSONAL, "a user's verb must raise NotFound for an unknown run"
        assert not did
        assert harness.ids() == []

    def test_a_failure_leads_to_the_states_of_the_table(self, harness: Harness) -> None:
        found = set()
        for what in COMMANDS:
            for budget in (0, 1):
                for retry in (False, True):
                    lease = harness.start(max_failures=budget)
                    harness.ask(lease.run, what)
                    harness.store.finish(lease, Finish(outcome=Outcome.FAILED, retry=retry))
                    found.add(harness.state(lease.run))

        assert found == states.TRANSITIONS[Verb.FAIL][State.RUNNING]

    def test_a_release_leads_to_the_states_of_the_table(self, harness: Harness) -> None:
        found = set()
        for what in COMMANDS:
            lease = harness.start()
            harness.ask(lease.run, what)
            harness.store.release(lease)
            found.add(harness.state(lease.run))

        assert found == states.TRANSITIONS[Verb.RELEASE][State.RUNNING]

    def test_a_loss_leads_to_the_states_of_the_table(self, harness: Harness) -> None:
        found = set()
        for what in COMMANDS:
            for budget in (1, 2):
                lease = harness.start(max_losses=budget)
                harness.ask(lease.run, what)
                found.add(harness.lose(lease.run))

        assert found == states.TRANSITIONS[Verb.REAP][State.RUNNING]

    def test_a_command_never_changes_a_running_run_s_state(self, harness: Harness) -> None:
        lease = harness.start()
        for verb, after in ((harness.store.pause, Command.PAUSE), (harness.store.cancel, Command.CANCEL)):
            assert verb(lease.run) is State.RUNNING
            assert harness.get(lease.run).command is after
