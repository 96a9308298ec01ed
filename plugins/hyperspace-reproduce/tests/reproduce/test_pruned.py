"""A pruned run is stopped at the same value when it is executed again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from draining import drained
from hyperspace_core.errors import Refused
from hyperspace_core.records.info import pruned_at
from hyperspace_core.records.run import Metric, NewRun
from hyperspace_core.records.search import NewSearch
from hyperspace_core.records.states import PRUNED
from hyperspace_core.storage import new_token
from hyperspace_core.study import Study
from hyperspace_reproduce.parity import parity
from hyperspace_reproduce.replay import Likeness
from hyperspace_reproduce.reproduce import Site, reproduce
from pytest_hyperspace.project import ProjectFolder

MEDIAN = {"className": "Median", "startup_runs": 1, "warmup_steps": 1, "metric": "total", "goal": "maximize"}


@pytest.fixture
def pruned(study: Callable[[], Study], project: ProjectFolder) -> Study:
    """Run 1 completes; run 2 is pruned after two of its four values."""
    text = (project.package / "components.py").read_text()
    logs = next(line for line in text.splitlines(keepends=True) if "run.log_scalar(" in line)
    indent = logs[:-len(logs.lstrip())]
    project.write("components.py", text.replace(
        logs, f"{logs}{indent}if run.should_stop():\n{indent}    break\n"))
    opened = study()
    uid, scenario = new_token(), opened.project.complete_scenario(opened.project.task("mean"))
    search = opened.store.add_search(NewSearch(uid=uid, project=opened.name, task="mean", scenario=scenario,
                                               metrics=(Metric(name="score"),), tuner={}, pruner=MEDIAN))
    opened.store.end_search(search, "its runs are submitted by hand")
    for gain in (3.0, 1.0):
        config = opened.project.complete(scenario, {"model": {"className": "Linear", "gain": gain}})
        run = NewRun(uid=new_token(), project=opened.name, task="mean", submitted=config, config=config,
                     scenario=scenario, seed=7, metric=Metric(name="score"), search=uid)
        opened.store.submit([run])
    first, second = drained(opened)
    assert (first.reason, second.reason) == (None, PRUNED)
    stop = pruned_at(second)
    assert stop is not None
    assert (stop.series, stop.values, stop.step) == ("total", 2, 1)
    return opened


def test_a_pruned_run_is_stopped_at_the_same_value(pruned: Study) -> None:
    found = reproduce(Site.of(pruned), 2)

    assert found.verdict.likeness is Likeness.IDENTICAL
    assert found.verdict.compared == 2 + 1 + 1             # values, metric, result
    assert (found.now.reason, found.now.result) == (PRUNED, pruned.get(2).result)
    assert pruned_at(found.now) == pruned_at(pruned.get(2))


def test_without_a_plugin_that_stops_it_the_run_is_refused(pruned: Study) -> None:
    with (Study(pruned.name, pruned.store.url, no_plugins=["tuning"]) as without,
          pytest.raises(Refused, match="AsRecorded is in hyperspace-tuning: pip install")):
        reproduce(Site.of(without), 2)


def test_a_run_that_was_not_pruned_is_not_stopped(pruned: Study) -> None:
    found = reproduce(Site.of(pruned), 1)

    assert found.same
    assert found.now.reason is None


def test_parity_stops_a_run_where_the_old_one_stopped(pruned: Study) -> None:
    pairs = parity(pruned, "Linear", "Linear", last=2)

    assert [pair.same for pair in pairs] == [True, True]
    assert [pair.now and pair.now.reason for pair in pairs] == [PRUNED, None]


def test_a_rerun_has_no_pruner(pruned: Study) -> None:
    again = pruned.rerun(2)

    (record,) = drained(pruned)
    assert (record.id, record.reason) == (again, None)
    assert len(list(pruned.store.points(again))) == 4
