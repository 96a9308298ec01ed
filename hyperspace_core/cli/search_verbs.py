"""`hyperspace queue cancel|pause|resume --search ID`: actions on a whole search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.commands.queue import counted
from hyperspace_core.cli.context import CommandContext
from hyperspace_core.cli.options import FilterOptions
from hyperspace_core.cli.terminal import echo
from hyperspace_core.errors import ExitCode, NotFound, Refused
from hyperspace_core.records.search import CANCELLED, SearchState

if TYPE_CHECKING:
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.records.search import SearchRecord


def cancel_search(context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, *,
                  dry_run: bool) -> int:
    """Cancel a search and its runs. Raises `Refused` if all of them have ended."""
    search = _searched(context, runs, wanted)
    unended = [run.id for run in _unended(context, search)]
    if search.state is SearchState.ENDED and not unended:
        raise Refused(f"search {search.id} is ENDED ({search.reason}), and its runs have ended")
    if dry_run:
        echo(f"would cancel search {search.id} ({search.task}, {search.state}){_with(len(unended))}")
        return ExitCode.OK
    context.store.end_search(search.id, CANCELLED)
    # a worker may have proposed one more run until then
    stopped = [run.id for run in list(_unended(context, search)) if _cancelled(context, run.id)]
    echo(f"search {search.id}: ENDED{_with(len(stopped))}")
    return ExitCode.OK


def pause_search(context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, *,
                 dry_run: bool) -> int:
    """Pause a search. Raises `Refused` if it has ended."""
    search = _searched(context, runs, wanted)
    if search.state is SearchState.ENDED:
        raise Refused(f"search {search.id} is ENDED ({search.reason}): only an open search can be paused")
    if not dry_run:
        search = context.store.change_search(search.id, state=SearchState.PAUSED)
    echo(f"would pause search {search.id} ({search.task}, {search.state})" if dry_run else
         f"search {search.id}: {search.state}; the runs that it has proposed continue")
    return ExitCode.OK


def resume_search(context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions, *,
                  dry_run: bool) -> int:
    """Resume a search that was paused or cancelled. Raises `Refused` if it ended by itself."""
    search = _searched(context, runs, wanted)
    if search.state is SearchState.ENDED and search.reason != CANCELLED:
        command = context.command(f"tune --resume {search.id} --runs {search.proposed + 100}")
        raise Refused(f"search {search.id} is ENDED ({search.reason}); a larger budget resumes it, as in "
                      f"`{command}`")
    if dry_run:
        echo(f"would resume search {search.id} ({search.task}, {search.state})")
        return ExitCode.OK
    search = context.store.change_search(search.id, state=SearchState.OPEN)
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


def _unended(context: CommandContext, search: SearchRecord) -> Iterator[RunRecord]:
    from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
    from hyperspace_core.records.states import State

    waiting = RunFilter(project=search.project, search=search.uid,
                        states=(State.QUEUED, State.PAUSED, State.RUNNING))
    return context.store.find(waiting, order=ORDER_OLDEST)


def _cancelled(context: CommandContext, run: int) -> bool:
    try:
        context.store.cancel(run)
    except (Refused, NotFound):            # it has ended in the meantime
        return False
    return True


def _with(count: int) -> str:
    return f", and {counted(count)} with it" if count else ""
