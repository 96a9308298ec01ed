"""Core's own commands, registered by the hook that plugins use. One module a noun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core.markers import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.cli.main import Root

WORK, RUNS, PROJECTS, MAINTENANCE = SECTIONS = ("Work", "Runs", "Projects", "Maintenance")
FROM_PLUGINS = "From plugins"

# command: module, section, its line in `hyperspace --help`
COMMANDS = {
    "submit": ("submit", WORK, "Queue runs of TASK: one config, or a grid."),
    "worker": ("worker", WORK, "Claim queued runs and execute them, until Ctrl-C."),
    "status": ("status", WORK, "Show the queue on one page."),
    "results": ("results", WORK, "List completed runs, best first by the metric of TASK."),
    "run": ("submit", RUNS, "Execute one config of TASK in this terminal."),
    "rerun": ("submit", RUNS, "Queue a past RUN again, with changes."),
    "runs": ("runs", RUNS, "List, show, compare, tag, annotate, export or delete runs."),
    "queue": ("queue", RUNS, "List the queue; pause, resume, cancel or requeue runs."),
    "new": ("new", PROJECTS, "Create a small working project, NAME, to start from."),
    "projects": ("project", PROJECTS, "List the installed projects without importing them."),
    "tasks": ("project", PROJECTS, "List the tasks of a project, or show one."),
    "components": ("project", PROJECTS, "List the classes that a config can choose from."),
    "plugins": ("project", MAINTENANCE, "List the installed plugins, with version, file, hooks, and errors."),
    "store": ("store", MAINTENANCE, "Inspect and maintain the store of the runs."),
    "doctor": ("doctor", MAINTENANCE, "Check this machine, a project and its store."),
}


@hookimpl
def hyperspace_commands(cli: Root) -> None:
    for name, (module, section, text) in COMMANDS.items():
        cli.add(name, f"hyperspace_core.cli.commands.{module}:{name}", section=section, help=text)
