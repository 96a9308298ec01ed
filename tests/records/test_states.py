"""The table of transitions: consistent, and obeyed by the functions that choose the next state."""

from __future__ import annotations

from itertools import product

import pytest

from hyperspace_core.errors import Refused
from hyperspace_core.records.states import (
    TERMINAL,
    TRANSITIONS,
    Command,
    Outcome,
    State,
    Verb,
    after_failure,
    after_finish,
    after_reap,
    after_release,
    allowed,
    next_state,
    reason_of_reap,
)

COMMANDS = (None, Command.PAUSE, Command.CANCEL)
COUNTS = range(5)
BUDGETS = range(5)


def test_every_verb_has_its_row() -> None:
    assert set(TRANSITIONS) == set(Verb)


@pytest.mark.parametrize("verb", Verb)
def test_a_row_names_states_before_and_after(verb: Verb) -> None:
    for before, after in TRANSITIONS[verb].items():
        assert after and after <= set(State)
        assert (before is None) == (verb is Verb.SUBMIT)


@pytest.mark.parametrize(("verb", "before"), list(product(Verb, [None, *State])))
def test_transitions_outside_the_table_are_refused(verb: Verb, before: State | None) -> None:
    assert allowed(verb, before) == TRANSITIONS[verb].get(before, frozenset())
    assert bool(allowed(verb, before)) == (before in TRANSITIONS[verb])


def test_three_states_are_terminal() -> None:
    assert {state for state in State if state.terminal} == TERMINAL
    assert sorted(TERMINAL) == [State.CANCELLED, State.COMPLETED, State.FAILED]


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_only_requeue_leaves_a_terminal_state(state: State) -> None:
    leaving = {verb for verb in Verb if allowed(verb, state) - {state}}

    assert leaving == {Verb.REQUEUE}
    assert allowed(Verb.REQUEUE, state) == {State.QUEUED}


def test_a_run_starts_by_a_claim_or_by_the_return_of_its_owner() -> None:
    starting = {verb for verb, row in TRANSITIONS.items()
                for before, after in row.items() if State.RUNNING in after and before is not State.RUNNING}

    assert starting == {Verb.CLAIM, Verb.READOPT}
    assert all(TRANSITIONS[verb].keys() == {State.QUEUED} for verb in starting)


def test_every_state_is_reached_and_every_run_can_end() -> None:
    steps = {before: set().union(*(allowed(verb, before) for verb in Verb)) for before in (None, *State)}

    reached = reachable(None, steps)
    assert reached == set(State)
    assert all(reachable(state, steps) & TERMINAL for state in State)


def reachable(start: State | None, steps: dict[State | None, set[State]]) -> set[State]:
    found: set[State] = set()
    new = set(steps[start])
    while new:
        found |= new
        new = set().union(*(steps[state] for state in new)) - found
    return found


def test_reaping_reaches_exactly_the_states_in_the_table() -> None:
    found = {after_reap(command, losses, budget)
             for command, losses, budget in product(COMMANDS, COUNTS, BUDGETS)}

    assert found == TRANSITIONS[Verb.REAP][State.RUNNING]


def test_releasing_reaches_exactly_the_states_in_the_table() -> None:
    assert {after_release(command) for command in COMMANDS} == TRANSITIONS[Verb.RELEASE][State.RUNNING]


def test_failing_reaches_exactly_the_states_in_the_table() -> None:
    found = {after_failure(command, failures, budget)
             for command, failures, budget in product(COMMANDS, COUNTS, BUDGETS)}

    assert found == TRANSITIONS[Verb.FAIL][State.RUNNING]


def test_an_accepted_cancel_never_returns_to_the_queue() -> None:
    found = {after_release(Command.CANCEL)}
    for count, budget in product(COUNTS, BUDGETS):
        found |= {after_reap(Command.CANCEL, count, budget), after_failure(Command.CANCEL, count, budget)}

    assert found <= TERMINAL


@pytest.mark.parametrize(("losses", "expected"), [(1, State.QUEUED), (2, State.QUEUED), (3, State.FAILED)])
def test_the_third_of_three_losses_is_the_last(losses: int, expected: State) -> None:
    assert after_reap(None, losses, max_losses=3) is expected


@pytest.mark.parametrize(("failures", "expected"), [(1, State.QUEUED), (2, State.QUEUED), (3, State.FAILED)])
def test_two_failures_are_retried_and_the_third_is_not(failures: int, expected: State) -> None:
    assert after_failure(None, failures, max_failures=2) is expected


def test_without_retries_the_first_failure_is_final() -> None:
    assert after_failure(None, 1, max_failures=0) is State.FAILED


def test_a_pause_takes_effect_when_the_attempt_ends() -> None:
    assert after_release(Command.PAUSE) is State.PAUSED
    assert after_reap(Command.PAUSE, 1, 3) is State.PAUSED
    assert after_reap(Command.PAUSE, 3, 3) is State.FAILED
    assert after_failure(Command.PAUSE, 1, 1) is State.PAUSED
    assert after_failure(Command.PAUSE, 1, 0) is State.FAILED


@pytest.mark.parametrize(("outcome", "retry", "expected"), [
    (Outcome.COMPLETED, True, (State.COMPLETED, 1)),
    (Outcome.CANCELLED, True, (State.CANCELLED, 1)),
    (Outcome.FAILED, True, (State.QUEUED, 2)),
    (Outcome.FAILED, False, (State.FAILED, 2)),
])
def test_only_a_failure_counts_as_one(outcome: Outcome, retry: bool, expected: tuple[State, int]) -> None:
    assert after_finish(outcome, None, failures=1, max_failures=2, retry=retry) == expected


def test_a_reaped_run_that_stays_runnable_has_no_reason() -> None:
    assert reason_of_reap(State.FAILED, 3) == "worker lost 3 times"
    assert reason_of_reap(State.QUEUED, 1) is None


def test_a_refused_request_names_state_and_remedy() -> None:
    assert next_state(7, State.PAUSED, Verb.RESUME) is State.QUEUED
    with pytest.raises(Refused, match="run 7 is COMPLETED: only a paused run"):
        next_state(7, State.COMPLETED, Verb.RESUME)
