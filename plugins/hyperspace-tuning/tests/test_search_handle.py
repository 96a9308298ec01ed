"""The handle of a search: progress, control, best config; workers do the runs."""

from __future__ import annotations

import json
from itertools import accumulate
from pathlib import Path

import pytest

from formula_project import MODELS, work
from hyperspace_core.errors import ConfigError, NotFound, Refused, UsageError
from hyperspace_core.records.run import NewRun
from hyperspace_core.records.search import Budget, SearchState
from hyperspace_core.records.states import State
from hyperspace_core.study import Study
from hyperspace_tuning.proposer import Proposer
from hyperspace_tuning.study import Search
from pytest_hyperspace.project import ProjectFolder, forget


@pytest.fixture
def search(study: Study) -> Search:
    return study.tune("main", runs=6, tuner="Random", space={"model": "Tree"})


def test_progress_is_shown_from_the_first_run_to_the_last(study: Study, search: Search) -> None:
    assert repr(search).split("\n")[0] == "search 1 of main by Random: 0 of 6 runs done"
    assert search.best is None
    with pytest.raises(Refused, match="no completed run yet"):
        search.best_config()

    work(study, max_runs=2)
    half = search.progress()
    assert (half.ended, half.over, half.search.state) == (2, False, SearchState.OPEN)
    work(study)

    view = search.progress()
    assert (view.ended, view.over, view.at_work) == (6, True, 0)
    results = [run.result or 0.0 for run in search.runs()]
    assert view.best is not None and view.best.result == max(results)
    assert [run.result for run in view.improvements] == sorted(set(accumulate(results, max)))
    assert "ended: all 6 runs have been proposed" in repr(search)
    assert f"best score {view.best.result:g} (run {view.best.id}" in repr(search)
    assert "<pre>search 1 of main" in search._repr_html_()


def test_the_best_config_is_a_file_that_runs(study: Study, search: Search, tmp_path: Path) -> None:
    work(study)

    path = search.write_best(tmp_path / "best.json")

    best = search.best
    assert best is not None
    assert study.run("main", json.loads(path.read_text()), echo=False).result == best.result
    with pytest.raises(UsageError, match="the file exists already"):
        search.write_best(path)


def test_cancelling_a_search_cancels_its_waiting_runs(study: Study, search: Search) -> None:
    record = search.record
    by_hand = study.submit("main", {"model": "Tree"})
    run = study.store.propose(record.id, 0, _proposal(study, search))

    assert search.cancel() == [run]
    assert search.cancel() == []

    assert (search.record.state, search.record.reason) == (SearchState.ENDED, "cancelled")
    assert study.get(run or 0).state is State.CANCELLED
    assert work(study).states == {by_hand: State.COMPLETED}


def _proposal(study: Study, search: Search) -> NewRun:
    suggestion = Proposer(study.project, search.record).propose(search.record, [], whole=True)
    assert suggestion is not None
    return suggestion.run


def test_it_is_paused_resumed_and_goes_on_with_a_larger_budget(study: Study, search: Search) -> None:
    search.pause()
    assert work(study).states == {}
    search.resume()
    work(study)
    with pytest.raises(UsageError, match="would end at once: all 6 runs have been proposed; "
                                         "name a larger budget"):
        search.resume()
    with pytest.raises(UsageError, match="there is no budget 'run'"):
        search.resume(run=8)

    record = search.resume(runs=8, priority=3)

    assert (record.state, record.budget, record.priority) == (SearchState.OPEN, Budget(runs=8), 3)
    work(study)
    assert [run.uid for run in search.runs()] == [search.record.run_uid(number) for number in range(8)]
    assert search.runs()[-1].priority == 3


def test_runs_by_hand_are_repeated_only_with_another_seed(
        study: Study) -> None:
    for depth in range(1, 10):
        study.run("main", {"model": {"className": "Tree", "depth": depth}}, echo=False)
    search = study.tune("main", runs=3, tuner="Random", space={"model": "Tree"})

    work(study)

    first, *repeats = search.runs()
    assert first.config == {"model": {"className": "Tree", "depth": 10}, "fail": False}
    assert search.record.redrawn > 0
    assert search.record.repeats == 2
    assert first.seed == 7
    assert all(run.seed != 7 for run in repeats)


def test_a_search_of_another_project_is_not_found(study: Study) -> None:
    with pytest.raises(NotFound, match="no search 4 in this store"):
        study.search(4)


def test_resume_names_the_budget_that_is_used_up(study: Study) -> None:
    search = study.tune("main", runs=9, failures=2, tuner="Random", space={"fail": True})
    work(study)
    with pytest.raises(UsageError, match=r"its last 2 runs failed.*name a larger budget, as in 4 failures"):
        search.resume(runs=20)

    assert search.resume(failures=4).state is SearchState.OPEN
    with pytest.raises(UsageError, match="all 2 runs have been proposed; name a larger budget, "
                                         "as in 102 runs"):
        search.resume(runs=2)


def test_a_search_without_ranges_in_the_code_proposes_nothing(
        study: Study, project: ProjectFolder, url: str) -> None:
    number = study.tune("seeded", runs=3, tuner="Random").id
    project.write("models.py", MODELS.replace("rate: Annotated[float, Float(0, 1)]", "rate: float"))
    forget("formula")

    with Study("formula", url) as later:
        work(later)
        assert later.search(number).record.proposed == 0
        with pytest.raises(ConfigError, match="nothing of task 'seeded' is searched"):
            Proposer(later.project, later.search(number).record)
