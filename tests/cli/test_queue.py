"""Tests of `hyperspace queue` and its verbs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hyperspace_core.records.run import WorkerInfo
from hyperspace_core.records.states import Command, State
from pytest_hyperspace.stores.harness import Harness, owner
from support.commands import Answer

Typed = Callable[..., Answer]


def test_the_queue_is_listed_in_claim_order(typed: Typed, harness: Harness) -> None:
    first, second = harness.submit(), harness.submit()
    urgent, resting = harness.submit(priority=5), harness.submit()
    harness.store.pause(resting)
    harness.in_state(State.COMPLETED)

    heads, *rows = typed("queue", "list").columns

    assert heads[:5] == ["run", "task", "state", "priority", "age"]
    assert [row[0] for row in rows] == [str(run) for run in (urgent, first, second, resting)]
    assert rows[0][3] == "5"


def test_a_run_that_no_worker_can_take_says_why(typed: Typed, harness: Harness) -> None:
    harness.submit(task="known")
    harness.submit(task="unknown")
    why_of = {run["task"]: run["why_not"] for run in typed("queue", "list", "--json").json}
    assert set(why_of.values()) == {"no worker is running"}

    harness.store.present(WorkerInfo(owner=owner("w"), project=harness.project, tasks=("known",)))

    why_of = {run["task"]: run["why_not"] for run in typed("queue", "list", "--json").json}
    assert why_of == {"known": None, "unknown": "no worker knows this task; they know known"}
    assert "no worker knows this task; they know known" in typed("queue", "list").out


def test_the_queue_can_be_filtered_and_limited(typed: Typed, harness: Harness) -> None:
    _, second, third = (harness.submit(task=task) for task in ("a", "b", "b"))
    harness.store.pause(third)

    def listed(*options: object) -> list[int]:
        return [run["id"] for run in typed("queue", "list", *options, "--json").json]

    assert listed("--task", "b") == [second, third]
    assert listed("--task", "b", "--limit", 1) == [second]
    assert listed("--status", "paused") == [third]


def test_the_queue_has_no_finished_runs(typed: Typed, harness: Harness) -> None:
    harness.submit()

    answer = typed("queue", "list", "--status", "failed", expect=2)

    assert "--status failed: the queue holds only queued and paused runs" in answer.err
    assert "`hyperspace runs list` lists all" in answer.err


# -- one by one ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "before", "after"), [
    ("pause", State.QUEUED, State.PAUSED),
    ("resume", State.PAUSED, State.QUEUED),
    ("cancel", State.QUEUED, State.CANCELLED),
    ("cancel", State.PAUSED, State.CANCELLED),
    ("requeue", State.COMPLETED, State.QUEUED),
    ("requeue", State.FAILED, State.QUEUED),
    ("requeue", State.CANCELLED, State.QUEUED),
])
def test_a_verb_changes_the_state_a_dry_run_does_not(
        typed: Typed, harness: Harness, verb: str, before: State, after: State) -> None:
    run = harness.in_state(before)

    planned = typed("queue", verb, run, "--dry-run")
    assert planned.out == f"would {verb} run {run} (task, {before})\n"
    assert harness.state(run) is before

    assert typed("queue", verb, run).out == f"run {run}: {after}\n"
    assert harness.state(run) is after


@pytest.mark.parametrize(("verb", "command", "message"), [
    ("cancel", Command.CANCEL, "its worker was asked to stop it"),
    ("pause", Command.PAUSE, "its worker was asked to release it"),
])
def test_a_command_on_a_running_run_reaches_its_worker(typed: Typed, harness: Harness, verb: str,
                                                       command: Command, message: str) -> None:
    run = harness.start().run

    assert typed("queue", verb, run).out == f"run {run}: RUNNING; {message}\n"
    assert harness.get(run).command is command


def test_resuming_withdraws_a_pending_pause(typed: Typed, harness: Harness) -> None:
    run = harness.start().run
    harness.store.pause(run)

    assert typed("queue", "resume", run).out == f"run {run}: RUNNING; its worker continues it\n"
    assert harness.get(run).command is None


@pytest.mark.parametrize(("verb", "state", "why"), [
    ("pause", State.COMPLETED, "only a queued or running run can be paused"),
    ("pause", State.PAUSED, "only a queued or running run can be paused"),
    ("resume", State.QUEUED, "only a paused run can be resumed"),
    ("resume", State.FAILED, "`hyperspace queue requeue 1` queues it again"),
    ("cancel", State.COMPLETED, "it has ended already"),
    ("requeue", State.RUNNING, "it has not ended yet"),
    ("requeue", State.PAUSED, "`hyperspace queue resume 1` resumes it"),
])
def test_a_verb_that_the_state_forbids_is_refused(
        typed: Typed, harness: Harness, verb: str, state: State, why: str) -> None:
    run = harness.in_state(state)

    answer = typed("queue", verb, run, expect=6)

    assert answer.err.startswith(f"error: run {run} is {state}: ")
    assert why in answer.err
    assert answer.out == ""
    assert harness.state(run) is state


def test_other_runs_are_changed_and_each_is_reported(typed: Typed, harness: Harness) -> None:
    first, ended, second = harness.submit(), harness.in_state(State.FAILED), harness.submit()

    answer = typed("queue", "cancel", first, ended, second, expect=6)

    assert answer.out == f"run {first}: CANCELLED\nrun {second}: CANCELLED\n"
    assert answer.err == f"error: run {ended} is FAILED: it has ended already\n"


def test_a_priority_can_be_negative(typed: Typed, harness: Harness) -> None:
    first, second = harness.submit(), harness.submit()

    assert typed("queue", "priority", first, second, 7).out == (
        f"run {first}: priority 7\nrun {second}: priority 7\n")
    typed("queue", "priority", first, -3)

    assert (harness.get(first).priority, harness.get(second).priority) == (-3, 7)
    assert harness.take().lease.run == second


@pytest.mark.parametrize("number", ["x", "1e3", "--fast"])
def test_a_priority_is_a_whole_number(typed: Typed, harness: Harness, number: str) -> None:
    typed("queue", "priority", harness.submit(), number, expect=2)


# -- many ----------------------------------------------------------------------------------------------------


def test_a_filter_applies_a_verb_where_it_is_possible(typed: Typed, harness: Harness) -> None:
    queued = harness.submit_many(2, task="a")
    done, other = harness.in_state(State.COMPLETED, task="a"), harness.submit(task="b")

    answer = typed("queue", "cancel", "--task", "a")

    assert [harness.state(run) for run in queued] == [State.CANCELLED, State.CANCELLED]
    assert (harness.state(done), harness.state(other)) == (State.COMPLETED, State.QUEUED)
    assert answer.err == "1 run that matches is unchanged: 1 COMPLETED\n"


def test_many_runs_are_reported_in_one_line(typed: Typed, harness: Harness) -> None:
    harness.submit_many(30)
    harness.start()

    assert typed("queue", "cancel", "--task", "task", "--dry-run").out == (
        "would cancel 31 runs: 30 QUEUED, 1 RUNNING\n")
    assert typed("queue", "cancel", "--task", "task").out == (
        "30 runs: CANCELLED\n1 run: RUNNING; its worker was asked to stop it\n")


def test_a_filter_without_matches_says_so(typed: Typed, harness: Harness) -> None:
    harness.submit()

    answer = typed("queue", "requeue", "--status", "failed")

    assert (answer.out, answer.err) == ("", "no run matches\n")


def test_a_failed_run_is_requeued(typed: Typed, harness: Harness) -> None:
    run = harness.in_state(State.FAILED)

    typed("queue", "requeue", "--status", "failed", "--since", "1d")

    assert harness.take().lease.run == run
    assert [attempt.number for attempt in harness.get(run).attempts] == [1, 2]


# -- the whole queue -----------------------------------------------------------------------------------------


def test_pausing_the_queue_holds_later_submissions_too(typed: Typed, harness: Harness) -> None:
    before = harness.submit()
    assert typed("queue", "pause", "--all", "--dry-run").out == "the whole queue would be paused\n"
    assert not harness.store.settings(harness.project).paused

    assert typed("queue", "pause", "--all").out == "the whole queue is paused\n"
    after = harness.submit()

    assert harness.claim() is None
    assert [harness.state(run) for run in (before, after)] == [State.QUEUED, State.QUEUED]
    cure = "`hyperspace queue resume --all` resumes it"
    assert typed("queue", "list").err == f"the whole queue is paused; {cure}\n"
    assert typed("queue", "pause", "--all").out == "the whole queue is paused already\n"


def test_pausing_without_runs_suggests_all(typed: Typed, harness: Harness) -> None:
    assert "or select the whole queue with --all" in typed("queue", "pause", expect=2).err
    assert "--all" not in typed("queue", "cancel", expect=2).err


def test_a_paused_run_stays_paused_when_the_queue_resumes(typed: Typed, harness: Harness) -> None:
    resting, run = harness.submit(), harness.submit()
    typed("queue", "pause", resting)
    typed("queue", "pause", "--all")

    assert typed("queue", "resume", "--all").out == "the whole queue is open\n"

    assert harness.take().lease.run == run
    assert harness.state(resting) is State.PAUSED


@pytest.mark.parametrize("verb", ["pause", "resume"])
@pytest.mark.parametrize(("words", "named"), [(("7",), "run 7"), (("--task", "a"), "--task")])
def test_all_and_some_contradict_each_other(typed: Typed, harness: Harness, verb: str, words: tuple[str, ...],
                                            named: str) -> None:
    answer = typed("queue", verb, "--all", *words, expect=2)

    assert f"--all and {named} contradict each other" in answer.err
