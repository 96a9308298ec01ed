"""`hyperspace results`: runs beside each other, best first."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.arguments import Wanted, filtered, json_option, limit_option
from hyperspace_core.cli.completion import complete_task
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.screen import bearable, hint_at_more, note, say, say_json, say_table, warn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.results.comparable import Comparison, LeftOut
    from hyperspace_core.results.today import Today


@click.command
@click.argument("task", required=False, shell_complete=complete_task)
@limit_option("the best N runs of a task")
@click.option("--all-columns", is_flag=True, help="Show also what is the same in all of them.")
@click.option("--comparable", type=click.Choice(["strict", "all"]), default="strict", show_default=True,
              help="Only runs of the same problem, data and code of the classes that they use, or all.")
@filtered
@json_option
@at_place
def results(*, place: Place, task: str | None, wanted: Wanted, limit: int | None, all_columns: bool,
            comparable: str, as_json: bool) -> None:
    """Compare completed runs, best first by the metric of TASK; without TASK one table a task.

    What is the same in all runs is left out. --status looks at runs in other states.
    """
    where = _where(place, task, wanted)
    comparison = _compared(place, where, comparable, whole=as_json)
    found = _by_task(comparison.kept)
    if as_json:
        say_json([record for records in found.values() for record in records[:limit]])
    elif found:
        _say_tables(found, limit, all_columns, named=task is None)
    elif not comparison.left_out:
        note(_nothing(place, where, wanted))
    _tell_left_out(comparison.left_out, named=task is None)


def _say_tables(found: Mapping[str, Sequence[RunRecord]], limit: int | None, all_columns: bool,
                *, named: bool) -> None:
    for number, (name, records) in enumerate(found.items()):
        if named:
            say(f"{chr(10) if number else ''}{name}:")
        shown = records[:bearable(limit)]
        _say_comparison(shown, all_columns)
        hint_at_more(len(records) - len(shown))


def _where(place: Place, task: str | None, wanted: Wanted) -> RunFilter:
    from hyperspace_core.records.states import State

    if task is not None and wanted.tasks:
        raise click.UsageError(f"{task} and --task {wanted.tasks[0]} contradict each other; name one task")
    where = wanted.of(place.name)
    return replace(where, tasks=where.tasks if task is None else (task,),
                   states=where.states or (State.COMPLETED,))


def _compared(place: Place, where: RunFilter, comparable: str, *, whole: bool) -> Comparison:
    """The runs, best first, and those that are not comparable with them; `whole`: with all provenance."""
    from hyperspace_core.results.comparable import ALL, Comparison, compared
    from hyperspace_core.results.parts import slim
    from hyperspace_core.results.table import best_first

    found = place.store.find(where)
    records = best_first(found if whole else map(slim, found))
    if comparable == ALL:
        return Comparison(kept=tuple(records))
    return compared(records, lambda: _today(place))


def _today(place: Place) -> Today | None:
    """The project's code, where it is installed: its runs are read without it, too."""
    from hyperspace_core.errors import HyperspaceError
    from hyperspace_core.results.today import Today

    if not _is_installed(place):
        return None
    try:
        return Today(place.project())
    except HyperspaceError as error:
        warn(f"runs are compared with the newest ones, not with today's code: {error}")
        return None


def _is_installed(place: Place) -> bool:
    from hyperspace_core.extension.project import installed_projects

    return any(found.name == place.name for found in installed_projects())


def _by_task(records: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    return {task: list(group) for task, group in groupby(records, key=lambda record: record.task)}


def _tell_left_out(left_out: Sequence[LeftOut], *, named: bool) -> None:
    from hyperspace_core.results.comparable import summary

    for task, group in groupby(left_out, key=lambda one: one.record.task):
        told = summary(list(group), "--comparable all")
        note(f"{task}: {told}" if named else told)


def _say_comparison(records: Sequence[RunRecord], all_columns: bool) -> None:
    from hyperspace_core.results.results import text_of
    from hyperspace_core.results.table import tabulate

    heads, rows = text_of(tabulate(records, constant=all_columns))
    say_table(heads, rows, whole=True)


def _nothing(place: Place, where: RunFilter, wanted: Wanted) -> str:
    """Why there is nothing to compare. Raises `TaskError` for a task that does not exist."""
    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.results.picture import counted

    counts = place.store.count(RunFilter(project=place.name, tasks=where.tasks))
    of = f" of {', '.join(where.tasks)}" if where.tasks else ""
    if counts:
        return f"no run{of} {'matches' if wanted.options else 'has completed yet'}; of all: {counted(counts)}"
    _check_tasks(place, where)
    return f"no runs{of} yet; `{place.command('submit')}` queues some"


def _check_tasks(place: Place, where: RunFilter) -> None:
    """A name that no run has is looked up in the project, where that is installed."""
    if where.tasks and _is_installed(place):
        project = place.project()
        for task in where.tasks:
            project.task(task)
