"""The history of a search: runs of a real project, and those left out."""

from __future__ import annotations

from typing import Any

import pytest

from formula_project import FILES, MODELS
from hyperspace_core.records.run import Finish
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.records.traits import run_traits
from hyperspace_core.results.comparable import CurrentCode, criteria_of, same_behaviour_line
from hyperspace_core.storage import new_token
from hyperspace_core.study import Study
from hyperspace_tuning.history import SeenRuns
from hyperspace_tuning.proposer import Proposer
from hyperspace_tuning.study import Search
from pytest_hyperspace.project import ProjectFolder, forget
from pytest_hyperspace.stores.harness import owner


def tree(depth: int) -> dict[str, Any]:
    return {"model": {"className": "Tree", "depth": depth}}


def line(slope: float) -> dict[str, Any]:
    return {"model": {"className": "Line", "slope": slope}}


def trials_of(seen: SeenRuns) -> list[tuple[Any, ...]]:
    return [(tuple(trial.assignment.values()), trial.state, trial.value) for trial in seen.history.trials]


@pytest.fixture
def search(study: Study) -> Search:
    return study.tune("main", runs=5, tuner="Random")


def finished(study: Study, run: int, finish: Finish) -> None:
    claim = study.store.claim("formula", owner(), new_token(), only=[run])
    assert claim is not None and study.store.finish(claim.lease, finish)


def test_all_runs_of_the_task_count_also_those_by_hand(study: Study, search: Search) -> None:
    study.run("main", tree(4), echo=False)
    study.submit("main", line(2.0))
    study.run("main", tree(5) | {"fail": True}, echo=False)
    study.run("near", tree(6), echo=False)

    seen = search.seen()

    # failed runs had another value than the fixed one
    assert trials_of(seen) == [(("Tree", 4), "completed", 4.0), (("Line", 2.0), "pending", None)]
    assert seen.left_out == {"`fail` another value than the fixed one": 1}
    assert seen.history.trials[0].values == {"score": 4.0, "seconds": 0.5}
    assert seen.summary == ("2 past runs used, 1 queued or running; 1 left out: `fail` another value than "
                            "the fixed one (1)")


def test_diverged_runs_are_failures_and_cancelled_runs_ignored(
        study: Study, search: Search) -> None:
    failed, diverged, pruned, cancelled = (study.submit("main", tree(depth)) for depth in (1, 2, 3, 4))
    assert isinstance(failed, int) and isinstance(diverged, int) and isinstance(pruned, int)
    finished(study, failed, Finish(outcome=Outcome.FAILED, reason="no", retry=False))
    finished(study, diverged, Finish(outcome=Outcome.COMPLETED, result=float("nan"), metrics={}))
    finished(study, pruned, Finish(outcome=Outcome.COMPLETED, result=0.25, reason="pruned", metrics={}))
    assert isinstance(cancelled, int)
    study.queue.cancel(cancelled)

    assert trials_of(search.seen()) == [(("Tree", 1), "failed", None), (("Tree", 2), "failed", None),
                                   (("Tree", 3), "pruned", 0.25)]


def test_values_outside_the_current_ranges_are_left_out(study: Study) -> None:
    for config in (tree(2), tree(11), line(0.001), line(5.0)):
        study.run("main", config, echo=False)
    search = study.tune("main", runs=5, tuner="Random", space={"model": {"slope": {"float": [1, 10]}}})

    seen = search.seen()

    assert trials_of(seen) == [(("Tree", 2), "completed", 2.0), (("Line", 5.0), "completed", 5.0)]
    assert seen.left_out == {"`model.depth` outside its range": 1, "`model.slope` outside its range": 1}


def test_runs_of_other_code_are_not_comparable(study: Study, project: ProjectFolder, url: str) -> None:
    study.run("main", tree(4), echo=False)
    study.run("main", line(4), echo=False)
    project.write("models.py", MODELS.replace("return float(self.depth)", "return float(self.depth * 2)"))
    forget("formula")
    with Study("formula", url) as later:
        seen = later.tune("main", runs=1, tuner="Random").seen()

    assert trials_of(seen) == [(("Line", 4.0), "completed", 4.0)]
    assert seen.left_out == {"Tree had other code": 1}


