"""`hyperspace queue cancel|pause|resume --search`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hyperspace_core.errors import ExitCode
from hyperspace_core.records.search import SearchState
from hyperspace_core.records.states import State
from pytest_hyperspace.stores.harness import Harness
from support.commands import Answer
from support.searching import new_search, proposed

Typed = Callable[..., Answer]


def test_cancelling_a_search_cancels_its_runs_and_no_others(typed: Typed, harness: Harness) -> None:
    search, other = new_search(harness.store, harness.project), harness.submit()
    waits, runs = proposed(harness, search), proposed(harness, search)
    harness.take(runs)

    plan = typed("queue", "cancel", "--search", search, "--dry-run")
    assert plan.out == "would cancel search 1 (task, OPEN), and 2 runs with it\n"
    assert harness.store.get_search(search).state is SearchState.OPEN
    answer = typed("queue", "cancel", "--search", search)

    assert answer.out == "search 1: ENDED, and 2 runs with it\n"
    assert harness.store.get_search(search).reason == "cancelled"
    assert (harness.state(waits), harness.get(runs).command, harness.state(other)) == (
        State.CANCELLED, "cancel", State.QUEUED)


def test_a_search_is_paused_and_resumed(typed: Typed, harness: Harness) -> None:
    search = new_search(harness.store, harness.project)
    waits = proposed(harness, search)

    assert typed("queue", "pause", "--search", search, "--dry-run").out == (
        "would pause search 1 (task, OPEN)\n")
    assert typed("queue", "pause", "--search", search).out == (
        "search 1: PAUSED; the runs that it has proposed continue\n")
    assert harness.state(waits) is State.QUEUED
    assert typed("queue", "resume", "--search", search, "--dry-run").out == (
        "would resume search 1 (task, PAUSED)\n")
    assert typed("queue", "resume", "--search", search).out == "search 1: OPEN\n"
    assert harness.store.get_search(search).state is SearchState.OPEN


@pytest.mark.parametrize(("verb", "code", "cure"), [
    ("cancel", ExitCode.REFUSED, "search 1 is ENDED (by hand), and its runs have ended"),
    ("pause", ExitCode.REFUSED, "search 1 is ENDED (by hand): only an open search can be paused"),
])
def test_verbs_on_an_ended_search_are_refused(typed: Typed, harness: Harness, verb: str, code: ExitCode,
                                              cure: str) -> None:
    harness.store.end_search(new_search(harness.store, harness.project), "by hand")

    for words in ((), ("--dry-run",)):
        answer = typed("queue", verb, "--search", 1, *words, expect=code)
        assert (answer.out, answer.err) == ("", f"error: {cure}\n")


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume"])
def test_search_verbs_refuse_other_filters(typed: Typed, harness: Harness, verb: str) -> None:
    search = new_search(harness.store, harness.project)

    part = typed("queue", verb, "--search", search, "--status", "queued", expect=ExitCode.USAGE)
    none = typed("queue", verb, "--search", 7, expect=ExitCode.NOT_FOUND)

    assert "--search and --status contradict each other" in part.err
    assert "no search 7" in none.err
    assert harness.store.get_search(search).state is SearchState.OPEN


def test_a_printed_command_repeats_the_typed_store(typed: Typed, harness: Harness, url: str) -> None:
    harness.store.end_search(new_search(harness.store, harness.project), "by hand")

    answer = typed("queue", "resume", "--search", 1, "--storage", url, expect=ExitCode.REFUSED)

    assert "a larger budget resumes it, as in `hyperspace tune --resume 1 --runs 100" in answer.err
    assert answer.err.endswith(f" --storage {url}`\n")
