"""The problem of a search: its task as it was when the search was submitted, on today's code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core.config.tree import canonical
from hyperspace_core.errors import HyperspaceError
from hyperspace_core.records.run import Metric, Tree
from hyperspace_core.records.search import NewSearch
from hyperspace_core.records.task import Task
from hyperspace_core.results.today import Today

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project


def up_to_date_scenario(project: Project, search: NewSearch) -> Tree:
    """Its scenario, completed with what is newer than the search. Raises `ConfigError`."""
    scenario = search.scenario
    if _renamed(project, search):
        scenario, _ = project.up_to_date(scenario, {})
    return project.complete_scenario(Task(name=search.task, scenario=scenario, metric=search.metrics[0]))


def _renamed(project: Project, search: NewSearch) -> bool:
    """Whether the scenario does not fit today's code as it stands."""
    try:
        project.complete_scenario(Task(name=search.task, scenario=search.scenario))
    except HyperspaceError:
        return True
    return False


class SearchedToday(Today):
    """Today's code, with the problem that the search has: a task file edited since changes nothing."""

    def __init__(self, project: Project, search: NewSearch, scenario: Tree) -> None:
        super().__init__(project)
        self._searched = search.task
        self._own = scenario, search.metrics[0]
        self.text = canonical(scenario)

    def problem(self, task: str) -> tuple[Tree, Metric] | None:
        return self._own if task == self._searched else super().problem(task)
