"""Check of past runs against changed code: one finding for each breaking change."""

from __future__ import annotations

from typing import Any

import pytest

from farm import DEPTH, PROJECT, declaring, parts
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.states import State
from hyperspace_core.study import Study
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker
from hyperspace_migrate.check import CheckReport, check_project
from hyperspace_migrate.plan import apply_plan, plan_backfill
from support.openings import Open

FOREST = {"className": "Forest", "trees": 5}
RENAMED = parts().replace("trees", "n").replace("Line", "Slope")
RENAMES = declaring('register.migration("n", rename("trees", "n", of="Forest"), '
                    'rename_class("Line", "Slope"))')
MORE_TREES = ("] = 100", "] = 200")


def checked(study: Study) -> CheckReport:
    return check_project(study.project, study.store, RunFilter(project=PROJECT))


def findings(study: Study) -> list[tuple[str, str, int, int]]:
    return [(one.kind, one.where, one.runs, one.last) for one in checked(study).findings]


def hints(study: Study) -> list[tuple[str, str, int]]:
    return [(one.kind, one.where, one.runs) for one in checked(study).hints]


def with_runs(opened: Open, *configs: dict[str, Any]) -> Study:
    study = opened()
    for config in configs:
        study.run("trial", config)
    return study


def test_without_changes_there_are_no_findings(opened: Open) -> None:
    study = with_runs(opened, {}, {"learner": "Vote"}, {"learner": FOREST})

    assert checked(study) == CheckReport(looked_at=3, findings=(), hints=())


# -- findings ------------------------------------------------------------------------------------------------

def test_a_changed_default_is_found_in_runs_that_used_it(opened: Open) -> None:
    with_runs(opened, {"learner": "Forest"}, {"learner": FOREST}, {"learner": "Forest", "rate": 1.0},
              {"learner": "Line"})
    study = opened({"parts.py": parts(MORE_TREES)})
    [only] = checked(study).findings

    assert only.line == (
        "Forest.trees: the default was 100 in 2 runs (last: run 3) and is 200 now; give the new behaviour "
        'its own name, or declare the change: register.new_default(Forest, "trees", old=100)')


def test_an_explicit_old_default_does_not_count(opened: Open) -> None:
    with_runs(opened, {"learner": {"className": "Forest", "trees": 100}})

    assert findings(opened({"parts.py": parts(MORE_TREES)})) == []


def test_an_object_default_differs_from_the_class_default(opened: Open) -> None:
    with_runs(opened, {}, {"learner": {"rule": "x"}}, {"learner": "Forest"})
    study = opened({"parts.py": parts(("Forest(trees=50)", "Forest(trees=60)"))})

    assert findings(study) == [("default", "Forest.trees", 2, 2)]


def test_another_class_as_the_default_is_a_changed_default(opened: Open) -> None:
    with_runs(opened, {}, {"learner": "Forest"})
    study = opened({"parts.py": parts(("Forest(trees=50)", "Line()"))})
    [only] = checked(study).findings

    assert only.where == "Trial.single_run.learner" and only.runs == 1
    assert 'the default was "Forest" in 1 run (last: run 1) and is "Line" now' in only.line


def test_a_changed_list_of_components_is_one_changed_default(opened: Open) -> None:
    with_runs(opened, {"learner": "Vote"}, {"learner": {"className": "Vote", "members": ["Line"]}})
    study = opened({"parts.py": parts(("Forest(trees=5)", "Forest(trees=6)"))})

    assert findings(study) == [("default", "Vote.members", 1, 1)]


def test_dataclass_and_scenario_defaults_are_checked(opened: Open) -> None:
    with_runs(opened, {"learner": FOREST})
    study = opened({"parts.py": parts(("depth: int = 3", "depth: int = 4"),
                                      ("rows: int = 10", "rows: int = 11"))})

    assert findings(study) == [("default", "Forest.limits.depth", 1, 1), ("default", "Trial.rows", 1, 1)]
    assert [one.cure.rpartition("register.")[2] for one in checked(study).findings] == [
        'new_default(Limits, "depth", old=3)', 'new_default(Trial, "rows", old=10)']


def test_values_of_the_task_file_are_not_defaults(opened: Open) -> None:
    with_runs(opened, {})
    study = opened({"tasks/trial.json": '{"scenario": {"className": "Trial", "rows": 12}, '
                                        '"metric": {"name": "score"}}'})

    assert findings(study) == []


