"""What commands without a plugin show of searches and take from them."""

from __future__ import annotations

from collections.abc import Callable

from hyperspace_core.execution.identity import this_process
from pytest_hyperspace.stores.harness import Harness
from support.commands import Answer, present
from support.searching import new_search, proposed

Typed = Callable[..., Answer]


def test_other_verbs_take_the_runs_of_a_search(typed: Typed, harness: Harness) -> None:
    search, other = new_search(harness.store, harness.project), harness.submit()
    run = proposed(harness, search)

    typed("queue", "priority", "--search", search, 4)

    assert (harness.get(run).priority, harness.get(other).priority) == (4, 0)


# -- the queue's page ----------------------------------------------------------------------------------------


def test_status_shows_open_searches_without_a_worker(typed: Typed, harness: Harness) -> None:
    search = new_search(harness.store, harness.project)
    harness.store.end_search(new_search(harness.store, harness.project, "ended"), "by hand")

    page = typed("status").out

    assert "Searches\n  search 1  task  Random  0 of 5 runs done  no worker is running\n" in page
    assert "ended" not in page
    line, = typed("status", "--json").json["searches"]
    assert (line["search"]["id"], line["why"]) == (search, "no worker is running")


def test_a_search_of_an_unknown_task_names_the_known_tasks(typed: Typed, harness: Harness) -> None:
    new_search(harness.store, harness.project, "unheard")
    present(harness, this_process("mine"), tasks=("task",))

    assert "no worker knows this task; they know task" in typed("status").out