def test_an_older_run_has_the_default_of_a_newer_parameter(
        study: Study, project: ProjectFolder, url: str) -> None:
    study.run("main", tree(4), echo=False)
    project.write("models.py", MODELS.replace(
        "fail: bool = False)", "fail: bool = False, rate: Annotated[float, Float(0, 1)] = 0.5)"))
    forget("formula")
    with Study("formula", url) as later:           # as the error message advises the author
        runs = run_traits(later.results("main", comparable="all"))
        ((reason,),) = map(criteria_of(runs, CurrentCode(later.project), newest=False).against, runs)
    line = same_behaviour_line(reason.name, reason.was, reason.now)
    tasks = 'register.tasks("formula.tasks")'
    project.write("hyperspace.py", FILES["hyperspace.py"].replace(tasks, f"{tasks}; {line}"))
    forget("formula")

    with Study("formula", url) as later:
        search = later.tune("main", runs=1, tuner="Random")
        assert trials_of(search.seen()) == [(("Tree", 4, 0.5), "completed", 4.0)]
        assert [one.path for one in search.space().dimensions][-1] == "rate"


def test_runs_of_another_problem_are_left_out(
        study: Study, project: ProjectFolder, url: str) -> None:
    search = study.tune("main", runs=5, tuner="Random")
    study.run("main", tree(4), echo=False)
    project.write("tasks/main.json", """
        {"scenario": {"className": "Fit", "offset": 1.0}, "metric": {"name": "score"}}""")
    forget("formula")
    with Study("formula", url) as later:
        later.run("main", tree(5), echo=False)
        old, new = later.search(search.id).seen(), later.tune("main", runs=1, tuner="Random").seen()

    assert trials_of(old) == [(("Tree", 4), "completed", 4.0)]
    assert old.left_out == {"another problem (`offset`)": 1}
    assert trials_of(new) == [(("Tree", 5), "completed", 6.0)]
    assert new.left_out == {"another problem (`offset`)": 1}


def test_runs_of_related_tasks_have_less_weight(study: Study) -> None:
    study.run("near", tree(4), echo=False)
    study.run("main", tree(5), echo=False)
    search = study.tune("main", runs=1, tuner="Random", learn_from=["near"])

    seen = search.seen()

    assert [(trial.weight, trial.value) for trial in seen.history.trials] == [(0.5, 9.0), (1.0, 5.0)]
    assert seen.summary == "2 past runs used, 1 of related tasks"


def test_a_related_task_may_have_another_main_metric(study: Study) -> None:
    study.run("quick", tree(4), echo=False)
    search = study.tune("main", runs=1, tuner="Random", learn_from=["quick"])
    assert [(trial.weight, trial.value) for trial in search.seen().history.trials] == [(0.5, 4.0)]

    lacking = study.submit("quick", tree(5))
    assert isinstance(lacking, int)
    finished(study, lacking, Finish(outcome=Outcome.COMPLETED, result=0.5, metrics={"seconds": 0.5}))

    seen = search.seen()
    assert [trial.value for trial in seen.history.trials] == [4.0]
    assert seen.left_out == {"a task of another metric (`seconds`)": 1}


def test_a_seed_parameter_is_not_searched(study: Study) -> None:
    search = study.tune("seeded", runs=1, tuner="Random", seed=3)
    assert [one.path for one in search.space().dimensions] == ["rate"]
    run = study.run("seeded", {"rate": 0.25}, seed=1, echo=False)

    suggestion = Proposer(study.project, search.record).propose(search.record, [run], whole=True)

    assert suggestion is not None and suggestion.run.seed == 3
    assert suggestion.run.config is not None and suggestion.run.config["seed"] == 3
    assert trials_of(search.seen()) == [((0.25,), "completed", 1.25)]


def test_failures_of_corrected_code_do_not_count(
        study: Study, project: ProjectFolder, url: str) -> None:
    project.write("models.py", MODELS.replace("return float(self.depth)", "return float(self.dpeth)"))
    forget("formula")
    with Study("formula", url) as broken:
        assert broken.run("main", tree(4), echo=False).state is State.FAILED
    project.write("models.py", MODELS)
    forget("formula")

    with Study("formula", url) as mended:
        seen = mended.tune("main", runs=1, tuner="Random").seen()

    assert trials_of(seen) == []
    assert seen.left_out == {"Tree had other code": 1}


def test_a_search_survives_a_renamed_problem_parameter(
        study: Study, project: ProjectFolder, url: str) -> None:
    search = study.tune("near", runs=5, tuner="Random")
    project.write("models.py", MODELS.replace("offset", "shift"))
    project.write("tasks/near.json", """
        {"scenario": {"className": "Fit", "shift": 5.0}, "metric": {"name": "score"}}""")
    tasks = 'register.tasks("formula.tasks")'
    renamed = 'register.migration("shift", rename("offset", "shift", of="Fit"))'
    project.write("hyperspace.py", FILES["hyperspace.py"].replace(
        tasks, f"{tasks}; from hyperspace_core.migrations import rename; {renamed}"))
    forget("formula")

    with Study("formula", url) as later:
        assert later.search(search.id).seen().history.trials == ()
        run = later.run("near", tree(4), echo=False)
        assert [trial.run for trial in later.search(search.id).seen().history.trials] == [run.id]
