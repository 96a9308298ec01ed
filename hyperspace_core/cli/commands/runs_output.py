"""`hyperspace runs logs`: show or follow the output of a run."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.follow import Follower, Printer
from hyperspace_core.cli.options import WholeNumber, attempt_option, json_option, run_argument
from hyperspace_core.cli.terminal import echo_hint, echo_json, echo_table
from hyperspace_core.errors import NotFound, did_you_mean
from hyperspace_core.lookup import get_run, pick_attempt
from hyperspace_core.results.format import number, value_text

if TYPE_CHECKING:
    from hyperspace_core.records.logged import Point
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.results.diff import MetricSummary
    from hyperspace_core.storage import Store

@click.command
@run_argument
@click.option("--follow", "-f", is_flag=True, help="Follow the output until the run has ended.")
@attempt_option
@click.option("--last", type=WholeNumber(1), metavar="N", help="Start with the last N lines.")
@json_option
@pass_context
def logs(*, context: CommandContext, run: int, follow: bool, attempt: int | None, last: int | None,
         as_json: bool) -> None:
    """Show the output of a run.

    Stdout and stderr of its last attempt, in order; -f also follows later attempts.
    """
    if as_json and (follow or last is not None):
        raise click.UsageError(f"{'--follow' if follow else '--last'} and --json contradict each other: "
                               "--json prints all stored chunks")
    record = get_run(context.store, context.name, run)
    number = pick_attempt(record, attempt)
    if as_json:
        echo_json([] if number is None else list(context.store.output(run, attempt=number)))
        return
    printer = Printer(context.store, run, number)
    lines = printer.new_lines()
    printer.show(lines if last is None else deque(lines, maxlen=last))
    if follow:
        Follower(context.store, record, printer, stay=attempt is not None).follow()
        return
    printer.end()
    if number is None:
        echo_hint(f"run {run} has not started yet; it is {record.state}")


# -- `hyperspace runs metrics`: show the metrics and the series of a run --

@click.command
@run_argument
@click.option("--name", "names", multiple=True, metavar="METRIC",
              help="Show the whole series of this metric; given again, series side by side.")
@attempt_option
@json_option
@pass_context
def metrics(context: CommandContext, run: int, names: tuple[str, ...], attempt: int | None,
            as_json: bool) -> None:
    """Show the metrics of a run, or whole series.

    Without --name: the returned value, and the number of points, last, minimum and maximum of each series.
    """
    from hyperspace_core.results.diff import summarize

    record = get_run(context.store, context.name, run)
    number = pick_attempt(record, attempt)
    if names:
        points = [] if number is None else list(context.store.points(run, attempt=number, names=names))
        _check_logged(context.store, record, number, names, points)
        _say_series(list(dict.fromkeys(names)), points, as_json)
        return
    returned = record.metrics if number is None or number == record.attempts[-1].number else {}
    found = summarize(() if number is None else context.store.points(run, attempt=number), returned)
    if as_json:
        echo_json(found)
        return
    echo_table(("metric", "returned", "points", "last", "min", "max"), _rows(found),
               empty=f"run {run} has no metrics; it is {record.state}")


def _rows(found: Sequence[MetricSummary]) -> list[list[str]]:
    return [[one.name, "" if one.returned is None else value_text(one.returned), str(one.points or ""),
             number(one.last), number(one.min), number(one.max)] for one in found]


def _say_series(names: Sequence[str], points: Sequence[Point], as_json: bool) -> None:
    from hyperspace_core.results.diff import side_by_side

    if as_json:
        echo_json(points)
        return
    echo_table(("step", *names), [["" if row.step is None else str(row.step), *map(number, row.values)]
                                  for row in side_by_side(points, names)])


def _check_logged(store: Store, record: RunRecord, attempt: int | None, names: Sequence[str],
                  points: Sequence[Point]) -> None:
    """Raises `NotFound` for a series that the run has not logged."""
    there = {point.name for point in points}
    for name in names:
        if name in there:
            continue
        if name in record.metrics:
            raise NotFound(f"run {record.id} returned '{name}' but logged no series of it; "
                           f"log one with `run.log_scalar`")
        logged = () if attempt is None else sorted(
            {one.name for one in store.points(record.id, attempt=attempt)})
        cure = did_you_mean(name, logged) or f"; it has {', '.join(logged) or 'none'}"
        raise NotFound(f"run {record.id} has no series '{name}'{cure}")
