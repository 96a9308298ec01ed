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
                          help="The whole queue, including later submissions.")


@click.command
@all_option
@some_runs
@dry_run_option
@at_place
def pause(*, place: Place, runs: tuple[int, ...], wanted: Wanted, whole: bool, dry_run: bool) -> int:
    """Pause runs; a running run is stopped and returned to the queue as paused.

    Select runs by id or by filter options. --search pauses a search: it proposes no more runs, and the runs
    it has proposed continue. --all pauses the queue: no worker starts a run until `hyperspace queue resume
    --all`, and running runs continue.
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
        why_not=lambda record: "only a queued or running run can be paused",
        do=lambda store, record: _outcome(store.pause(record.id), "its worker was asked to release it")))


@click.command
@all_option
@some_runs
@dry_run_option
@at_place
def resume(*, place: Place, runs: tuple[int, ...], wanted: Wanted, whole: bool, dry_run: bool) -> int:
    """Resume paused runs.

    Select runs by id or by filter options. --search resumes a search. --all resumes the whole queue; runs
    that were paused one by one stay paused.
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
        do=lambda store, record: _outcome(store.resume(record.id), "its worker continues it")))


@click.command
@some_runs
@dry_run_option
@at_place
def cancel(*, place: Place, runs: tuple[int, ...], wanted: Wanted, dry_run: bool) -> int:
    """Cancel runs: a queued run never starts, a running run is stopped by its worker.

    Select runs by id or by filter options. --search cancels a search and its runs that have not ended.
    """
    from hyperspace_core.cli.bulk import Deed
    from hyperspace_core.records.states import Verb, allowed

    if wanted.search is not None:
        from hyperspace_core.cli.search_verbs import cancel_search

        return cancel_search(place, runs, wanted, dry_run=dry_run)
    return _do(place, runs, wanted, dry_run, Deed(
        phrase="cancel {}", fits=lambda record: bool(allowed(Verb.CANCEL, record.state)),
        why_not=lambda record: "it has ended already",
        do=lambda store, record: _outcome(store.cancel(record.id), "its worker was asked to stop it")))


@click.command
@some_runs
@dry_run_option
@at_place
def requeue(*, place: Place, runs: tuple[int, ...], wanted: Wanted, dry_run: bool) -> int:
    """Queue finished runs again; their earlier attempts stay in the record.

    Select runs by id or by filter options, as in `--status failed`.
    """
    from hyperspace_core.cli.bulk import Deed
    from hyperspace_core.records.states import Verb, allowed

    return _do(place, runs, wanted, dry_run, Deed(
        phrase="requeue {}", fits=lambda record: bool(allowed(Verb.REQUEUE, record.state)),
        why_not=lambda record: "it has not ended yet" + _resume(place, record),
        do=lambda store, record: store.requeue(record.id).value))


class LastMayBeNegative(click.Command):
    """A command whose last argument may be a negative number."""

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
    """Set the priority of runs to N: higher starts first, the default is 0.

    Select runs by id or by filter options.
    """
    from hyperspace_core.cli.bulk import Deed

    return _do(place, runs, wanted, dry_run, Deed(
        phrase=f"give {{}} priority {number}", fits=lambda record: not record.state.terminal,
        why_not=lambda record: "it has ended already" + _requeue(place, record),
        do=lambda store, record: f"priority {store.annotate(record.id, priority=number).priority}"))


def _do(place: Place, runs: tuple[int, ...], wanted: Wanted, dry_run: bool, deed: Deed) -> int:
    from hyperspace_core.cli.bulk import act, look

    return act(place, look(place, runs, wanted, deed), deed, dry_run=dry_run)


def _switch(place: Place, runs: tuple[int, ...], wanted: Wanted, *, paused: bool, dry_run: bool) -> int:
    """Pause or resume the whole queue."""
    given = [f"run {run}" for run in runs] + wanted.options
    if given:
        raise click.UsageError(f"--all and {', '.join(given)} contradict each other: "
                               "--all means the whole queue")
    before = place.store.settings(place.name).paused
    if not dry_run and before is not paused:
        place.store.change_settings(place.name, paused=paused)
    state = "paused" if paused else "open"
    if before is paused:
        say(f"the whole queue is {state} already")
    else:
        say(f"the whole queue {'would be' if dry_run else 'is'} {state}")
    return 0


def _outcome(state: State, otherwise: str) -> str:
    return f"RUNNING; {otherwise}" if state == "RUNNING" else state.value


def _requeue(place: Place, record: RunRecord) -> str:
    command = place.command(f"queue requeue {record.id}")
    return f"; `{command}` queues it again" if record.state.terminal else ""


def _resume(place: Place, record: RunRecord) -> str:
    command = place.command(f"queue resume {record.id}")
    return f"; `{command}` resumes it" if record.state == "PAUSED" else ""
