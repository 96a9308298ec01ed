"""`hyperspace queue`: list and control the queue."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.arguments import Wanted, filtered, json_option, limit_option
from hyperspace_core.cli.commands.queue_verbs import cancel, pause, priority, requeue, resume
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.root import Commands
from hyperspace_core.cli.screen import bearable, hint_at_more, note, say_json, say_table

if TYPE_CHECKING:
    from hyperspace_core.records.run import RunRecord


@click.group(cls=Commands)
def queue() -> None:
    """List the queue; pause, resume, cancel or requeue runs."""


@click.command("list")
@filtered
@limit_option("the first N runs")
@json_option
@at_place
def list_queue(*, place: Place, wanted: Wanted, limit: int | None, as_json: bool) -> None:
    """List queued runs in the order in which workers take them, then paused runs."""
    from hyperspace_core.results.overview import living_workers, told_why

    found = _waiting(place, wanted)
    shown = found[:limit if as_json else bearable(limit)]
    rows = list(told_why(shown, living_workers(place.store, place.name)))
    if as_json:
        from hyperspace_core.results.plain import plain

        say_json([plain(record) | {"why_not": why} for record, why in rows])
        return
    if place.store.settings(place.name).paused:
        note(f"the whole queue is paused; `{place.command('queue resume --all')}` resumes it")
    heads = ("run", "task", "state", "priority", "age", "config", "cannot start")
    now = datetime.now().astimezone()
    say_table(heads, [_row(record, why, now) for record, why in rows],
              empty="no queued or paused run matches" if wanted.options else "the queue is empty")
    if len(shown) < len(found):
        hint_at_more(len(found) - len(shown))


def _row(record: RunRecord, why: str | None, now: datetime) -> list[str]:
    from hyperspace_core.results.words import age, brief

    return [str(record.id), record.task, record.state.value, str(record.priority),
            age(record.submitted_at, now), brief(record.submitted), why or ""]


def _waiting(place: Place, wanted: Wanted) -> list[RunRecord]:
    """Read queued runs in the order in which workers take them, then paused ones."""
    from hyperspace_core.records.filter import ORDER_QUEUE
    from hyperspace_core.records.states import State

    where = wanted.at(place)
    states = [state for state in (State.QUEUED, State.PAUSED) if state in (where.states or (state,))]
    if not states:
        raise click.UsageError(f"--status {' '.join(wanted.statuses)}: the queue holds only queued and "
                               f"paused runs; `{place.command('runs list')}` lists all")
    return [record for state in states
            for record in place.store.find(replace(where, states=(state,)), order=ORDER_QUEUE)]


for command in (list_queue, pause, resume, cancel, requeue, priority):
    queue.add_command(command)
