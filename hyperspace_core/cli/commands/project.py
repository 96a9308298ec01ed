"""`hyperspace tasks`: list the tasks of a project, or show one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.context import CommandContext, complete_task, pass_project, tasks_dir_option
from hyperspace_core.cli.options import json_option
from hyperspace_core.cli.terminal import Page, echo_hint, echo_json, echo_page, echo_table, new_page, warn
from hyperspace_core.components import Scenario
from hyperspace_core.config.tree import CLASS_NAME, snake_case
from hyperspace_core.errors import NotFound, did_you_mean
from hyperspace_core.results.format import value_text

if TYPE_CHECKING:
    from hyperspace_core.config.registry import Entry, Registry
    from hyperspace_core.config.walk import DescribedParameter
    from hyperspace_core.extension.manager import Extensions, Loaded
    from hyperspace_core.extension.project import Project
    from hyperspace_core.records.task import Task

@click.command
@click.argument("task", required=False, shell_complete=complete_task)
@pass_project
@tasks_dir_option
@json_option
def tasks(*, context: CommandContext, task: str | None, tasks_dir: Path | None, as_json: bool) -> None:
    """List the tasks of a project, or show one.

    For TASK: its scenario, metric, and hyper-parameters.
    """
    project = context.project(tasks_dir)
    if task is not None:
        _show_task(project, project.task(task), as_json)
        return
    for message in project.task_errors.values():
        warn(message)
    found = [project.tasks[name] for name in sorted(project.tasks)]
    if as_json:
        echo_json(found)
        return
    rows = [(one.name, value_text(one.scenario), one.metric.name, one.metric.goal,
             "" if one.seed is None else str(one.seed), one.origin) for one in found]
    echo_table(("task", "scenario", "metric", "goal", "seed", "from"), rows,
               empty=f"project '{project.name}' has no tasks")
    if found:
        echo_hint(f"`hyperspace tasks {found[0].name}` shows one task")


def _show_task(project: Project, task: Task, as_json: bool) -> None:
    from hyperspace_core.config.walk import described_parameters

    scenario = project.complete_scenario(task)
    signature = project.scenario_signature(scenario)
    parameters = list(described_parameters(signature, project.registry))
    if as_json:
        echo_json({"name": task.name, "scenario": scenario, "metric": task.metric, "seed": task.seed,
                  "origin": task.origin, "parameters": parameters})
        return
    echo_page(_page(project, task, scenario, parameters))
    echo_hint("`hyperspace components` lists the parameters of each class")


def _page(project: Project, task: Task, scenario: dict[str, Any],
          parameters: list[DescribedParameter]) -> Page:
    from hyperspace_core.cli.run_page import show_config, show_parameters, summary_of

    page = new_page(fold=True)
    page.line((f"task {task.name}", "head"))
    page.rows([["from", task.origin], ["metric", f"{task.metric.name}, {task.metric.goal}"],
               ["seed", "drawn for each run" if task.seed is None else str(task.seed)]])
    entry = project.registry.find(Scenario, scenario[CLASS_NAME])
    page.heading(f"scenario {entry.name}", summary_of(entry.target))
    show_config(page, {key: value for key, value in scenario.items() if key != CLASS_NAME}, task.scenario)
    page.heading("hyper-parameters")
    show_parameters(page, parameters)
    return page


# -- `hyperspace components`: list the classes that a config can choose from --

@dataclass(frozen=True, kw_only=True)
class ComponentRow:
    """A class in the JSON output."""

    family: str
    name: str
    aliases: tuple[str, ...]
    doc: str
    where: str                               # module:line, and the project or plugin that registered it
    parameters: tuple[DescribedParameter, ...]
    hyper_parameters: tuple[DescribedParameter, ...]  # of a scenario's `single_run`
    wraps: str | None                        # the parameter with the scenario that has them instead


@click.command
@click.argument("name", required=False)
@pass_project
@json_option
def components(*, context: CommandContext, name: str | None, as_json: bool) -> None:
    """List the classes that a config can choose from.

    Grouped by family, with the parameters of each class. NAME: show one family or class.
    """
    from hyperspace_core.cli.run_page import summary_of

    registry = context.project().registry
    entries = _named(registry, name)
    if as_json:
        echo_json([_component_row(registry, entry) for entry in entries])
        return
    page = new_page(fold=True)
    # by class: a project may have a family of the same name as one of core's
    families = dict.fromkeys(entry.family for entry in entries)
    names = [family.__name__ for family in families]
    for family in families:
        namesake = f"({family.__module__})" if names.count(family.__name__) > 1 else ""
        page.heading(family.__name__, namesake, summary_of(family))
        for entry in entries:
            if entry.family is family:
                _show_component(page, _component_row(registry, entry))
    echo_page(page)


def _named(registry: Registry, name: str | None) -> list[Entry]:
    """Select all classes, or those of a family, name or alias. Raises `NotFound`."""
    entries = list(registry.entries())
    if name is None:
        return entries
    wanted = snake_case(name)
    found = [entry for entry in entries if snake_case(entry.family.__name__) == wanted] or [
        entry for entry in entries if wanted in map(snake_case, (entry.name, *entry.aliases))]
    if not found:
        known = [*dict.fromkeys(entry.family.__name__ for entry in entries),
                 *(entry.name for entry in entries)]
        cure = did_you_mean(name, known) or "; `hyperspace components` lists them"
        raise NotFound(f"no family or class '{name}'{cure}")
    return found


def _component_row(registry: Registry, entry: Entry) -> ComponentRow:
    from hyperspace_core.cli.run_page import summary_of
    from hyperspace_core.config.signature import signature_of, signature_of_method
    from hyperspace_core.config.walk import described_parameters

    varied = signature_of_method(entry.target, "single_run") if entry.family is Scenario else None
    return ComponentRow(
        family=entry.family.__name__, name=entry.name, aliases=entry.aliases, where=entry.where,
        doc=summary_of(entry.target),
        parameters=tuple(described_parameters(signature_of(entry.target), registry)),
        hyper_parameters=() if varied is None else tuple(described_parameters(varied, registry)),
        wraps=getattr(entry.target, "wraps", None) if entry.family is Scenario else None)


def _show_component(page: Page, one: ComponentRow) -> None:
    from hyperspace_core.cli.run_page import show_parameters

    former = f"(formerly {', '.join(one.aliases)})" if one.aliases else ""
    page.gap()
    page.line((one.name, "head"), former, one.doc, indent=2)
    page.line((one.where, "quiet"), indent=4)
    if one.family != "Scenario":
        show_parameters(page, one.parameters, indent=4)
        return
    for title, parameters in (("of the task", one.parameters), ("hyper-parameters", one.hyper_parameters)):
        if parameters is one.hyper_parameters and one.wraps is not None:
            page.line(f"hyper-parameters: those of its `{one.wraps}`", indent=4)
            continue
        page.line(f"{title}:", indent=4)
        show_parameters(page, parameters, indent=6)


# -- `hyperspace projects`: list the installed projects --

@click.command
@json_option
def projects(as_json: bool) -> None:
    """List the installed projects without importing them."""
    from hyperspace_core.extension.project import installed_projects

    found = installed_projects()
    if as_json:
        echo_json([{"name": one.name, "distribution": one.distribution, "version": one.version,
                   "entry_point": one.value} for one in found])
        return
    echo_table(("project", "distribution", "version", "entry point"),
               [(one.name, one.distribution, one.version, one.value) for one in found],
               empty="no project is installed; `hyperspace new NAME` creates one")


# -- `hyperspace plugins`: list the plugins with their hooks, and the broken ones --

STYLES = {"loaded": "good", "built in": "quiet", "broken": "bad", "left out": "held"}


@dataclass(frozen=True, kw_only=True)
class PluginRow:
    """A plugin in the JSON output."""

    name: str
    version: str = ""
    distribution: str = ""
    file: str = ""
    hooks: tuple[str, ...] = ()
    state: str                     # one of `STYLES`
    cause: str = ""                # why it is broken


@click.command
@click.option("--all", "with_builtins", is_flag=True, help="Include the built-in plugins.")
@pass_project
@json_option
def plugins(*, context: CommandContext, with_builtins: bool, as_json: bool) -> None:
    """List the installed plugins, with version, file, hooks, and errors."""
    extensions = context.quiet_extensions
    found = list(_plugin_rows(extensions))
    if with_builtins:
        found += [_active(one, "built in") for one in extensions.core]
    if as_json:
        echo_json(found)
        return
    if not found:
        echo_hint("no plugin is installed; `--all` shows the built-in ones")
        return
    page = new_page(fold=True)
    for one in found:
        source = " ".join(filter(None, (one.distribution, one.version)))
        page.heading(one.name, source, (one.state, STYLES[one.state]))
        page.rows([[name, text] for name, text in
                   (("why", one.cause), ("file", one.file), ("hooks", ", ".join(one.hooks))) if text])
    echo_page(page)


def _plugin_rows(extensions: Extensions) -> list[PluginRow]:
    broken = [PluginRow(name=one.name, distribution=one.distribution, state="broken", cause=one.cause)
              for one in extensions.broken]
    left_out = [PluginRow(name=name, state="left out") for name in extensions.disabled]
    loaded = [_active(one, "loaded") for one in extensions.loaded]
    return sorted([*loaded, *broken, *left_out], key=lambda one: one.name)


def _active(one: Loaded, state: str) -> PluginRow:
    return PluginRow(name=one.name, version=one.version, distribution=one.distribution, file=one.file,
                     hooks=one.hooks, state=state)
