"""`hyperspace runs logs`: what a run printed, or prints now."""

from __future__ import annotations

from collections import deque

import click

from hyperspace_core.cli.arguments import WholeNumber, attempt_option, json_option, run_argument
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.screen import hint, say_json


@click.command
@run_argument
@click.option("--follow", "-f", is_flag=True, help="Go on until the run has ended.")
@attempt_option
@click.option("--last", type=WholeNumber(1), metavar="N", help="Only the last N lines of what there is.")
@json_option
@at_place
def logs(*, place: Place, run: int, follow: bool, attempt: int | None, last: int | None,
         as_json: bool) -> None:
    """Show what a run printed.

    Stdout and stderr in the order they came, of its last attempt; -f goes on with the attempts that follow.
    """
    from hyperspace_core.cli.following import Follower, Printer
    from hyperspace_core.lookup import get_run, pick_attempt

    if as_json and (follow or last is not None):
        raise click.UsageError(f"{'--follow' if follow else '--last'} and --json contradict each other: "
                               "JSON has all chunks that there are")
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
