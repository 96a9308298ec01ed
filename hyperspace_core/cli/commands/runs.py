"""`hyperspace runs`: list, show, compare, tag, annotate, export and delete runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli import options, terminal
from hyperspace_core.cli.commands.queue import BulkAction, act, select_runs
from hyperspace_core.cli.commands.runs_show import diff, show
from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.follow import Follower, Printer
from hyperspace_core.cli.main import Commands
from hyperspace_core.cli.options import FilterOptions
from hyperspace_core.config.tree import MISSING
from hyperspace_core.errors import NotFound, did_you_mean
from hyperspace_core.lookup import get_run, pick_attempt
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results import format as fmt
from hyperspace_core.results.table import seconds_of
from hyperspace_core.storage import Store

if TYPE_CHECKING:
    from hyperspace_core.production.export import Export
    from hyperspace_core.results.diff import MetricSummary


REASON = 50                    # characters of a reason that are shown on a terminal


@click.group(cls=Commands)
def runs() -> None:
    """List, show, compare, tag, annotate, export or delete runs."""


@click.command("list")
@options.filtered
@options.limit_option("the newest N runs")
@options.json_option
@pass_context
def list_runs(context: CommandContext, wanted: FilterOptions, limit: int | None, as_json: bool) -> None:
    """List runs, newest first."""
    store, where = context.store, wanted.at(context)
    if as_json:
        terminal.echo_json(list(store.find(where, limit=limit)))
        return
    limit = terminal.bearable(limit)
    found = list(store.find(where, limit=limit))
    heads, rows = columns(found, datetime.now().astimezone())
    terminal.echo_table(heads, rows, empty="no run matches" if wanted.options else "no runs yet")
    if len(found) == limit:
        terminal.hint_at_more(sum(store.count(where).values()) - len(found))


def columns(records: Sequence[RunRecord], now: datetime) -> tuple[list[str], list[list[str]]]:
    """Return the heads and rows of the table, without empty columns."""
    short = REASON if terminal.stdout_width() is not None else None
    cells = {
        "run": [str(record.id) for record in records],
        "task": [record.task for record in records],
        "state": [record.state.value for record in records],
        "result": [fmt.number(record.result) for record in records],
        "age": [fmt.age(record.submitted_at, now) for record in records],
        "time": [time_of(record, now) for record in records],
        "tags": [" ".join(record.tags) for record in records],
        "note": [fmt.one_line(record.note, short) for record in records],
        "reason": [fmt.one_line(record.reason or "", short) for record in records],
        "config": [fmt.brief(record.submitted) for record in records],
    }
    kept = {head: column for head, column in cells.items() if any(column)}
    return list(kept), [list(row) for row in zip(*kept.values(), strict=True)]


def time_of(record: RunRecord, now: datetime) -> str:
    """Format the duration of the last attempt, so far if it is running."""
    attempt = record.attempt
    if attempt is not None and attempt.started_at is not None and attempt.outcome is None:
        return fmt.seconds((now - attempt.started_at).total_seconds())
    took = seconds_of(record)
    return "" if took is MISSING else fmt.seconds(took)


# -- `hyperspace runs logs`: show or follow the output of a run --

@click.command
@options.run_argument
@click.option("--follow", "-f", is_flag=True, help="Follow the output until the run has ended.")
@options.attempt_option
@click.option("--last", type=options.WholeNumber(1), metavar="N", help="Start with the last N lines.")
@options.json_option
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
        terminal.echo_json([] if number is None else list(context.store.output(run, attempt=number)))
        return
    printer = Printer(context.store, run, number)
    lines = printer.new_lines()
    printer.show(lines if last is None else deque(lines, maxlen=last))
    if follow:
        Follower(context.store, record, printer, stay=attempt is not None).follow()
        return
    printer.end()
    if number is None:
        terminal.echo_hint(f"run {run} has not started yet; it is {record.state}")
        return
    shown = next(one for one in record.attempts if one.number == number)
    if shown.traceback:
        terminal.echo_note(f"attempt {number} failed: {shown.reason}; "
                           f"`{context.command(f'runs show {run}')}` has the traceback")


# -- `hyperspace runs metrics`: show the metrics and the series of a run --

@click.command
@options.run_argument
@click.option("--name", "names", multiple=True, metavar="METRIC",
              help="Show the whole series of this metric; given again, series side by side.")
@options.attempt_option
@options.json_option
@pass_context
def metrics(context: CommandContext, run: int, names: tuple[str, ...], attempt: int | None,
            as_json: bool) -> None:
    """Show the metrics of a run, or whole series.

    Without --name: the returned value, and the number of points, last, minimum and maximum of each series.
    """
    from hyperspace_core.results.diff import series_rows, summarize

    record = get_run(context.store, context.name, run)
    number = pick_attempt(record, attempt)
    if names:
        points = [] if number is None else list(context.store.points(run, attempt=number, names=names))
        _check_logged(context.store, record, number, names, points)
        if as_json:
            terminal.echo_json(points)
            return
        series = list(dict.fromkeys(names))
        rows = [["" if row.step is None else str(row.step), *map(fmt.number, row.values)]
                for row in series_rows(points, series)]
        terminal.echo_table(("step", *series), rows)
        return
    returned = record.metrics if number is None or number == record.attempts[-1].number else {}
    found = summarize(() if number is None else context.store.points(run, attempt=number), returned)
    if as_json:
        terminal.echo_json(found)
        return
    terminal.echo_table(("metric", "returned", "points", "last", "min", "max"), _rows(found),
                        empty=f"run {run} has no metrics; it is {record.state}")


def _rows(found: Sequence[MetricSummary]) -> list[list[str]]:
    return [[one.name, "" if one.returned is None else fmt.value_text(one.returned), str(one.points or ""),
             fmt.number(one.last), fmt.number(one.min), fmt.number(one.max)] for one in found]


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


# -- `hyperspace runs tag` and `note`: change the tags and the note of runs --

@click.command
@click.option("--add", multiple=True, metavar="TAG", help="A tag to add; may be given again.")
@click.option("--remove", multiple=True, metavar="TAG", help="A tag to remove; may be given again.")
@options.some_runs
@options.dry_run_option
@pass_context
def tag(*, context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, add: tuple[str, ...],
        remove: tuple[str, ...], dry_run: bool) -> int:
    """Add tags to runs, or remove some.

    Select runs by id or by filter options: --tag selects runs that already have the tag.
    """
    _check(add, remove)

    def change(store: Store, record: RunRecord) -> str:
        tags = store.annotate(record.id, add_tags=add, remove_tags=remove).tags
        return f"tags {' '.join(tags)}" if tags else "no tags"

    marks = " ".join([*(f"+{one}" for one in add), *(f"-{one}" for one in remove)])
    literal = marks.replace("{", "{{").replace("}", "}}")      # the phrase is a format string
    action = BulkAction(phrase=f"tag {{}} {literal}", do=change)
    return act(context, *select_runs(context, runs, wanted, action), action, dry_run=dry_run)


@click.command
@options.run_argument
@click.argument("text")
@click.option("--append", is_flag=True, help="Keep the present note and add a line to it.")
@options.dry_run_option
@pass_context
def note(*, context: CommandContext, run: int, text: str, append: bool, dry_run: bool) -> None:
    """Set the note of a run; an empty text removes it."""
    record = get_run(context.store, context.name, run)
    whole = f"{record.note}\n{text}" if append and record.note else text
    if not dry_run:
        whole = context.store.annotate(run, note=whole).note
    would = "would have" if dry_run else "has"
    terminal.echo(f"run {run} {would} the note: {whole}" if whole else f"run {run} {would} no note")


def _check(add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """Raises `UsageError` without tags, and for a tag both added and removed."""
    from hyperspace_core.submission import check_tag

    for one in add:
        check_tag(one)
    if not add and not remove:
        raise click.UsageError("no tags given; name them with --add or --remove")
    both = sorted(set(add) & set(remove))
    if both:
        raise click.UsageError(f"--add {both[0]} and --remove {both[0]} contradict each other")


# -- `hyperspace runs delete`: delete runs from the store --

@click.command
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@options.some_runs
@options.dry_run_option
@pass_context
def delete(*, context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, yes: bool,
           dry_run: bool) -> int:
    """Delete runs and everything they logged, after confirmation.

    Select runs by id or by filter options. A running run is not deleted.
    """
    action = BulkAction(
        phrase="delete {}", do=_delete, fits=lambda record: record.state != "RUNNING",
        why_not=lambda record: f"cancel it first: `{context.command(f'queue cancel {record.id}')}`")
    fit, refused = select_runs(context, runs, wanted, action)
    if dry_run or not fit:
        return act(context, fit, refused, action, dry_run=True)
    ids = [record.id for record in fit]
    listed = ", ".join(map(str, ids[:10])) + (" …" if len(ids) > 10 else "")
    terminal.confirm(f"permanently delete {fmt.counted(len(ids))} ({listed})", yes=yes)
    code = act(context, fit, refused, action, dry_run=False)
    terminal.echo_hint(f"their artifact files stay in the store until `{context.command('store gc --yes')}`")
    return code


def _delete(store: Store, record: RunRecord) -> str:
    store.delete([record.id])
    return "deleted"


# -- `hyperspace runs export`: write a run to a folder for production --

_FOLDER = click.Path(path_type=Path)


@click.command
@options.run_argument
@click.argument("folder", required=False, type=_FOLDER, metavar="[DIR]")
@click.option("--to", type=_FOLDER, metavar="DIR", help="The folder to write, same as the argument DIR.")
@click.option("--artifact", "artifacts", multiple=True, metavar="NAME",
              help="Only this artifact; may be given again. Golden data is always included.")
@click.option("--component", metavar="PATH",
              help="The component that load_component(DIR) returns by default, such as classifier.")
@click.option("--force", is_flag=True, help="Replace an earlier export in the folder.")
@options.dry_run_option
@options.json_option
@pass_context
def export(*, context: CommandContext, run: int, folder: Path | None, to: Path | None,
           artifacts: tuple[str, ...], component: str | None, force: bool, dry_run: bool,
           as_json: bool) -> None:
    """Write a run to the folder DIR, for production.

    The folder has its config, scenario, component names, versions, artifacts and golden data.
    load_component(DIR) builds the component in a program without a store.

    \b
    hyperspace runs export 42 model
    """
    from hyperspace_core.production.export import check_place, plan_export, write_export

    target = _target(folder, to)
    record = get_run(context.store, context.name, run)
    planned = plan_export(context.store, record, artifacts=artifacts or None, component=component)
    if dry_run:
        check_place(target, force=force)
    else:
        write_export(context.store, planned, target, force=force)
    if record.state != "COMPLETED":
        terminal.warn(f"run {run} is {record.state}: its artifacts may be incomplete")
    if as_json:
        terminal.echo_json({"folder": str(target.absolute())} | planned.manifest)
        return
    _print(record, planned, target, dry_run=dry_run)


def _target(folder: Path | None, to: Path | None) -> Path:
    if folder is not None and to is not None and folder != to:
        raise click.UsageError(f"{folder} and --to {to} contradict each other; give one")
    target = to if folder is None else folder
    if target is None or not str(target).strip():
        raise click.UsageError("no folder: name the one to write, as in `hyperspace runs export 42 model`")
    return target


def _print(record: RunRecord, planned: Export, target: Path, *, dry_run: bool) -> None:
    golden = planned.manifest["golden"]
    plain = [artifact for artifact in planned.files.values() if not artifact.name.startswith("golden/")]
    kept = f"{len(plain)} artifact{'' if len(plain) == 1 else 's'}"
    size = f" ({fmt.byte_count(sum(artifact.size for artifact in plain))})" if plain else ""
    with_golden = f", golden data {', '.join(golden)}" if golden else ""
    verb = f"would export run {record.id}" if dry_run else f"run {record.id} exported"
    terminal.echo(f"{verb} to {target}: {record.task}, {kept}{size}{with_golden}")
    terminal.echo_hint(f"in Python: load_component({str(target)!r})")


for command in (list_runs, show, logs, metrics, diff, tag, note, export, delete):
    runs.add_command(command)
