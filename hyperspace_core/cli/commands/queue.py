"""`hyperspace queue`: list and control the queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import click

from hyperspace_core.cli import options, terminal
from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.main import Commands
from hyperspace_core.cli.options import FilterOptions
from hyperspace_core.errors import ExitCode, NotFound, Refused
from hyperspace_core.records.filter import ORDER_QUEUE
from hyperspace_core.records.run import SNAPSHOT, RunRecord
from hyperspace_core.records.states import State, Verb, allowed
from hyperspace_core.records.traits import waiting_reasons
from hyperspace_core.results.format import age, brief, counted, to_json
from hyperspace_core.storage import Store

# -- `hyperspace queue pause`, `resume`, `cancel`, `requeue` and `priority` --

F = TypeVar("F", bound=Callable[..., Any])

LOWEST = -(2**31)
all_option = click.option("--all", "whole", is_flag=True,
                          help="The whole queue, including later submissions.")


@click.command
@all_option
@options.some_runs
@options.dry_run_option
@pass_context
def pause(*, context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, whole: bool,
          dry_run: bool) -> int:
    """Pause runs; a running run is stopped and returned to the queue as paused.

    Select runs by id or by filter options. --search pauses a search: it proposes no more runs, and the runs
    it has proposed continue. --all pauses the queue: no worker starts a run until `hyperspace queue resume
    --all`, and running runs continue.
    """
    if whole:
        return _switch(context, runs, wanted, paused=True, dry_run=dry_run)
    if wanted.search is not None:
        return _on_search(context, "pause", runs, wanted, dry_run=dry_run)
    return _do(context, runs, wanted, dry_run, BulkAction(
        phrase="pause {}", fits=lambda record: bool(allowed(Verb.PAUSE, record.state)),
        why_not=lambda record: "only a queued or running run can be paused",
        do=lambda store, record: _outcome(store.pause(record.id), "its worker was asked to release it")))


@click.command
@all_option
@options.some_runs
@options.dry_run_option
@pass_context
def resume(*, context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, whole: bool,
           dry_run: bool) -> int:
    """Resume paused runs.

    Select runs by id or by filter options. --search resumes a search. --all resumes the whole queue; runs
    that were paused one by one stay paused.
    """
    if whole:
        return _switch(context, runs, wanted, paused=False, dry_run=dry_run)
    if wanted.search is not None:
        return _on_search(context, "resume", runs, wanted, dry_run=dry_run)
    return _do(context, runs, wanted, dry_run, BulkAction(
        phrase="resume {}", fits=lambda record: record.state == "PAUSED" or record.command == "pause",
        why_not=lambda record: "only a paused run can be resumed" + _requeue(context, record),
        do=lambda store, record: _outcome(store.resume(record.id), "its worker continues it")))


@click.command
@options.some_runs
@options.dry_run_option
@pass_context
def cancel(*, context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, dry_run: bool) -> int:
    """Cancel runs: a queued run never starts, a running run is stopped by its worker.

    Select runs by id or by filter options. --search cancels a search and its runs that have not ended.
    """
    if wanted.search is not None:
        return _on_search(context, "cancel", runs, wanted, dry_run=dry_run)
    return _do(context, runs, wanted, dry_run, BulkAction(
        phrase="cancel {}", fits=lambda record: bool(allowed(Verb.CANCEL, record.state)),
        why_not=lambda record: "it has ended already",
        do=lambda store, record: _outcome(store.cancel(record.id), "its worker was asked to stop it")))


@click.command
@options.some_runs
@options.dry_run_option
@pass_context
def requeue(*, context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, dry_run: bool) -> int:
    """Queue finished runs again; their earlier attempts stay in the record.

    Select runs by id or by filter options, as in `--status failed`.
    """
    action = BulkAction(
        phrase="requeue {}", fits=lambda record: bool(allowed(Verb.REQUEUE, record.state)),
        why_not=lambda record: "it has not ended yet" + _resume(context, record),
        do=lambda store, record: store.requeue(record.id).value)
    fit, refused = select_runs(context, runs, wanted, action)
    code = act(context, fit, refused, action, dry_run=dry_run)
    pinned = next((record.id for record in fit if SNAPSHOT in record.code), None)
    if pinned is not None:
        terminal.echo_note("they execute the code that was pinned at their submission; "
                           f"`{context.command(f'rerun {pinned}')}` queues a run of today's code")
    return code


class LastMayBeNegative(click.Command):
    """A command whose last argument may be a negative number."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if len(args) > 1 and args[-1][:1] == "-" and args[-1][1:].isdigit() and "--" not in args:
            args = [*args[:-1], "--", args[-1]]
        return super().parse_args(ctx, args)


