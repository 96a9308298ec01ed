"""`hyperspace status`: show or watch the queue on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.options import json_option
from hyperspace_core.cli.terminal import Page, bars_of_stdout, echo_json, echo_page, new_page

if TYPE_CHECKING:
    from hyperspace_core.results.overview import Overview


@click.command
@click.option("--watch", "-w", is_flag=True, help="Update the page until Ctrl-C.")
@json_option
@pass_context
def status(context: CommandContext, watch: bool, as_json: bool) -> None:
    """Show the queue on one page.

    Queued runs, workers and their runs, open searches, runs that cannot start, last failures, best runs.
    """
    from hyperspace_core.results.overview import overview

    if watch and as_json:
        raise click.UsageError("--watch and --json contradict each other; give one")
    if watch:
        from hyperspace_core.cli.watch import Watched, watch as keep_watching

        keep_watching(Watched(context, page_of))
        return
    view = overview(context.store, context.name)
    if as_json:
        echo_json(view)
        return
    echo_page(page_of(context, view))


def page_of(context: CommandContext, view: Overview) -> Page:
    """Build the page for stdout, without bars if that is no terminal."""
    from hyperspace_core.cli.watch import StatusPage

    page = new_page()
    StatusPage(context.command, bars=bars_of_stdout()).write(page, view)
    return page
