"""`hyperspace projects`: list the installed projects."""

from __future__ import annotations

import click

from hyperspace_core.cli.arguments import json_option
from hyperspace_core.cli.screen import say_json, say_table


@click.command
@json_option
def projects(as_json: bool) -> None:
    """List the installed projects without importing them."""
    from hyperspace_core.extension.project import installed_projects

    found = installed_projects()
    if as_json:
        say_json([{"name": one.name, "distribution": one.distribution, "version": one.version,
                   "entry_point": one.value} for one in found])
        return
    say_table(("project", "distribution", "version", "entry point"),
              [(one.name, one.distribution, one.version, one.value) for one in found],
              empty="no project is installed; `hyperspace new NAME` creates one")
