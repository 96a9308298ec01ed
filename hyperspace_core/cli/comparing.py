"""Comparable and other runs, for `results`, `compare` and `effects`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hyperspace_core.cli.screen import note, warn
from hyperspace_core.results.uncollected import uncollected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperspace_core.cli.arguments import Wanted
    from hyperspace_core.cli.place import Place
    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.results.comparable import Comparison, LeftOut
    from hyperspace_core.results.today import Today

F = TypeVar("F", bound=Callable[..., Any])

comparable_option = click.option(
    "--comparable", type=click.Choice(["strict", "all"]), default="strict", show_default=True,
    help="Compare only runs with the same problem, data and code of their classes, or all runs.")


@uncollected()
def comparison(place: Place, where: RunFilter, comparable: str, *, whole: bool = False,
               limit: int | None = None, page: int | None = None) -> Comparison:
    """The runs, best first, and the runs that are not comparable with them.

    `whole`: with all provenance. `limit`: read only that many best runs, if one task is named and all runs
    count. `page`: the same if only comparable runs count; for thousands of runs it returns a `FirstPage`.
    """
    from hyperspace_core.records.filter import ORDER_BEST, ORDER_OLDEST
    from hyperspace_core.results.comparable import ALL, Comparison, compared
    from hyperspace_core.results.first_page import any_mended, first_page
    from hyperspace_core.results.parts import Sharing, slim
    from hyperspace_core.results.table import best_first

    share = Sharing()

    def read(record: RunRecord) -> RunRecord:
        return share.of(record if whole else slim(record))

    def today() -> Today | None:
        return _today(place)

    early = limit if comparable == ALL and len(where.tasks) == 1 else None
    if early is not None and any_mended(place.store, where):
        early = None
    if page is not None and early is None:
        asked = None if comparable == ALL else today
        first = first_page(place.store, where, page, asked, read=read)
        if first is not None:
            return first
    order = ORDER_OLDEST if early is None else ORDER_BEST
    records = best_first(map(read, place.store.find(where, order=order, limit=early)))
    return Comparison(kept=tuple(records)) if comparable == ALL else compared(records, today)


def completed(place: Place, wanted: Wanted, task: str | None = None) -> RunFilter:
    """The typed filter; it selects completed runs unless it names other states."""
    from dataclasses import replace

    from hyperspace_core.records.states import State

    if task is not None and wanted.tasks:
        raise click.UsageError(f"{task} and --task {wanted.tasks[0]} contradict each other; name one task")
    where = wanted.at(place)
    return replace(where, tasks=where.tasks if task is None else (task,),
                   states=where.states or (State.COMPLETED,))


def tell_left_out(left_out: Sequence[LeftOut], *, named: bool, looked_at: int | None = None) -> None:
    """Print the runs that are not comparable, by task; `named`: with the task name."""
    from hyperspace_core.results.comparable import summary

    for task, group in groupby(left_out, key=lambda one: one.record.task):
        text = summary(list(group), "--comparable all", looked_at)
        note(f"{task}: {text}" if named else text)


def is_installed(place: Place) -> bool:
    """Whether the project is installed; its runs can be read without it."""
    from hyperspace_core.extension.project import installed_projects

    return any(found.name == place.name for found in installed_projects())


def _today(place: Place) -> Today | None:
    """The project's current code; None if it is not installed or cannot be opened."""
    from hyperspace_core.errors import HyperspaceError
    from hyperspace_core.results.today import Today

    if not is_installed(place):
        return None
    try:
        return Today(place.project())
    except HyperspaceError as error:
        warn(f"runs are compared with the newest runs, not with the current code: {error}")
        return None
