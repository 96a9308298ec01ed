"""`hyperspace tasks`: list the tasks of a project, or show one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.arguments import json_option
from hyperspace_core.cli.completion import complete_task
from hyperspace_core.cli.place import Place, in_project, tasks_dir_option
from hyperspace_core.cli.screen import hint, new_page, say_json, say_page, say_table, warn

if TYPE_CHECKING:
    from hyperspace_core.cli.page import Page
    from hyperspace_core.config.describing import Described
    from hyperspace_core.extension.project import Project
    from hyperspace_core.records.task import Task


@click.command
@click.argument("task", required=False, shell_complete=complete_task)
@in_project
@tasks_dir_option
@json_option
def tasks(*, place: Place, task: str | None, tasks_dir: Path | None, as_json: bool) -> None:
    """List the tasks of a project, or show one.

    For TASK: its scenario, metric, and hyper-parameters.
    """
    project = place.project(tasks_dir)
    if task is not None:
        _show(project, project.task(task), as_json)
        return
    for message in project.task_errors.values():
        warn(message)
    found = [project.tasks[name] for name in sorted(project.tasks)]
    if as_json:
        say_json(found)
        return
    say_table(("task", "scenario", "metric", "goal", "seed", "from"),
              [_row(one) for one in found], empty=f"project '{project.name}' has no tasks")
    if found:
        hint(f"`hyperspace tasks {found[0].name}` shows one task")


def _row(task: Task) -> tuple[str, ...]:
    from hyperspace_core.results.words import value_text

    seed = "" if task.seed is None else str(task.seed)
    return (task.name, value_text(task.scenario), task.metric.name, task.metric.goal, seed, task.origin)


def _show(project: Project, task: Task, as_json: bool) -> None:
    from hyperspace_core.config.describing import described

    scenario = project.complete_scenario(task)
    signature = project.scenario_signature(scenario)
    parameters = list(described(signature, project.catalog))
    if as_json:
        say_json({"name": task.name, "scenario": scenario, "metric": task.metric, "seed": task.seed,
                  "origin": task.origin, "parameters": parameters})
        return
    say_page(_page(project, task, scenario, parameters))
    hint("`hyperspace components` lists the parameters of each class")


def _page(project: Project, task: Task, scenario: dict[str, Any], parameters: list[Described]) -> Page:
    from hyperspace_core.cli.parameters import show_parameters, summary_of
    from hyperspace_core.cli.trees import show_config
    from hyperspace_core.components import Scenario
    from hyperspace_core.config.tree import CLASS_NAME

    page = new_page(fold=True)
    page.line((f"task {task.name}", "head"))
    page.rows([["from", task.origin], ["metric", f"{task.metric.name}, {task.metric.goal}"],
               ["seed", "drawn for each run" if task.seed is None else str(task.seed)]])
    entry = project.catalog.find(Scenario, scenario[CLASS_NAME])
    page.heading(f"scenario {entry.name}", summary_of(entry.target))
    show_config(page, {key: value for key, value in scenario.items() if key != CLASS_NAME}, task.scenario)
    page.heading("hyper-parameters")
    show_parameters(page, parameters)
    return page