def test_a_removed_default_counts_as_changed(opened: Open) -> None:
    with_runs(opened, {"learner": FOREST})
    study = opened({"parts.py": parts(("rate: float = 0.1", "*, rate: float"))})
    [only] = checked(study).findings

    assert "the default was 0.1 in 1 run (last: run 1) and it has none now" in only.line


def test_an_integer_default_equals_the_same_float(opened: Open) -> None:
    with_runs(opened, {"learner": "Forest"})
    study = opened({"parts.py": parts(("Annotated[int, Int(1, 1000)] = 100", "float = 100.0"))})

    assert findings(study) == []


def test_a_removed_parameter_is_found(opened: Open) -> None:
    with_runs(opened, {"learner": FOREST}, {"learner": "Forest"}, {"learner": "Vote"})
    study = opened({"parts.py": parts().replace("trees", "n")})

    assert findings(study) == [("parameter", "Forest.trees", 3, 3)]
    assert hints(study) == [("code", "Trial", 3)]
    assert checked(study).findings[0].line == (
        "Forest.trees: is gone, but set in 3 runs (last: run 3); declare what replaced it: "
        'register.migration("…", rename("trees", "…", of="Forest"))')


def test_a_removed_class_is_found_unless_it_has_an_alias(opened: Open) -> None:
    with_runs(opened, {"learner": "Line"}, {"learner": {"className": "Vote", "members": ["Line"]}})
    renamed = parts((", Line()]", ", Slope()]")).replace("class Line", "class Slope")
    study = opened({"parts.py": renamed})
    [only] = [one for one in checked(study).findings if one.kind == "class"]

    assert only.line == (
        "learner.className: no learner 'Line', which 2 runs (last: run 2) used; give its successor aliases = "
        '("…",), or register.migration("…", rename_class(…))')
    aliased = renamed.replace("Slope(Learner):", "Slope(Learner):\n    aliases: ClassVar = ('Line',)")
    assert findings(opened({"parts.py": aliased})) == []


def test_a_removed_scenario_is_found(opened: Open) -> None:
    with_runs(opened, {})
    study = opened({"parts.py": parts().replace("class Trial", "class Test"),
                    "tasks/trial.json": '{"scenario": "Test", "metric": {"name": "score"}}'})

    assert [(kind, where) for kind, where, *_ in findings(study)] == [("class", "scenario.className")]


def test_a_value_that_became_invalid_is_found(opened: Open) -> None:
    with_runs(opened, *({"learner": {"className": "Forest", "rule": rule}} for rule in ("other", "third")))
    study = opened({"parts.py": parts(('rule: str = "gini"', 'rule: Literal["gini"] = "gini"'))})
    [only] = checked(study).findings

    assert only.line == (
        "Forest.rule: a value is not valid in 2 runs (last: run 2): expected 'gini', found str 'other'; "
        'accept the old values, too, or register.migration("…", map_values(…))')


def test_a_new_parameter_without_a_default_is_found(opened: Open) -> None:
    with_runs(opened, {"learner": FOREST})
    study = opened({"parts.py": parts(("self, learner", "self, depth: int, learner"))})
    [only] = checked(study).findings

    assert only.line == (
        "Trial.single_run.depth: has no default and is missing in 1 run (last: run 1); give it the default "
        "that keeps the old behaviour")


def test_a_failing_migration_is_found(opened: Open) -> None:
    with_runs(opened, {"learner": FOREST}, {"learner": "Line"})
    study = opened({"hyperspace.py": declaring(
        'register.migration("m", rename("trees", "rule", of="Forest"))')})
    [only] = checked(study).findings

    assert (only.kind, only.where, only.runs) == ("migration", "m", 1)
    assert "`learner.trees`: cannot become `learner.rule`" in only.line


# -- hints ---------------------------------------------------------------------------------------------------

def test_a_new_parameter_with_a_default_is_a_hint(opened: Open) -> None:
    with_runs(opened, {"learner": FOREST}, {"learner": "Line"})
    study = opened({"parts.py": parts(DEPTH)})

    assert findings(study) == [] and hints(study) == [("lacking", "Forest.max_depth = null", 1)]
    apply_plan(study.store, plan_backfill(study.project, study.store))
    assert checked(study) == CheckReport(looked_at=2, findings=(), hints=())


def test_used_values_outside_a_range_are_a_hint(opened: Open) -> None:
    with_runs(opened, {"learner": FOREST}, {"learner": "Forest"})
    study = opened({"parts.py": parts(("Int(1, 1000)", "Int(10, 1000)"))})

    assert findings(study) == [] and hints(study) == [("range", "Forest.trees", 1)]
    assert checked(study).hints[0].line.startswith(
        "Forest.trees: 1 run (last: run 1) used values outside Int(10, 1000), such as 5; ")


