"""`hyperspace queue cancel|pause|resume --search ID`: actions on a search with all of its runs."""

from __future__ import annotations

from collections.abc import Iterator

import click

from hyperspace_core.cli.plugin import SEARCH, CommandContext, counted, dry_run_option, pass_context, terminal
from hyperspace_core.errors import NotFound, Refused
from hyperspace_core.plugin import get_search, search_fields
from hyperspace_core.records import ORDER_OLDEST, RunFilter, RunRecord, SearchRecord, SearchState, State
from hyperspace_core.storage import Searches


@click.command
@click.argument("search", type=SEARCH)
@dry_run_option
@pass_context
def cancel(*, context: CommandContext, search: int, dry_run: bool) -> None:
    """Cancel a search and its runs. Raises `Refused` if all of them have ended."""
    found = get_search(context.store, context.name, search)
    unended = [run.id for run in _unended(context, found)]
    if found.state is SearchState.ENDED and not unended:
        raise Refused(f"search {found.id} is ENDED ({found.reason}), and its runs have ended")
    if dry_run:
        terminal.echo(f"would cancel search {found.id} ({found.task}, {found.state}){_with(len(unended))}")
        return
    Searches.of(context.store).end_search(found.id, search_fields.CANCELLED)
    # a worker may have proposed one more run until then
    stopped = [run.id for run in list(_unended(context, found)) if _cancelled(context, run.id)]
    terminal.echo(f"search {found.id}: ENDED{_with(len(stopped))}")


@click.command
@click.argument("search", type=SEARCH)
@dry_run_option
@pass_context
def pause(*, context: CommandContext, search: int, dry_run: bool) -> None:
    """Pause a search. Raises `Refused` if it has ended."""
    found = get_search(context.store, context.name, search)
    if found.state is SearchState.ENDED:
        raise Refused(f"search {found.id} is ENDED ({found.reason}): only an open search can be paused")
    if dry_run:
        terminal.echo(f"would pause search {found.id} ({found.task}, {found.state})")
        return
    found = Searches.of(context.store).change_search(found.id, state=SearchState.PAUSED)
    terminal.echo(f"search {found.id}: {found.state}; the runs that it has proposed continue")


@click.command
@click.argument("search", type=SEARCH)
@dry_run_option
@pass_context
def resume(*, context: CommandContext, search: int, dry_run: bool) -> None:
    """Resume a search that was paused or cancelled. Raises `Refused` if it ended by itself."""
    found = get_search(context.store, context.name, search)
    if found.state is SearchState.ENDED and found.reason != search_fields.CANCELLED:
        command = context.command(f"tune --resume {found.id} --runs {found.proposed + 100}")
        raise Refused(f"search {found.id} is ENDED ({found.reason}); a larger budget resumes it, as in "
                      f"`{command}`")
    if dry_run:
        terminal.echo(f"would resume search {found.id} ({found.task}, {found.state})")
        return
    found = Searches.of(context.store).change_search(found.id, state=SearchState.OPEN)
    terminal.echo(f"search {found.id}: {found.state}")


def _unended(context: CommandContext, search: SearchRecord) -> Iterator[RunRecord]:
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
