"""The problem of a search: its task as submitted, for the current code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hyperspace_core.config.searching import space_of
from hyperspace_core.config.tree import Tree, canonical
from hyperspace_core.errors import ConfigError, HyperspaceError
from hyperspace_core.records.run import Metric
from hyperspace_core.records.search import NewSearch
from hyperspace_core.records.task import Task
from hyperspace_core.results.comparable import CurrentCode

if TYPE_CHECKING:
    from hyperspace_core.config.searchspace import Space
    from hyperspace_core.extension.project import Project

SEED = "seed"                  # of `single_run`: it receives the run's own seed and is not searched


def searched_space(project: Project, scenario: Tree, wishes: Mapping[str, Any]) -> Space:
    """Build the space of a search of this problem. Raises `ConfigError`."""
    if SEED in wishes:
        raise ConfigError("`seed`: each run has its own, so it is not searched; leave it out of space=, and "
                          "give the search a seed with seed=")
    signature = project.scenario_signature(scenario)
    others = tuple(parameter for parameter in signature.parameters if parameter.name != SEED)
    return space_of(replace(signature, parameters=others), project.registry, wishes)


def check_searched(space: Space, task: str) -> None:
    """Raise `ConfigError` for a space of one point: a search would only repeat it."""
    if not space.dimensions:
        raise ConfigError(f"nothing of task '{task}' is searched: give parameters a range, as in "
                          "`Annotated[int, Int(10, 1000)]`, or name ranges in space=")


def up_to_date_scenario(project: Project, search: NewSearch) -> Tree:
    """The scenario with defaults of newer parameters. Raises `ConfigError`."""
    task = Task(name=search.task, scenario=search.scenario, metric=search.metrics[0])
    try:
        return project.complete_scenario(task)
    except HyperspaceError:                # a class or parameter has another name in the current code
        scenario, _ = project.up_to_date(search.scenario, {})
        return project.complete_scenario(replace(task, scenario=scenario))


class SearchedToday(CurrentCode):
    """The current code with the search's own problem; later task edits are ignored."""

    def __init__(self, project: Project, search: NewSearch, scenario: Tree) -> None:
        super().__init__(project)
        self._searched = search.task
        self._own = scenario, search.metrics[0]
        self.text = canonical(scenario)

    def problem(self, task: str) -> tuple[Tree, Metric] | None:
        return self._own if task == self._searched else super().problem(task)
