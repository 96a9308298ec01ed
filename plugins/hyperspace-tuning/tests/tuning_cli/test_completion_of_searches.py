"""Shell completion of searches, tuners and pruners."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_hyperspace.stores.harness import Harness
from support.searching import new_search

Completed = Callable[..., list[str]]


@pytest.mark.parametrize("line", ["hyperspace searches show ", "hyperspace tune --resume "])
def test_ids_of_searches_the_newest_first(completed: Completed, harness: Harness, line: str) -> None:
    for _ in range(2):
        new_search(harness.store, harness.project)

    assert completed(line) == ["2", "1"]


@pytest.mark.parametrize(("line", "found"), [
    ("hyperspace searches ", ["list", "show"]),
    ("hyperspace tune --project digits --tuner R", ["Random"]),
    ("hyperspace tune --project digits --pruner M", ["Median"]),
])
def test_commands_tuners_and_pruners(completed: Completed, line: str, found: list[str]) -> None:
    assert completed(line) == found
