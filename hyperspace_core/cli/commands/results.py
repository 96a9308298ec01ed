"""`hyperspace results`: table of completed runs, best first, repeats grouped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hyperspace_core.cli.context import CommandContext, complete_task, pass_context
from hyperspace_core.cli.options import FilterOptions, filtered, json_option, limit_option
from hyperspace_core.cli.terminal import bearable, echo, echo_json, echo_note, echo_table, hint_at_more, warn
from hyperspace_core.errors import HyperspaceError
from hyperspace_core.records.filter import ORDER_BEST, ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.records.traits import SharedTrees, trim_provenance
from hyperspace_core.results.comparable import ALL, Comparison, CurrentCode, left_out_text, select_comparable
from hyperspace_core.results.export import checked_format, text_of, write
from hyperspace_core.results.repeats import Grouped, has_repeats, tabulate_repeats
from hyperspace_core.results.results import GROUPED, MANY, FirstPage, Results, any_mended, first_page
from hyperspace_core.results.table import best_first, gc_paused, tabulate

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project
    from hyperspace_core.results.comparable import LeftOut

    Sheet = Results | Grouped

# -- Comparable and other runs, for `results`, `compare` and `effects` --

F = TypeVar("F", bound=Callable[..., Any])

comparable_option = click.option(
    "--comparable", type=click.Choice(["strict", "all"]), default="strict", show_default=True,
    help="Compare only runs with the same problem, data and code of their classes, or all runs.")


@gc_paused()
def comparison(context: CommandContext, where: RunFilter, comparable: str, *, by_code: bool = True,
               whole: bool = False, limit: int | None = None, page: int | None = None) -> Comparison:
    """The runs, best first, and the runs that are not comparable with them.

    `by_code`: compare with the project's current code, if it is installed, else with the newest runs.
    `whole`: with all provenance. `limit`: read only that many best runs, if one task is named and all runs
    count. `page`: the same if only comparable runs count; for thousands of runs it returns a `FirstPage`.
    """
    trees = SharedTrees()

    def read(record: RunRecord) -> RunRecord:
        return trees.share(record if whole else trim_provenance(record))

    def current_code() -> CurrentCode | None:
        return _project_code(context) if by_code else None

    early = limit if comparable == ALL and len(where.tasks) == 1 else None
    if early is not None and any_mended(context.store, where):
        early = None
    if page is not None and early is None:
        asked = None if comparable == ALL else current_code
        first = first_page(context.store, where, page, asked, read=read)
        if first is not None:
            return first
    order = ORDER_OLDEST if early is None else ORDER_BEST
    records = best_first(map(read, context.store.find(where, order=order, limit=early)))
    return Comparison(kept=tuple(records)) if comparable == ALL else select_comparable(records, current_code)


def run_filter(context: CommandContext, wanted: FilterOptions, task: str | None = None, *,
               usual: tuple[State, ...] = (State.COMPLETED,)) -> RunFilter:
    """The typed filter; where it names no states, it selects the `usual` ones (empty: all).

    Raises `UsageError` for an argument TASK beside `--task`.
    """
    if task is not None and wanted.tasks:
        raise click.UsageError(f"{task} and --task {wanted.tasks[0]} contradict each other; name one task")
    where = wanted.at(context)
    return replace(where, tasks=where.tasks if task is None else (task,),
                   states=where.states or usual)


def tell_left_out(left_out: Sequence[LeftOut], *, named: bool, looked_at: int | None = None) -> None:
    """Print the runs that are not comparable, by task; `named`: with the task name."""
    for task, group in groupby(left_out, key=lambda one: one.record.task):
        text = left_out_text(list(group), "--comparable all", looked_at)
        echo_note(f"{task}: {text}" if named else text)


def is_installed(context: CommandContext) -> bool:
    """Whether the project is installed; its runs can be read without it."""
    from hyperspace_core.extension.project import installed_projects

    return any(found.name == context.name for found in installed_projects())


def _project_code(context: CommandContext) -> CurrentCode | None:
    """The project's current code; None if it is not installed or cannot be opened."""
    if not is_installed(context):
        return None
    try:
        return CurrentCode(context.project())
    except HyperspaceError as error:
        warn(f"runs are compared with the newest runs, not with the current code: {error}")
        return None