@click.command(cls=LastMayBeNegative)
@options.some_runs
@click.argument("number", type=options.WholeNumber(LOWEST), metavar="N")
@options.dry_run_option
@pass_context
def priority(*, context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, number: int,
             dry_run: bool) -> int:
    """Set the priority of runs to N: higher starts first, the default is 0.

    Select runs by id or by filter options.
    """
    return _do(context, runs, wanted, dry_run, BulkAction(
        phrase=f"give {{}} priority {number}", fits=lambda record: not record.state.terminal,
        why_not=lambda record: "it has ended already" + _requeue(context, record),
        do=lambda store, record: f"priority {store.annotate(record.id, priority=number).priority}"))


def _do(context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, dry_run: bool,
        action: BulkAction) -> int:
    return act(context, *select_runs(context, runs, wanted, action), action, dry_run=dry_run)


def _on_search(context: CommandContext, verb: str, runs: tuple[int, ...], wanted: FilterOptions, *,
               dry_run: bool) -> int:
    """Have the plugin of searches act on a search with all of its runs."""
    others = [f"run {run}" for run in runs] + [name for name in wanted.options if name != "--search"]
    if others:
        raise click.UsageError(f"--search and {', '.join(others)} contradict each other: --search means the "
                               "search with all of its runs")
    context.run_command(f"queue {verb} --search", str(wanted.search), *["--dry-run"] * dry_run)
    return ExitCode.OK


def _switch(context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, *, paused: bool,
            dry_run: bool) -> int:
    """Pause or resume the whole queue."""
    given = [f"run {run}" for run in runs] + wanted.options
    if given:
        raise click.UsageError(f"--all and {', '.join(given)} contradict each other: "
                               "--all means the whole queue")
    store = context.store if dry_run else context.store_to_write
    before = store.settings(context.name).paused
    if not dry_run and before is not paused:
        store.change_settings(context.name, paused=paused)
    state = "paused" if paused else "open"
    would = "would be" if dry_run and before is not paused else "is"
    terminal.echo(f"the whole queue {would} {state}{' already' if before is paused else ''}")
    return 0


def _outcome(state: State, otherwise: str) -> str:
    return f"RUNNING; {otherwise}" if state == "RUNNING" else state.value


def _requeue(context: CommandContext, record: RunRecord) -> str:
    command = context.command(f"queue requeue {record.id}")
    return f"; `{command}` queues it again" if record.state.terminal else ""


def _resume(context: CommandContext, record: RunRecord) -> str:
    command = context.command(f"queue resume {record.id}")
    return f"; `{command}` resumes it" if record.state == "PAUSED" else ""


@click.group(cls=Commands)
def queue() -> None:
    """List the queue; pause, resume, cancel or requeue runs."""


@click.command("list")
@options.filtered
@options.limit_option("the first N runs")
@options.json_option
@pass_context
def list_queue(*, context: CommandContext, wanted: FilterOptions, limit: int | None, as_json: bool) -> None:
    """List queued runs in the order in which workers take them, then paused runs."""
    from hyperspace_core.results.overview import living_workers

    found = _waiting(context, wanted)
    shown = found[:limit if as_json else terminal.bearable(limit)]
    rows = list(waiting_reasons(shown, living_workers(context.store, context.name)))
    if as_json:
        terminal.echo_json([to_json(record) | {"why_not": why} for record, why in rows])
        return
    if context.store.settings(context.name).paused:
        terminal.echo_note(f"the whole queue is paused; `{context.command('queue resume --all')}` resumes it")
    heads = ("run", "task", "state", "priority", "age", "config", "cannot start")
    now = datetime.now().astimezone()
    cells = [[str(record.id), record.task, record.state.value, str(record.priority),
              age(record.submitted_at, now), brief(record.submitted), why or ""] for record, why in rows]
    terminal.echo_table(heads, cells,
                        empty="no queued or paused run matches" if wanted.options else "the queue is empty")
    terminal.hint_at_more(len(found) - len(shown))


