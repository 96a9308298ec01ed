"""A user's options become a stored search: checked at once, kept as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hyperspace_core.errors import ConfigError, HyperspaceError, TaskError, UnknownClassError, UsageError
from hyperspace_core.ranges import Choice, Float, Int
from hyperspace_core.records.run import Metric, NewRun
from hyperspace_core.records.search import Budget
from hyperspace_core.study import Study
from hyperspace_tuning.builtin import Grid, Median
from hyperspace_tuning.from_signature import space_from_signature
from hyperspace_tuning.space_spec import space_to_json

SPACE = {"model": [{"className": "Line", "slope": Float(1, 10, log=True)}, "Tree"],
         "fail": Choice(True, False)}


def test_a_search_is_stored_with_all_its_options(study: Study) -> None:
    search = study.tune("main", runs=9, patience=3, tuner={"className": "Random"}, space=SPACE,
                        metrics=["seconds:minimize", "score"], priority=2, tags=["a"], note="n", retries=1)

    record = search.record
    assert record.scenario == {"className": "Fit", "offset": 0.0}
    assert record.tuner == {"className": "Random"}
    assert record.metrics == (Metric(name="score"), Metric(name="seconds", goal="minimize"))
    assert record.budget == Budget(runs=9, patience=3)
    assert (record.seed, record.priority, record.tags, record.note, record.retries) == (7, 2, ("a",), "n", 1)
    assert json.loads(json.dumps(record.space)) == record.space
    assert [one.key for one in search.space().dimensions] == [
        "model.className", "model[Line].slope", "model[Tree].depth", "fail"]


def test_a_space_of_objects_and_its_json_are_the_same_space(study: Study) -> None:
    task = study.project.task("main")
    signature, registry = study.project.scenario_signature(task), study.project.registry
    for wish in (SPACE, {"model": {"slope": Float(0.5, 2, step=0.5), "depth": Int(2, 8, step=2)}},
                 {"model": Choice("Tree", "Line")}, {"fail": [True, False]}):
        tree = space_to_json(wish)
        assert json.loads(json.dumps(tree)) == tree
        assert (space_from_signature(signature, registry, tree)
                == space_from_signature(signature, registry, wish))


def test_a_tuner_may_be_an_object(study: Study) -> None:
    assert study.tune("main", tuner=Grid(steps=3)).record.tuner == {"className": "Grid", "steps": 3}


@pytest.mark.parametrize(("kind", "said", "fields"), [
    (UsageError, "give a limit: runs, hours, target or patience", {}),
    (UsageError, "give a limit", {"failures": 3}),
    (UnknownClassError, "Did you mean 'Random'", {"tuner": "Randm", "runs": 1}),
    (UnknownClassError, "Did you mean 'Median'", {"pruner": "Medan", "runs": 1}),
    (ConfigError, "give its goal", {"pruner": Median(metric="seconds"), "runs": 1}),
    (ConfigError, "expected at least 2", {
        "pruner": {"className": "SuccessiveHalving", "reduction": 1}, "runs": 1}),
    (UnknownClassError, "Did you mean 'Line'", {"space": {"model": "Lin"}, "runs": 1}),
    (ConfigError, "slop", {"space": {"model": {"slop": 1}}, "runs": 1}),
    (ConfigError, "nothing of task 'main' is searched", {
        "space": {"model": {"className": "Tree", "depth": 3}}, "runs": 1}),
    (TaskError, "did you mean 'near'", {"learn_from": ["neer"], "runs": 1}),
    (UsageError, "learns from its own runs anyway", {"learn_from": ["main"], "runs": 1}),
    (UsageError, "did you mean 'minimize'", {"metrics": ["seconds:minimise"], "runs": 1}),
    (UsageError, "runs: expected a whole number", {"runs": 0}),
    (ConfigError, "space: expected a dict of hyper-parameters, found str 'Tree'", {
        "space": "Tree", "runs": 1}),
    (ConfigError, "`seed`: each run has its own", {"space": {"seed": [1, 2]}, "runs": 1}),
    (UsageError, "metrics: expected names", {"metrics": [3], "runs": 1}),
    (UsageError, "a name is missing", {"metrics": [":minimize"], "runs": 1}),
    (UsageError, "learn_from: expected names of tasks, found int 3", {"learn_from": [3], "runs": 1}),
    (UsageError, "hours: expected a number", {"hours": 10**400}),
    (ConfigError, "seed", {"runs": 1, "seed": -1})])
def test_an_impossible_search_is_refused_and_not_queued(
        study: Study, kind: type[HyperspaceError], said: str, fields: dict[str, Any]) -> None:
    with pytest.raises(kind, match=said):
        study.tune("main", **{"tuner": "Random"} | fields)
    assert study.searches() == []


def test_an_unknown_task_is_named(study: Study) -> None:
    with pytest.raises(TaskError, match="did you mean 'main'"):
        study.tune("mian", runs=1)


def test_the_default_tuner_has_the_highest_preference(study: Study) -> None:
    from hyperspace_tuning.tuner import Tuner

    known = {entry.name: entry.target.preference for entry in study.project.registry.entries(Tuner)}
    chosen = study.tune("main", runs=1).record.tuner["className"]
    assert known[chosen] == max(known.values())
    assert known["Random"] > known["Grid"]


def test_submission_checks_see_each_class_that_space_names(study: Study) -> None:
    seen = []

    def check(run: NewRun) -> None:
        assert run.config is not None
        seen.append(run.config)
        if run.config.get("model") == {"className": "Line"}:
            raise ConfigError("`model`: Line is not for workers")

    study.submission_checks.append(check)

    study.tune("main", runs=1, tuner="Random")
    study.tune("main", runs=1, tuner="Random", space={"model": "Tree"})
    assert seen == [{"model": {"className": "Tree"}}]
    with pytest.raises(ConfigError, match=r"^space: `model`: Line is not for workers$"):
        study.tune("main", runs=1, tuner="Random", space={"model": ["Tree", "Line"]})
    assert len(study.searches()) == 2
