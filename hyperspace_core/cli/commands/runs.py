"""`hyperspace runs`: list, show, compare, tag, annotate, export and delete runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.commands.queue import BulkAction, act, counted, look
from hyperspace_core.cli.commands.runs_diff import diff
from hyperspace_core.cli.commands.runs_export import export
from hyperspace_core.cli.commands.runs_output import logs, metrics
from hyperspace_core.cli.commands.runs_show import show
from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.main import Commands
from hyperspace_core.cli.options import (
    FilterOptions,
    dry_run_option,
    filtered,
    json_option,
    limit_option,
    run_argument,
    some_runs,
)
from hyperspace_core.cli.terminal import (
    bearable,
    confirm,
    echo,
    echo_hint,
    echo_json,
    echo_table,
    hint_at_more,
    stdout_width,
)
from hyperspace_core.config.tree import MISSING
from hyperspace_core.lookup import get_run
from hyperspace_core.results.format import age, brief, number, one_line, seconds
from hyperspace_core.results.table import seconds_of

if TYPE_CHECKING:
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.storage import Store

# -- `hyperspace runs delete`: delete runs from the store --

@click.command
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@some_runs
@dry_run_option
@pass_context
def delete(*, context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, yes: bool,
           dry_run: bool) -> int:
    """Delete runs and everything they logged, after confirmation.

    Select runs by id or by filter options. A running run is not deleted.
    """
    deed = BulkAction(
        phrase="delete {}", do=_delete, fits=lambda record: record.state != "RUNNING",
        why_not=lambda record: f"cancel it first: `{context.command(f'queue cancel {record.id}')}`")
    looked = look(context, runs, wanted, deed)
    if dry_run or not looked.fit:
        return act(context, looked, deed, dry_run=True)
    ids = [record.id for record in looked.fit]
    confirm(f"permanently delete {counted(len(ids))} ({_listed(ids)})", yes=yes)
    code = act(context, looked, deed, dry_run=False)
    echo_hint(f"their artifact files stay in the store until `{context.command('store gc --yes')}`")
    return code


def _delete(store: Store, record: RunRecord) -> str:
    store.delete([record.id])
    return "deleted"


def _listed(ids: list[int]) -> str:
    return ", ".join(map(str, ids[:10])) + (" …" if len(ids) > 10 else "")


# -- `hyperspace runs tag` and `note`: change the tags and the note of runs --

@click.command
@click.option("--add", multiple=True, metavar="TAG", help="A tag to add; may be given again.")
@click.option("--remove", multiple=True, metavar="TAG", help="A tag to remove; may be given again.")
@some_runs
@dry_run_option
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
    deed = BulkAction(phrase=f"tag {{}} {_literal(marks)}", do=change)
    return act(context, look(context, runs, wanted, deed), deed, dry_run=dry_run)


@click.command
@run_argument
@click.argument("text")
@click.option("--append", is_flag=True, help="Keep the present note and add a line to it.")
@dry_run_option
@pass_context
def note(*, context: CommandContext, run: int, text: str, append: bool, dry_run: bool) -> None:
    """Set the note of a run; an empty text removes it."""
    record = get_run(context.store, context.name, run)
    whole = f"{record.note}\n{text}" if append and record.note else text
    if not dry_run:
        whole = context.store.annotate(run, note=whole).note
    would = "would have" if dry_run else "has"
    echo(f"run {run} {would} the note: {whole}" if whole else f"run {run} {would} no note")


def _literal(text: str) -> str:
    """Escape braces for a format string."""
    return text.replace("{", "{{").replace("}", "}}")


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


REASON = 50                    # characters of a reason that are shown on a terminal


@click.group(cls=Commands)
def runs() -> None:
    """List, show, compare, tag, annotate, export or delete runs."""


@click.command("list")
@filtered
@limit_option("the newest N runs")
@json_option
@pass_context
def list_runs(context: CommandContext, wanted: FilterOptions, limit: int | None, as_json: bool) -> None:
    """List runs, newest first."""
    store, where = context.store, wanted.at(context)
    if as_json:
        echo_json(list(store.find(where, limit=limit)))
        return
    limit = bearable(limit)
    found = list(store.find(where, limit=limit))
    heads, rows = columns(found, datetime.now().astimezone())
    echo_table(heads, rows, empty="no run matches" if wanted.options else "no runs yet")
    if len(found) == limit:
        hint_at_more(sum(store.count(where).values()) - len(found))


def columns(records: Sequence[RunRecord], now: datetime) -> tuple[list[str], list[list[str]]]:
    """Return the heads and rows of the table, without empty columns."""
    short = REASON if stdout_width() is not None else None
    cells = {
        "run": [str(record.id) for record in records],
        "task": [record.task for record in records],
        "state": [record.state.value for record in records],
        "result": [number(record.result) for record in records],
        "age": [age(record.submitted_at, now) for record in records],
        "time": [time_of(record, now) for record in records],
        "tags": [" ".join(record.tags) for record in records],
        "note": [one_line(record.note, short) for record in records],
        "reason": [one_line(record.reason or "", short) for record in records],
        "config": [brief(record.submitted) for record in records],
    }
    kept = {head: column for head, column in cells.items() if any(column)}
    return list(kept), [list(row) for row in zip(*kept.values(), strict=True)]


def time_of(record: RunRecord, now: datetime) -> str:
    """Format the duration of the last attempt, so far if it is running."""
    attempt = record.attempt
    if attempt is not None and attempt.started_at is not None and attempt.outcome is None:
        return seconds((now - attempt.started_at).total_seconds())
    took = seconds_of(record)
    return "" if took is MISSING else seconds(took)


for command in (list_runs, show, logs, metrics, diff, tag, note, export, delete):
    runs.add_command(command)
