"""A store with searches that was written while tuners and pruners were part of core.

`store_before_tuning.db` holds five searches of the project of `formula_project.py`: an ended one with a
pruner, an open one by TPE with two of six runs, and paused ones by GP, CmaEs and Sampler.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from formula_project import work
from hyperspace_core.errors import HyperspaceError
from hyperspace_core.records.search import SearchState
from hyperspace_core.records.states import State
from hyperspace_core.study import Study
from pytest_hyperspace.project import ProjectFolder

FIXTURE = Path(__file__).with_name("store_before_tuning.db")
TUNERS = ["Random", "TPE", "GP", "CmaEs", "Sampler"]


@pytest.fixture
def earlier(tmp_path: Path) -> str:
    """The URL of a copy of the store."""
    shutil.copy(FIXTURE, tmp_path / "earlier.db")
    return f"sqlite:///{tmp_path}/earlier.db"


@pytest.fixture
def study(folder: ProjectFolder, earlier: str) -> Iterator[Study]:
    with Study("formula", earlier) as opened:
        yield opened


def test_all_searches_are_read(study: Study) -> None:
    found = study.searches()

    assert [search.tuner["className"] for search in found] == TUNERS
    ended, unended = found[:2]
    assert (ended.state, ended.reason, ended.note, ended.tags) == (
        SearchState.ENDED, "its 3 runs are proposed", "ended before", ("old",))
    assert ended.pruner == {"className": "Median", "metric": None, "goal": None, "startup_runs": 5,
                            "warmup_steps": 0}
    assert (unended.state, unended.sources, unended.budget.runs) == (SearchState.OPEN, ("near",), 6)
    assert [metric.name for metric in unended.metrics] == ["score", "seconds"]


def test_an_open_search_is_continued_to_its_end(study: Study) -> None:
    search = study.search(2)
    before = [run.uid for run in search.runs()]

    work(study)

    runs = search.runs()
    assert [run.uid for run in runs[:2]] == before
    assert [run.state for run in runs] == [State.COMPLETED] * 6
    assert [run.uid for run in runs] == [search.record.run_uid(number) for number in range(6)]
    assert search.record.state is SearchState.ENDED


@pytest.mark.parametrize("number", [3, 4, 5])
def test_each_stored_tuner_proposes_after_a_resume(study: Study, number: int) -> None:
    study.search(2).pause()
    study.search(number).resume()

    work(study)

    assert [run.state for run in study.search(number).runs()] == [State.COMPLETED] * 2


def test_an_ended_search_is_resumed_with_a_larger_budget(study: Study) -> None:
    study.search(2).pause()
    study.search(1).resume(runs=4)

    work(study)

    assert [run.id for run in study.search(1).runs()][:3] == [1, 2, 3]
    assert study.search(1).record.proposed == 4
    assert study.search(1).space().dimensions


def test_without_its_plugin_a_store_is_read_and_names_the_plugin(folder: ProjectFolder,
                                                                   earlier: str) -> None:
    with Study("formula", earlier, no_plugins=["tuning"]) as study:
        assert len(study.results("main")) == 5
        assert study.store.get_search(2).tuner["className"] == "TPE"
        with pytest.raises(HyperspaceError, match=r"study\.search is in hyperspace-tuning: pip install"):
            study.search(2)
