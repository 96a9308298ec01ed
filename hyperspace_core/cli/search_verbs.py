"""`hyperspace queue cancel|pause|resume --search ID`: actions on a whole search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.commands.queue import counted
from hyperspace_core.cli.context import CommandContext
from hyperspace_core.cli.options import FilterOptions
from hyperspace_core.cli.terminal import echo
from hyperspace_core.errors import ExitCode, Refused

if TYPE_CHECKING:
    from hyperspace_core.records.search import SearchRecord


def cancel_search(context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, *,
                  dry_run: bool) -> int:
    """Cancel a search and its runs. Raises `Refused` if all of them have ended."""
    from hyperspace_core.records.search import SearchState
    from hyperspace_core.searches import verbs

    search = _searched(context, runs, wanted)
    unended = [run.id for run in verbs.runs_of(context.store, search, *verbs.UNENDED)]
    if search.state is SearchState.ENDED and not unended:
        raise Refused(f"search {search.id} is ENDED ({search.reason}), and its runs have ended")
    if dry_run:
        echo(f"would cancel search {search.id} ({search.task}, {search.state}){_with(len(unended))}")
        return ExitCode.OK
    stopped = verbs.cancel(context.store, search)
    echo(f"search {search.id}: ENDED{_with(len(stopped))}")
    return ExitCode.OK


def pause_search(context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, *,
                 dry_run: bool) -> int:
    """Pause a search. Raises `Refused` if it has ended."""
    from hyperspace_core.records.search import SearchState
    from hyperspace_core.searches import verbs

    search = _searched(context, runs, wanted)
    if search.state is SearchState.ENDED:
        raise Refused(f"search {search.id} is ENDED ({search.reason}): only an open search can be paused")
    if not dry_run:
        search = verbs.pause(context.store, search)
    echo(f"would pause search {search.id} ({search.task}, {search.state})" if dry_run else
         f"search {search.id}: {search.state}; the runs that it has proposed continue")
    return ExitCode.OK


def resume_search(context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, *,
                  dry_run: bool) -> int:
    """Resume a search. Raises `UsageError` if its budget is used up."""
    from hyperspace_core.searches import verbs

    search = _searched(context, runs, wanted)
    if dry_run:
        verbs.widened(context.store, search, {})
        echo(f"would resume search {search.id} ({search.task}, {search.state})")
        return ExitCode.OK
    search = verbs.resume(context.store, search, {})
    echo(f"search {search.id}: {search.state}")
    return ExitCode.OK


def _searched(context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions) -> SearchRecord:
    """The search. Raises `NotFound`; `UsageError` if other filters are given."""
    from hyperspace_core.lookup import get_search

    others = [f"run {run}" for run in runs] + [name for name in wanted.options if name != "--search"]
    if others:
        raise click.UsageError(f"--search and {', '.join(others)} contradict each other: --search means the "
                               "search with all of its runs")
    return get_search(context.store, context.name, wanted.search or 0)


def _with(count: int) -> str:
    return f", and {counted(count)} with it" if count else ""
