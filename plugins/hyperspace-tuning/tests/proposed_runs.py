"""Searches of the project "behaving", and their runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.project import open_project
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.search import Budget, SearchRecord
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_core.submission import SubmitOptions
from hyperspace_tuning.planning import TuneOptions, plan_search
from pytest_hyperspace.project import ProjectFolder
from support.behaving import PROJECT

Start = Callable[..., Any]


NUMBER = {"number": {"float": [0, 1]}}


@pytest.fixture
def tune(store: Store, project: ProjectFolder) -> Callable[..., SearchRecord]:
    """Queue a search of the project as it is on disk."""

    def one(*, space: Any = NUMBER, tuner: Any = "Random", priority: int = 0, task: str = "behave",
            retries: int = 0, **budget: Any) -> SearchRecord:
        opened = open_project(PROJECT, build_manager())
        asked = TuneOptions(budget=Budget(**budget), space=space, tuner=tuner,
                           run_options=SubmitOptions(priority=priority, retries=retries))
        return store.get_search(store.add_search(plan_search(opened, task, asked)))

    return one


def runs_of(store: Store, search: SearchRecord) -> list[RunRecord]:
    return list(store.find(RunFilter(project=PROJECT, search=search.uid), order=ORDER_OLDEST))


def all_there_once(store: Store, search: SearchRecord, count: int) -> list[RunRecord]:
    """Every proposal is one run, completed, and no two are the same."""
    runs = runs_of(store, search)
    assert [run.uid for run in runs] == [search.run_uid(number) for number in range(count)]
    assert {run.state for run in runs} == {State.COMPLETED}
    numbers = [(run.config or {})["number"] for run in runs]
    assert len(set(numbers)) == count
    assert [run.result for run in runs] == numbers
    return runs
