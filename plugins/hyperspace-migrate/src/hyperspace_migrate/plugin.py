"""The plugin's commands; each module is imported when its command is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core.markers import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.cli.plugin import Root

PROJECTS, MAINTENANCE = "Projects", "Maintenance"


@hookimpl
def hyperspace_commands(cli: Root) -> None:
    cli.add("check", "hyperspace_migrate.cli:check", section=PROJECTS,
            help="Check that the project's code still fits its past runs; for CI.")
    cli.add("backfill", "hyperspace_migrate.cli:backfill", section=PROJECTS,
            help="Bring the configs of past runs up to date with the project's code.")
    cli.add("store copy", "hyperspace_migrate.copy_cli:copy", section=MAINTENANCE,
            help="Copy runs with their output and artifacts from one store to another.")
