"""`hyperspace queue pause`, `resume`, `cancel`, `requeue` and `priority`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hyperspace_core.cli.arguments import Wanted, WholeNumber, dry_run_option, some_runs
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.screen import say

if TYPE_CHECKING:
    from hyperspace_core.cli.bulk import Deed
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.records.states import State

F = TypeVar("F", bound=Callable[..., Any])

LOWEST = -(2**31)
all_option = click.option("--all", "whole", is_flag=True,
                          help="The whole queue, also what is submitted later.")


@click.command
@all_option
@some_runs
@dry_run_option
@at_place
def pause(*, place: Place, runs: tuple[int, ...], wanted: Wanted, whole: bool, dry_run: bool) -> int:
    """Let runs rest; a running one is given back to the queue and rests there.

    Runs are named by id, or described by the filter options. With --search it is a search that rests: it
    proposes nothing more, and what it has proposed goes on. With --all no worker starts anything until
    `hyperspace queue resume --all`; what is running goes on.
    """
    from hyperspace_core.cli.bulk import Deed
    from hyperspace_core.records.states import Verb, allowed

    if whole:
        return _switch(place, runs, wanted, paused=True, dry_run=dry_run)
    if wanted.search is not None:
        from hyperspace_core.cli.search_verbs import pause_search

        return pause_search(place, runs, wanted, dry_run=dry_run)
    return _do(place, runs, wanted, dry_run, Deed(
        phrase="pause {}", fits=lambda record: bool(allowed(Verb.PAUSE, record.state)),
        why_not=lambda record: "only what waits or runs can be paused",
        do=lambda store, record: _told(store.pause(record.id), "its worker is asked to give it back")))


@click.command
@all_option
@some_runs
@dry_run_option
@at_place
def resume(*, place: Place, runs: tuple[int, ...], wanted: Wanted, whole: bool, dry_run: bool) -> int:
    """Let paused runs go on.

    Runs are named by id, or described by the filter options. With --search it is a search that goes on. With
    --all the whole queue goes on; runs that were paused one by one still rest.
    """
    from hyperspace_core.cli.bulk import Deed

    if whole:
        return _switch(place, runs, wanted, paused=False, dry_run=dry_run)
    if wanted.search is not None:
        from hyperspace_core.cli.search_verbs import resume_search

        return resume_search(place, runs, wanted, dry_run=dry_run)
    return _do(place, runs, wanted, dry_run, Deed(
        phrase="resume {}", fits=lambda record: record.state == "PAUSED" or record.command == "pause",
        why_not=lambda record: "only a paused run can be resumed" + _requeue(place, record),
        do=lambda store, record: _told(store.resume(record.id), "its worker goes on with it")))


@click.command
@some_runs
@dry_run_option
@at_place
def cancel(*, place: Place, runs: tuple[int, ...], wanted: Wanted, dry_run: bool) -> int:
    """Cancel runs for good: what waits never starts, what runs is ended by its worker.

    Runs are named by id, or described by the filter options. With --search it is a search that ends, and with
    it those of its runs that have not ended.
    """
    from hyperspace_core.cli.bulk import Deed
    from hyperspace_core.records.states import Verb, allowed

    if wanted.search is not None:
        from hyperspace_core.cli.search_verbs import cancel_search

        return cancel_search(place, runs, wanted, dry_run=dry_run)
    return _do(place, runs, wanted, dry_run, Deed(
        phrase="cancel {}", fits=lambda record: bool(allowed(Verb.CANCEL, record.state)),
        why_not=lambda record: "it has ended already",
        do=lambda store, record: _told(store.cancel(record.id), "its worker is told to end it")))


@click.command
@some_runs
@dry_run_option
@at_place
def requeue(*, place: Place, runs: tuple[int, ...], wanted: Wanted, dry_run: bool) -> int:
    """Queue runs again that have ended; their earlier attempts stay in the record.

    Runs are named by id, or described by the filter options, as in `--status failed`.
    """
    from hyperspace_core.cli.bulk import Deed
    from hyperspace_core.records.states import Verb, allowed

    return _do(place, runs, wanted, dry_run, Deed(
        phrase="requeue {}", fits=lambda record: bool(allowed(Verb.REQUEUE, record.state)),
        why_not=lambda record: "it has not ended yet" + _resume(place, record),
        do=lambda store, record: store.requeue(record.id).value))


class LastMayBeNegative(click.Command):
    """Takes `-5` at the end for a number, not for an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if len(args) > 1 and args[-1][:1] == "-" and args[-1][1:].isdigit() and "--" not in args:
            args = [*args[:-1], "--", args[-1]]
        return super().parse_args(ctx, args)


@click.command(cls=LastMayBeNegative)
@some_runs
@click.argument("number", type=WholeNumber(LOWEST), metavar="N")
@dry_run_option
@at_place
def priority(*, place: Place, runs: tuple[int, ...], wanted: Wanted, number: int, dry_run: bool) -> int:
    """Give runs the priority N: higher goes first, 0 is usual, below 0 waits for all others.

    Runs are named by id, or described by the filter options.
    """
    from hyperspace_core.cli.bulk import Deed

    return _do(place, runs, wanted, dry_run, Deed(
        phrase=f"give {{}} priority {number}", fits=lambda record: not record.state.terminal,
        why_not=lambda record: "it waits for nothing any more" + _requeue(place, record),
        do=lambda store, record: f"priority {store.annotate(record.id, priority=number).priority}"))


def _do(place: Place, runs: tuple[int, ...], wanted: Wanted, dry_run: bool, deed: Deed) -> int:
    from hyperspace_core.cli.bulk import act, look

    return act(place, look(place, runs, wanted, deed), deed, dry_run=dry_run)


def _switch(place: Place, runs: tuple[int, ...], wanted: Wanted, *, paused: bool, dry_run: bool) -> int:
    """The flag of the whole queue."""
    given = [f"run {run}" for run in runs] + wanted.options
    if given:
        raise click.UsageError(f"--all and {', '.join(given)} contradict each other: "
                               "--all is the whole queue")
    before = place.store.settings(place.name).paused
    if not dry_run and before is not paused:
        place.store.change_settings(place.name, paused=paused)
    state = "paused" if paused else "open"
    if before is paused:
        say(f"the whole queue is {state} already")
    else:
        say(f"the whole queue {'would be' if dry_run else 'is'} {state}")
    return 0


def _told(state: State, otherwise: str) -> str:
    return f"RUNNING; {otherwise}" if state == "RUNNING" else state.value


def _requeue(place: Place, record: RunRecord) -> str:
    command = place.command(f"queue requeue {record.id}")
    return f"; `{command}` queues it again" if record.state.terminal else ""


def _resume(place: Place, record: RunRecord) -> str:
    command = place.command(f"queue resume {record.id}")
    return f"; `{command}` lets it go on" if record.state == "PAUSED" else ""
