"""`hyperspace runs logs`: show or follow the output of a run."""

from __future__ import annotations

from collections import deque

import click

from hyperspace_core.cli.arguments import WholeNumber, attempt_option, json_option, run_argument
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.screen import hint, say_json


@click.command
@run_argument
@click.option("--follow", "-f", is_flag=True, help="Follow the output until the run has ended.")
@attempt_option
@click.option("--last", type=WholeNumber(1), metavar="N", help="Start with the last N lines.")
@json_option
@at_place
def logs(*, place: Place, run: int, follow: bool, attempt: int | None, last: int | None,
         as_json: bool) -> None:
    """Show the output of a run.

    Stdout and stderr of its last attempt, in order; -f also follows later attempts.
    """
    from hyperspace_core.cli.following import Follower, Printer
    from hyperspace_core.lookup import get_run, pick_attempt

    if as_json and (follow or last is not None):
        raise click.UsageError(f"{'--follow' if follow else '--last'} and --json contradict each other: "
                               "--json prints all stored chunks")
    record = get_run(place.store, place.name, run)
    number = pick_attempt(record, attempt)
    if as_json:
        say_json([] if number is None else list(place.store.output(run, attempt=number)))
        return
    printer = Printer(place.store, run, number)
    lines = printer.new_lines()
    printer.show(lines if last is None else deque(lines, maxlen=last))
    if follow:
        Follower(place.store, record, printer, stay=attempt is not None).follow()
        return
    printer.end()
    if number is None:
        hint(f"run {run} has not started yet; it is {record.state}")
