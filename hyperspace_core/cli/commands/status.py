"""`hyperspace status`: show or watch the queue on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.arguments import json_option
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.screen import bars_of_stdout, new_page, say_json, say_page

if TYPE_CHECKING:
    from hyperspace_core.cli.page import Page
    from hyperspace_core.results.overview import Overview


@click.command
@click.option("--watch", "-w", is_flag=True, help="Update the page until Ctrl-C.")
@json_option
@at_place
def status(place: Place, watch: bool, as_json: bool) -> None:
    """Show the queue on one page.

    Queued runs, workers and their runs, open searches, runs that cannot start, last failures, best runs.
    """
    from hyperspace_core.results.overview import overview

    if watch and as_json:
        raise click.UsageError("--watch and --json contradict each other; give one")
    if watch:
        from hyperspace_core.cli.watching import Watched
        from hyperspace_core.cli.watching import watch as keep_watching

        keep_watching(Watched(place, page_of))
        return
    view = overview(place.store, place.name)
    if as_json:
        say_json(view)
        return
    say_page(page_of(place, view))


def page_of(place: Place, view: Overview) -> Page:
    """Build the page for stdout, without bars if that is no terminal."""
    from hyperspace_core.cli.status_page import StatusPage

    page = new_page()
    StatusPage(place.command, bars=bars_of_stdout()).write(page, view)
    return page
