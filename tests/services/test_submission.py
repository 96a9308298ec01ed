"""From user input to runs: seeds, repeats, grids, reruns; one mistake, and no run is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from hyperspace_core.errors import ConfigError, TaskError, UsageError
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.project import Project, open_project
from hyperspace_core.ranges import each
from hyperspace_core.records.run import Metric, NewRun, RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.records.task import Task
from hyperspace_core.results.comparable import experiment_key
from hyperspace_core.submission import (
    BATCH,
    Problem,
    SubmitOptions,
    checked_plan,
    iter_plan,
    plan,
    plan_rerun,
    plan_unseen,
    problem_of_task,
    size_of,
)
from pytest_hyperspace.project import ProjectFolder

UNCHANGED = {"fail": False, "wait": ""}


@pytest.fixture
def lab(project: ProjectFolder) -> Project:
    return open_project("lab", build_manager())


@pytest.fixture
def first(lab: Project) -> Problem:
    return problem_of_task(lab, "first")


def one(lab: Project, problem: Problem, config: Any = None, **wishes: Any) -> NewRun:
    run, = plan(lab, problem, config, SubmitOptions(**wishes))
    return run


def configs(runs: Any) -> list[tuple[Any, ...]]:
    """Class, its number, rate and seed of each run."""
    return [(learner["className"], learner.get("trees"), run.config["rate"], run.seed)
            for run in runs if (learner := run.config["learner"])]


# -- one config ----------------------------------------------------------------------------------------------


def test_a_run_holds_what_was_written_and_what_is_executed(lab: Project, first: Problem) -> None:
    run = one(lab, first, {"learner": "Forest"}, priority=2, tags=["a", "b", "a"], note="n", retries=3)

    assert run.submitted == {"learner": "Forest"}
    assert run.config == {"learner": {"className": "Forest", "trees": 100}, "rate": 0.1} | UNCHANGED
    assert run.scenario == {"className": "Trial", "offset": 0.0}
    assert (run.project, run.task, run.metric, run.seed) == ("lab", "first", Metric(name="score"), 7)
    assert (run.priority, run.tags, run.note, run.max_failures) == (2, ("a", "b"), "n", 3)
    assert run.validated and "@" in run.submitted_by


def test_what_the_user_changes_later_is_not_in_the_plan(lab: Project, first: Problem) -> None:
    written: dict[str, Any] = {"learner": {"className": "Net", "layers": [1, 2]}}
    run = one(lab, first, written)
    written["learner"]["layers"].append(3)

    assert run.submitted["learner"]["layers"] == [1, 2]
    assert run.config is not None and run.config["learner"]["layers"] == [1, 2]


def test_old_spellings_and_former_names_are_read(lab: Project, first: Problem) -> None:
    run = one(lab, first, {"Learner": {"className": "OldForest", "trees": 5}, "Rate": 0.5})

    assert run.config is not None
    assert (run.config["learner"], run.config["rate"]) == ({"className": "Forest", "trees": 5}, 0.5)
    assert run.submitted == {"Learner": {"className": "OldForest", "trees": 5}, "Rate": 0.5}


def test_numbers_of_numpy_are_plain_numbers_in_the_config(lab: Project, first: Problem) -> None:
    forest = {"className": "Forest", "trees": np.int64(3)}
    run = one(lab, first, {"rate": np.float64(0.25), "learner": forest})

    assert run.config is not None
    assert [type(run.config["rate"]), type(run.config["learner"]["trees"])] == [float, int]


def test_every_problem_of_a_config_is_listed_at_once(lab: Project, first: Problem) -> None:
    with pytest.raises(ConfigError) as caught:
        one(lab, first, {"learner": {"className": "Forest", "tress": 3}, "rate": "fast", "fial": True})

    assert len(caught.value.problems) == 3
    assert {problem.partition(":")[0] for problem in caught.value.problems} == {
        "`learner.tress`", "`rate`", "`fial`"}


@pytest.mark.parametrize("config", [[], "Forest", 3])
def test_a_config_that_is_no_dict_is_named(lab: Project, first: Problem, config: Any) -> None:
    with pytest.raises(ConfigError, match="config: expected a dict of hyper-parameters, found"):
        one(lab, first, config)


def test_a_task_that_does_not_exist_is_named_with_the_nearest(lab: Project) -> None:
    with pytest.raises(TaskError, match="no task 'frist' in project 'lab'; did you mean 'first'"):
        problem_of_task(lab, "frist")


# -- options -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wish", "says"), [
    ({"repeats": 0}, "repeats: expected a whole number >= 1, got 0"),
    ({"repeats": 1.5}, "repeats: expected a whole number >= 1, got 1.5"),
    ({"repeats": True}, "repeats: expected a whole number >= 1, got True"),
    ({"retries": -1}, "retries: expected a whole number >= 0, got -1"),
    ({"priority": "high"}, "priority: expected a whole number, got 'high'"),
    ({"note": 3}, "note: expected text, got int 3"),
    ({"tags": ["a", 3]}, "tags: expected text, got int 3"),
])
def test_an_invalid_option_is_refused(wish: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        SubmitOptions(**wish)

    assert str(caught.value) == says


def test_options_may_be_numpy_numbers_and_a_single_tag() -> None:
    wishes = SubmitOptions(repeats=np.int64(3), seed=np.int32(5), priority=np.int64(-1), tags="paper")

    assert wishes == SubmitOptions(repeats=3, seed=5, priority=-1, tags=("paper",))
    assert [type(each) for each in (wishes.repeats, wishes.seed, wishes.priority)] == [int] * 3


# -- seeds ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("task", "config", "given_seed", "seed"), [
    ("first", {}, None, 7),
    ("first", {"seed": 5}, None, 5),
    ("first", {"seed": 5}, 3, 3),
    ("first", {}, 0, 0),
    ("unseeded", {"seed": 0}, None, 0),
])
def test_seeds_precede_submission_config_task(
        lab: Project, task: str, config: dict[str, Any], given_seed: int | None, seed: int) -> None:
    run = one(lab, problem_of_task(lab, task), config, seed=given_seed)

    assert run.seed == seed
    assert run.config is not None and "seed" not in run.config


def test_without_any_seed_one_is_drawn_for_each_submission(lab: Project) -> None:
    problem = problem_of_task(lab, "unseeded")
    seeds = {one(lab, problem).seed for _ in range(5)}

    assert len(seeds) > 1
    assert all(isinstance(seed, int) and 0 <= seed < 2**32 for seed in seeds)


def test_a_function_that_asks_for_the_seed_gets_the_run_s(lab: Project) -> None:
    problem = problem_of_task(lab, "train")
    runs = plan(lab, problem, {"lr": 0.5}, SubmitOptions(seed=3, repeats=2))

    assert [run.config for run in runs] == [{"lr": 0.5, "seed": 3}, {"lr": 0.5, "seed": 4}]
    assert one(lab, problem, {"seed": 9}).config == {"lr": 0.1, "seed": 9}


def test_repeats_of_different_configs_pair_up(lab: Project) -> None:
    problem = problem_of_task(lab, "unseeded")
    runs = list(iter_plan(lab, problem, {"rate": [0.1, 0.2]}, SubmitOptions(repeats=3)))

    drawn = runs[0].seed
    assert drawn is not None
    assert [run.seed for run in runs] == [(drawn + i) % 2**32 for i in (0, 1, 2)] * 2
    assert len({run.uid for run in runs}) == 6


def test_seeds_of_repeats_begin_again_at_the_end_of_the_range(lab: Project, first: Problem) -> None:
    runs = plan(lab, first, {}, SubmitOptions(seed=2**32 - 1, repeats=2))

    assert [run.seed for run in runs] == [2**32 - 1, 0]


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, True, "7"])
def test_an_invalid_seed_is_refused_in_every_place(
        lab: Project, first: Problem, seed: Any) -> None:
    for attempt in (lambda: SubmitOptions(seed=seed), lambda: one(lab, first, {"seed": seed}),
                    lambda: list(iter_plan(lab, first, {"seed": [1, seed]}, SubmitOptions()))):
        with pytest.raises(ConfigError, match=r"seed`?: expected a whole number from 0 to 4294967295"):
            attempt()


# -- grids ---------------------------------------------------------------------------------------------------


GRID = {"learner": [{"className": "Forest", "trees": [1, 2]}, "Net"], "rate": [0.1, 0.2]}


def test_a_grid_s_first_key_varies_slowest_and_repeats_fastest(lab: Project, first: Problem) -> None:
    runs = list(iter_plan(lab, first, GRID, SubmitOptions(repeats=2)))

    assert configs(runs) == [
        (name, trees, rate, seed) for name, trees in (("Forest", 1), ("Forest", 2), ("Net", None))
        for rate in (0.1, 0.2) for seed in (7, 8)
    ]
    assert size_of(lab, first, GRID, SubmitOptions(repeats=2)) == len(runs) == 12


def test_seeds_in_a_grid_are_alternatives_like_any_other(lab: Project, first: Problem) -> None:
    for seeds in ([1, 2], (1, 2), each(1, 2), [np.int64(1), np.int64(2)]):
        runs = list(iter_plan(lab, first, {"rate": [0.1, 0.2], "seed": seeds}, SubmitOptions()))
        assert [(run.config["rate"], run.seed) for run in runs if run.config] == [
            (0.1, 1), (0.1, 2), (0.2, 1), (0.2, 2)]
    assert size_of(lab, first, {"rate": [0.1, 0.2], "seed": [1, 2, 3]}, SubmitOptions()) == 6


def test_a_seed_in_the_grid_excludes_another_one(lab: Project, first: Problem) -> None:
    with pytest.raises(UsageError, match="seed 3 and the grid's `seed` contradict each other; give only one"):
        list(iter_plan(lab, first, {"seed": [1, 2]}, SubmitOptions(seed=3)))


@pytest.mark.parametrize("grid", [{"seed": []}, {"rate": []}, {"learner": each()}])
def test_an_empty_list_of_alternatives_leaves_nothing_to_run(
        lab: Project, first: Problem, grid: dict[str, Any]) -> None:
    for planned in (iter_plan, checked_plan):
        with pytest.raises(ConfigError, match="an empty list of alternatives leaves nothing to run"):
            list(planned(lab, first, grid, SubmitOptions()))


def test_a_list_that_is_a_value_is_no_alternative(lab: Project, first: Problem) -> None:
    net = {"className": "Net", "layers": [10, 20]}
    alternatives = {"className": "Net", "layers": each([10], [10, 20])}

    assert size_of(lab, first, {"learner": net}, SubmitOptions()) == 1
    runs = list(iter_plan(lab, first, {"learner": alternatives}, SubmitOptions()))
    assert [run.config["learner"]["layers"] for run in runs if run.config] == [[10], [10, 20]]


def test_one_bad_combination_refuses_the_grid(lab: Project, first: Problem) -> None:
    bad = {"learner": ["Forest", "Net"], "rate": [0.1, "fast"]}
    given_out: list[NewRun] = []
    with pytest.raises(ConfigError, match="`rate`"):
        given_out += checked_plan(lab, first, bad, SubmitOptions())

    assert given_out == []


def test_a_large_grid_is_checked_first_and_not_held_in_memory(
        lab: Project, first: Problem) -> None:
    rates: list[Any] = [i / 1000 for i in range(BATCH)]
    looked_at = 0

    def watch(runs: Iterator[NewRun]) -> Iterator[NewRun]:
        nonlocal looked_at
        for run in runs:
            looked_at += 1
            yield run

    runs = checked_plan(lab, first, {"rate": [*rates, 2.0]}, SubmitOptions(), watch)
    assert looked_at == BATCH + 1
    assert not isinstance(runs, list)
    assert [run.config["rate"] for run in runs if run.config] == [*rates, 2.0]
    with pytest.raises(ConfigError, match="`rate`"):
        checked_plan(lab, first, {"rate": [*rates, "last"]}, SubmitOptions())


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=4, unique=True),
       st.lists(st.floats(0, 1), min_size=1, max_size=3, unique=True), st.integers(1, 3),
       st.integers(0, 2**32 - 1))
def test_the_size_of_a_grid_is_the_number_of_its_runs(
        planned: Any, trees: list[int], rates: list[float], repeats: int, seed: int) -> None:
    lab, problem = planned
    grid = {"learner": {"className": "Forest", "trees": trees}, "rate": rates}
    wishes = SubmitOptions(repeats=repeats, seed=seed)
    runs = list(iter_plan(lab, problem, grid, wishes))

    assert len(runs) == size_of(lab, problem, grid, wishes) == len(trees) * len(rates) * repeats
    assert len({experiment_key(run) for run in runs}) == len(runs)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Problem]]:
    """A project that stays open for all examples of a test."""
    from pytest_hyperspace.project import make_project
    from support.learners import FILES

    folder = make_project(tmp_path_factory.mktemp("planned"), name="lab", files=FILES)
    with pytest.MonkeyPatch.context() as patch:
        folder.activate(patch)
        lab = open_project("lab", build_manager())
        yield lab, problem_of_task(lab, "first")


# -- again ---------------------------------------------------------------------------------------------------


def past(run: NewRun, number: int = 42) -> RunRecord:
    """The record of a run that has been stored."""
    return RunRecord(id=number, uid=run.uid, project=run.project, task=run.task, state=State.COMPLETED,
                     submitted=run.submitted, scenario=run.scenario, config=run.config, metric=run.metric,
                     seed=run.seed)


def test_a_rerun_changes_what_it_names_and_keeps_everything_else(lab: Project, first: Problem) -> None:
    record = past(one(lab, first, {"learner": {"className": "Forest", "trees": 5}, "rate": 0.5}, seed=3))
    again, = plan_rerun(lab, record, {"learner": {"trees": 500}}, SubmitOptions())

    assert again.config == {"learner": {"className": "Forest", "trees": 500}, "rate": 0.5} | UNCHANGED
    assert (again.parent, again.seed, again.scenario, again.metric) == (42, 3, record.scenario, record.metric)
    assert again.submitted == {"learner": {"className": "Forest", "trees": 500}, "rate": 0.5}
    assert again.uid != record.uid


def test_a_rerun_with_another_class_drops_old_parameters(lab: Project, first: Problem) -> None:
    record = past(one(lab, first, {"learner": {"className": "Forest", "trees": 5}}))
    for change in ("Net", {"className": "Net"}):
        again, = plan_rerun(lab, record, {"learner": change}, SubmitOptions())
        assert again.config is not None
        assert again.config["learner"] == {"className": "Net", "layers": [10], "dropout": 0.5}


def test_a_rerun_takes_a_seed_from_the_changes_or_beside_them(lab: Project, first: Problem) -> None:
    record = past(one(lab, first, {}, seed=3))

    assert [run.seed for run in plan_rerun(lab, record, None, SubmitOptions(repeats=2))] == [3, 4]
    assert [run.seed for run in plan_rerun(lab, record, {"seed": 9}, SubmitOptions())] == [9]
    assert [run.seed for run in plan_rerun(lab, record, {"seed": 9}, SubmitOptions(seed=1))] == [1]


def test_a_rerun_of_a_function_hands_its_seed_over_again(lab: Project) -> None:
    record = past(one(lab, problem_of_task(lab, "train"), {"lr": 0.5}, seed=3))

    for wishes, seed in ((SubmitOptions(), 3), (SubmitOptions(seed=8), 8)):
        again, = plan_rerun(lab, record, None, wishes)
        assert again.config == {"lr": 0.5, "seed": seed}


def test_changes_of_a_rerun_are_checked_like_any_config(lab: Project, first: Problem) -> None:
    record = past(one(lab, first))
    with pytest.raises(ConfigError, match=r"`learner\.tress`"):
        plan_rerun(lab, record, {"learner": {"tress": 3}}, SubmitOptions())


def test_an_incomplete_run_cannot_be_rerun(lab: Project) -> None:
    record = RunRecord(id=9, uid="u", project="lab", task="first", state=State.QUEUED)
    with pytest.raises(ConfigError, match="run 9 never started and its project was not installed"):
        plan_rerun(lab, record, None, SubmitOptions())


# -- where the project is not installed ----------------------------------------------------------------------


TASK = Task(name="first", scenario={"className": "Trial"}, metric=Metric(name="score"), seed=7)


def test_an_unseen_run_is_kept_as_it_was_written(project: ProjectFolder) -> None:
    run, = plan_unseen("lab", "first", TASK, {"Learner": "Forest"},
                       SubmitOptions(priority=1, tags="t", retries=2))

    assert (run.submitted, run.config, run.validated) == ({"Learner": "Forest"}, None, False)
    assert (run.scenario, run.metric, run.seed) == (TASK.scenario, TASK.metric, 7)
    assert (run.priority, run.tags, run.max_failures) == (1, ("t",), 2)


def test_an_unseen_run_without_a_seed_takes_the_tasks_seed() -> None:
    run, = plan_unseen("lab", "first", None, None, SubmitOptions())
    seeded, = plan_unseen("lab", "first", None, {"seed": 3}, SubmitOptions())
    wished, = plan_unseen("lab", "first", None, {"seed": 3}, SubmitOptions(seed=1))

    assert (run.seed, run.scenario, run.metric) == (None, None, Metric())
    assert (seeded.seed, wished.seed) == (3, 1)


def test_unseen_repeats_differ_in_their_seeds() -> None:
    runs = plan_unseen("lab", "first", None, {}, SubmitOptions(repeats=3))

    drawn = runs[0].seed
    assert drawn is not None
    assert [run.seed for run in runs] == [(drawn + i) % 2**32 for i in range(3)]
    assert len({run.uid for run in runs}) == 3


def test_an_unseen_task_has_a_name_that_a_task_can_have() -> None:
    with pytest.raises(TaskError, match=r"task name '\.\./up'"):
        plan_unseen("lab", "../up", None, {}, SubmitOptions())