# -- declared changes ----------------------------------------------------------------------------------------

@pytest.mark.parametrize(("change", "said"), [
    (MORE_TREES, 'register.new_default(parts.Forest, "trees", old=100)'),
    (("Forest(trees=50)", "Line()"),
     'register.new_default(parts.Trial, "learner", old=parts.Forest(trees=50))'),
    (("rows: int = 10", "rows: int = 20"), 'register.new_default(parts.Trial, "rows", old=10)'),
    (("depth: int = 3", "depth: int = 4"), 'register.new_default(parts.Limits, "depth", old=3)'),
])
def test_a_declared_new_default_is_not_a_finding(change: tuple[str, str], said: str, opened: Open) -> None:
    with_runs(opened, {}, {"learner": "Forest"})
    study = opened({"parts.py": parts(change)})
    assert len(findings(study)) == 1

    assert findings(opened({"hyperspace.py": declaring(said)})) == []


def test_a_new_default_covers_one_value_of_one_parameter(opened: Open) -> None:
    with_runs(opened, {"learner": "Forest"})
    study = opened({"parts.py": parts(MORE_TREES), "hyperspace.py": declaring(
        'register.new_default(parts.Forest, "trees", old=90)',
        'register.new_default(parts.Forest, "rule", old=100)',
        'register.new_default(parts.Trial, "rows", old=100)')})

    assert findings(study) == [("default", "Forest.trees", 1, 1)]


def test_migrations_count_before_and_after_application(opened: Open) -> None:
    with_runs(opened, {"learner": FOREST}, {"learner": "Forest"}, {"learner": "Vote"}, {"learner": "Line"})
    study = opened({"parts.py": RENAMED, "hyperspace.py": RENAMES})

    assert findings(study) == [] and hints(study) == [("code", "Line", 2), ("code", "Trial", 4)]
    apply_plan(study.store, plan_backfill(study.project, study.store))
    assert findings(study) == [] and hints(study) == [("code", "Line", 2), ("code", "Trial", 4)]


@pytest.mark.parametrize("applied", [False, True])
def test_a_value_submitted_under_an_old_name_is_no_default(applied: bool, opened: Open) -> None:
    with_runs(opened, {"learner": FOREST}, {"learner": "Forest"}, {})
    study = opened({"parts.py": RENAMED.replace("] = 100", "] = 200"), "hyperspace.py": RENAMES})
    if applied:
        apply_plan(study.store, plan_backfill(study.project, study.store))

    assert findings(study) == [("default", "Forest.n", 1, 2)]


def test_a_backfilled_value_counts_as_a_used_default(opened: Open) -> None:
    with_runs(opened, {"learner": FOREST})
    study = opened({"parts.py": parts(DEPTH)})
    apply_plan(study.store, plan_backfill(study.project, study.store))

    study = opened({"parts.py": parts(DEPTH).replace("int | None = None", "int | None = 9")})
    assert findings(study) == [("default", "Forest.max_depth", 1, 1)]


def test_a_seed_parameter_has_no_default(opened: Open) -> None:
    text = parts(("rate: float = 0.1", "rate: float = 0.1, seed: int = 0"))
    study = opened({"parts.py": text})
    study.run("trial", {}, seed=3)

    assert findings(opened({"parts.py": text.replace("seed: int = 0", "seed: int = 5")})) == []


def test_a_run_with_a_rejected_config_is_ignored(opened: Open) -> None:
    study = with_runs(opened, {"learner": FOREST})
    study.rerun(1, {"learner": {"leaves": 3}}, code="original")
    Worker(study.store, PROJECT, study.extensions, WorkerOptions(isolation="spawn", drain=True),
           on_event=lambda event: None).run()
    refused = study.get(2)

    assert (refused.state, refused.config and refused.config["learner"]["leaves"]) == (State.FAILED, 3)
    assert checked(study) == CheckReport(looked_at=1, findings=(), hints=())


def test_only_runs_of_the_filter_are_checked(opened: Open) -> None:
    with_runs(opened, {"learner": "Forest"}, {"learner": "Line"})
    study = opened({"parts.py": parts(MORE_TREES)})
    report = check_project(study.project, study.store, RunFilter(project=PROJECT, ids=(2,)))

    assert report == CheckReport(looked_at=1, findings=(), hints=())
