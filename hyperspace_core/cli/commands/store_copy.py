"""`hyperspace store copy`: copy runs from one store to another."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.context import CommandContext, pass_project
from hyperspace_core.cli.options import FilterOptions, dry_run_option, filtered, json_option
from hyperspace_core.cli.terminal import echo_json, echo_note, tracked
from hyperspace_core.errors import ExitCode, NotFound, StoreError, did_you_mean

if TYPE_CHECKING:
    from hyperspace_core.cli.copied import Tally
    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.storage import Store


@click.command
@click.argument("src")
@click.argument("dst")
@filtered
@dry_run_option
@json_option
@pass_project
def copy(*, context: CommandContext, src: str, dst: str, wanted: FilterOptions, dry_run: bool,
         as_json: bool) -> int:
    """Copy runs with their output and artifacts from the store SRC to the store DST.

    SRC and DST are addresses as for --storage, or @FILE that contains one. Copies the runs of all projects,
    of --project, or those that match the filter options. Runs that DST has already are never overwritten;
    after an interruption run the command again. Running runs are skipped, queued ones are copied as paused.
    """
    from hyperspace_core.cli.addresses import Address
    from hyperspace_core.cli.copied import Tally, say_preview

    here, there = Address.typed(src, context), Address.typed(dst, context)
    if here.same(there):
        raise StoreError(f"{here} is both SRC and DST; name two stores")
    source = here.open()
    where = wanted.of(context.name if context.has_project else None, source)
    _check_project(source, context, where)
    total = sum(source.count(where).values())
    if not total:
        echo_note("no run matches" if wanted.options else f"{here}: no runs")
    if dry_run:
        from hyperspace_core.moving.preview import preview

        say_preview(preview(source, there.opened() if total else None, where), there, as_json=as_json)
        return ExitCode.OK
    tally = Tally(source=source.url, target=str(there))
    if total:
        _copy(source, there.make(), where, total, tally)
    if as_json:
        echo_json(tally.report())
    elif total:
        tally.say(there)
    return tally.exit_code


def _copy(source: Store, target: Store, where: RunFilter, total: int, tally: Tally) -> None:
    """Copy with a progress bar; an interruption keeps the copied runs."""
    from hyperspace_core.moving.copying import copy_runs, missing

    try:
        with closing(copy_runs(source, target, where)) as copies:
            for copied in tracked(copies, "copying", total):
                tally.add(copied)
        tally.missing = missing(target, tally.uids)
    except (KeyboardInterrupt, StoreError):
        echo_note(
            f"interrupted after {len(tally.copies)} of {total} runs; run the same command again to continue")
        raise


def _check_project(source: Store, context: CommandContext, where: RunFilter) -> None:
    """Refuse a project without runs; note one that only HYPERSPACE_PROJECT names."""
    if where.project is None:
        return
    known = source.info().runs
    if where.project not in known:
        raise NotFound(f"{source.url}: no runs of project '{where.project}'; it has "
                       f"{', '.join(known) or 'none at all'}{did_you_mean(where.project, known)}")
    others = [name for name in known if name != where.project]
    if others and not context.project_is_typed:
        echo_note(
    f"only runs of project '{where.project}' are copied, because HYPERSPACE_PROJECT is set; not of "
    f"{', '.join(others)}")
