"""`hyperspace runs`: list, show, compare, tag, annotate, export and delete runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.arguments import Wanted, filtered, json_option, limit_option
from hyperspace_core.cli.commands.runs_delete import delete
from hyperspace_core.cli.commands.runs_diff import diff
from hyperspace_core.cli.commands.runs_export import export
from hyperspace_core.cli.commands.runs_logs import logs
from hyperspace_core.cli.commands.runs_metrics import metrics
from hyperspace_core.cli.commands.runs_notes import note, tag
from hyperspace_core.cli.commands.runs_show import show
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.root import Commands
from hyperspace_core.cli.screen import bearable, hint_at_more, room_of_stdout, say_json, say_table

if TYPE_CHECKING:
    from hyperspace_core.records.run import RunRecord

REASON = 50                    # characters of a reason that are shown on a terminal


@click.group(cls=Commands)
def runs() -> None:
    """List, show, compare, tag, annotate, export or delete runs."""


@click.command("list")
@filtered
@limit_option("the newest N runs")
@json_option
@at_place
def list_runs(place: Place, wanted: Wanted, limit: int | None, as_json: bool) -> None:
    """List runs, newest first."""
    store, where = place.store, wanted.at(place)
    if as_json:
        say_json(list(store.find(where, limit=limit)))
        return
    limit = bearable(limit)
    found = list(store.find(where, limit=limit))
    heads, rows = columns(found, datetime.now().astimezone())
    say_table(heads, rows, empty="no run matches" if wanted.options else "no runs yet")
    if len(found) == limit:
        hint_at_more(sum(store.count(where).values()) - len(found))


def columns(records: Sequence[RunRecord], now: datetime) -> tuple[list[str], list[list[str]]]:
    """Return the heads and rows of the table, without empty columns."""
    from hyperspace_core.results.words import age, brief, number, one_line

    short = REASON if room_of_stdout() is not None else None
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
    from hyperspace_core.config.tree import MISSING
    from hyperspace_core.results.table import seconds_of
    from hyperspace_core.results.words import seconds

    attempt = record.attempt
    if attempt is not None and attempt.started_at is not None and attempt.outcome is None:
        return seconds((now - attempt.started_at).total_seconds())
    took = seconds_of(record)
    return "" if took is MISSING else seconds(took)


for command in (list_runs, show, logs, metrics, diff, tag, note, export, delete):
    runs.add_command(command)