def _waiting(context: CommandContext, wanted: FilterOptions) -> list[RunRecord]:
    """Read queued runs in the order in which workers take them, then paused ones."""
    where = wanted.at(context)
    states = [state for state in (State.QUEUED, State.PAUSED) if state in (where.states or (state,))]
    if not states:
        raise click.UsageError(f"--status {' '.join(wanted.statuses)}: the queue holds only queued and "
                               f"paused runs; `{context.command('runs list')}` lists all")
    return [record for state in states
            for record in context.store.find(replace(where, states=(state,)), order=ORDER_QUEUE)]


for command in (list_queue, pause, resume, cancel, requeue, priority):
    queue.add_command(command)


# -- One action on several runs: check all of them first, then act and report each --

ONE_BY_ONE = 20                # more runs than this are reported in a summary


@dataclass(frozen=True, kw_only=True)
class BulkAction:
    """An action on a run."""

    phrase: str                                        # "cancel {}", for "would cancel run 3"
    do: Callable[[Store, RunRecord], str]              # acts; returns the new state: "CANCELLED"
    fits: Callable[[RunRecord], bool] = lambda record: True
    why_not: Callable[[RunRecord], str] = lambda record: ""    # it does not fit: cause and cure


def select_runs(context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions,
                action: BulkAction) -> tuple[list[RunRecord], int]:
    """Select the runs that the action fits; report and count named runs that it does not fit.

    A filter selects only runs that the action fits; the number of other matches is printed.
    """
    records = options.chosen(context, runs, wanted)
    fit = [record for record in records if action.fits(record)]
    others = [record for record in records if not action.fits(record)]
    if not runs:
        if others:
            stay = "matches is unchanged" if len(others) == 1 else "match are unchanged"
            terminal.echo_note(f"{counted(len(others))} that {stay}: {_by_state(others)}")
        elif not fit:
            terminal.echo_note("no run matches")
        return fit, 0
    for record in others:
        terminal.echo_error(f"run {record.id} is {record.state}: {action.why_not(record)}")
    return fit, len(others)


def act(context: CommandContext, fit: Sequence[RunRecord], refused: int, action: BulkAction, *,
        dry_run: bool) -> int:
    """Act on the selected runs; one whose state changed meanwhile is refused, too."""
    done: list[tuple[RunRecord, str]] = []
    doing = terminal.tracked(fit, action.phrase.format("runs"), len(fit))
    for record in () if dry_run else doing:
        try:
            done.append((record, action.do(context.store, record)))
        except (Refused, NotFound) as error:
            terminal.echo_error(str(error))
            refused += 1
    if dry_run:
        _tell_plan(fit, action)
    else:
        _tell(done)
    return ExitCode.REFUSED if refused else ExitCode.OK


def _tell_plan(records: Sequence[RunRecord], action: BulkAction) -> None:
    if len(records) > ONE_BY_ONE:
        terminal.echo(f"would {action.phrase.format(counted(len(records)))}: {_by_state(records)}")
        return
    for record in records:
        terminal.echo(f"would {action.phrase.format(f'run {record.id}')} ({record.task}, {record.state})")


def _tell(done: Sequence[tuple[RunRecord, str]]) -> None:
    if len(done) > ONE_BY_ONE:
        for what, count in Counter(what for _, what in done).items():
            terminal.echo(f"{counted(count)}: {what}")
        return
    for record, what in done:
        terminal.echo(f"run {record.id}: {what}")


def _by_state(records: Sequence[RunRecord]) -> str:
    counts = Counter(record.state for record in records)
    return ", ".join(f"{count} {state}" for state, count in counts.items())