RUN, CONFIG = "run", "config"


@click.command
@click.argument("task", required=False, shell_complete=complete_task)
@limit_option("the best N of a task")
@click.option("--by", type=click.Choice([RUN, CONFIG]),
              help="One row for each run, or for each config: all its repeats with mean, standard deviation "
                   "(sd) and 95 % interval (low, high).  [default: config if there are repeats; run for "
                   "files, --json and tens of thousands of runs]")
@click.option("--order-by", metavar="COLUMN", help="Sort by COLUMN or -COLUMN (descending), not the metric.")
@click.option("--all-columns", is_flag=True, help="Show also the columns that are equal in all rows.")
@comparable_option
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write the table to a file: .csv, .jsonl or .parquet.")
@click.option("--raw", is_flag=True, help="In CSV, do not escape text that a spreadsheet reads as a formula.")
@filtered
@json_option
@pass_context
def results(*, context: CommandContext, task: str | None, wanted: FilterOptions, limit: int | None,
            by: str | None, order_by: str | None, all_columns: bool, comparable: str, output: Path | None,
            raw: bool, as_json: bool) -> None:
    """List completed runs, best first by the metric of TASK.

    Without TASK: one table for each task. Columns equal in all runs are hidden. --status: other states.
    """
    _check(by, order_by, output, as_json)
    where = run_filter(context, wanted, task)
    single = by == RUN or (by is None and (as_json or output is not None or order_by is not None))
    shown = limit if as_json or output is not None else bearable(limit)
    enough = shown if single and order_by is None else None
    page = shown if order_by is None and by != CONFIG and not as_json and output is None else None
    found = [_whole_if_repeated(context, one, comparable, by, comparison(
        context, one, comparable, whole=as_json and single, limit=enough, page=page))
             for one in (_task_by_task(context, where) if page is not None else [where])]
    sheets = {name: _sheet(list(group), single or one.looked_at is not None, by, order_by)
              for one in found for name, group in groupby(one.kept, key=lambda record: record.task)}
    if as_json:
        echo_json([row for sheet in sheets.values() for row in _json_rows(sheet[:limit])])
    elif output is not None:
        _write(sheets, output, limit, all_columns=all_columns, raw=raw)
    elif sheets:
        _say_tables(sheets, shown, all_columns, named=task is None)
        if enough is not None and comparable == "all" and sum(len(one.kept) for one in found) == enough:
            hint_at_more(sum(context.store.count(where).values()) - enough)
    elif not any(one.left_out for one in found):
        echo_note(_nothing(context, where, wanted))
    for one in found:
        _note_page(one, by, named=task is None)
        tell_left_out(one.left_out, named=task is None, looked_at=one.looked_at)
        _tell_unseen(context, one.kept, named=task is None)


def _tell_unseen(context: CommandContext, kept: Sequence[RunRecord], *, named: bool) -> None:
    """Print in which files the code of the shown runs differs, where no fingerprint covers it."""
    from hyperspace_core.results.same_code import differing_files, differing_text

    def project() -> Project | None:
        try:
            return context.project() if is_installed(context) else None
        except HyperspaceError:
            return None

    for task, group in groupby(sorted(kept, key=lambda one: one.task), key=lambda one: one.task):
        text = differing_text(differing_files(context.store, group, project))
        if text:
            echo_note(f"{f'{task}: ' if named else ''}{text}: `hyperspace runs diff` shows how")


def _task_by_task(context: CommandContext, where: RunFilter) -> list[RunFilter]:
    """Split the filter by task, so that of many runs only the best are read.

    The task names are those of the project; the filter is not split if other tasks have matching runs, too.
    """
    every = replace(where, where=())
    count = sum(context.store.count(every).values())
    if len(where.tasks) == 1 or count <= MANY:
        return [where]
    try:
        names = where.tasks or (tuple(context.project().tasks) if is_installed(context) else ())
    except HyperspaceError:
        return [where]
    of_each = {name: sum(context.store.count(replace(every, tasks=(name,))).values())
               for name in sorted(set(names))}
    known = [replace(where, tasks=(name,)) for name, number in of_each.items() if number]
    return known if sum(of_each.values()) == count else [where]


def _whole_if_repeated(context: CommandContext, where: RunFilter, comparable: str, by: str | None,
                       found: Comparison) -> Comparison:
    """Read all runs instead of the first page to group repeats, if not too many."""
    if by is not None or not isinstance(found, FirstPage) or not found.repeated or (
            found.of_all > GROUPED):
        return found
    return comparison(context, where, comparable)


def _check(by: str | None, order_by: str | None, output: Path | None, as_json: bool) -> None:
    """Check the options before reading anything. Raises `UsageError`."""
    if by == CONFIG and order_by is not None:
        raise click.UsageError("--by config and --order-by contradict each other: configs are sorted by "
                               "their mean")
    if output is not None:
        if as_json:
            raise click.UsageError("--output and --json contradict each other: a file named *.jsonl holds "
                                   "JSON lines")
        checked_format(output)


def _sheet(records: Sequence[RunRecord], single: bool, by: str | None, order_by: str | None) -> Sheet:
    if single or (by is None and not has_repeats(records)):
        return Results(records, order_by=order_by)
    return Grouped(records)


def _note_page(found: Comparison, by: str | None, *, named: bool) -> None:
    """Print how many runs the page was selected from, and how to group repeats."""
    if isinstance(found, FirstPage):
        cure = "; add `--by config` to read all of them and group the repeats of each config"
        of = "" if found.of is None else f" of {found.of:,}"
        task = f"{found.kept[0].task}: " if named else ""
        echo_note(
            f"{task}the best {len(found.kept):,}{of} runs{cure if by is None and found.repeated else ''}")


def _json_rows(sheet: Sheet) -> list[Any]:
    return list(sheet) if isinstance(sheet, Results) else [group.to_json() for group in sheet]


def _write(sheets: Mapping[str, Sheet], output: Path, limit: int | None, *, all_columns: bool,
           raw: bool) -> None:
    """Write all tasks into one file, with a column for the task."""
    parts = [sheet[:limit] for sheet in sheets.values()]
    groups = [group for part in parts if not isinstance(part, Results) for group in part]
    runs = [run for part in parts if isinstance(part, Results) for run in part]
    table = (tabulate_repeats(groups, constant=all_columns) if groups else
             tabulate(runs, constant=all_columns, as_given=True))
    write(table, output, raw=raw)
    echo_note(f"{len(table.rows):,} {'row' if len(table.rows) == 1 else 'rows'} written to {output}")


def _say_tables(sheets: Mapping[str, Sheet], limit: int | None, all_columns: bool, *, named: bool) -> None:
    for number, (name, sheet) in enumerate(sheets.items()):
        if named:
            echo(f"{chr(10) if number else ''}{name}:")
        table = sheet[:limit].table(constant=all_columns)
        heads, rows = text_of(table if all_columns else table.folded())
        echo_table(heads, rows, whole=True)
        hint_at_more(len(sheet) - len(rows))


def _nothing(context: CommandContext, where: RunFilter, wanted: FilterOptions) -> str:
    """Say why there are no results. Raises `TaskError` for an unknown task."""
    from hyperspace_core.results.overview import counts_text

    counts = context.store.count(RunFilter(project=context.name, tasks=where.tasks))
    of = f" of {', '.join(where.tasks)}" if where.tasks else ""
    if counts:
        why = "matches" if wanted.options else "has completed yet"
        return f"no run{of} {why}; all runs{of}: {counts_text(counts)}"
    _check_tasks(context, where)
    return f"no runs{of} yet; `{context.command('submit')}` queues some"


def _check_tasks(context: CommandContext, where: RunFilter) -> None:
    """Raises `TaskError` for a task that the project, if installed, does not have."""
    if where.tasks and is_installed(context):
        project = context.project()
        for task in where.tasks:
            project.task(task)
