"""`hyperspace results`: table of completed runs, best first, repeats grouped."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.arguments import Wanted, filtered, json_option, limit_option
from hyperspace_core.cli.comparing import (
    comparable_option,
    comparison,
    completed,
    is_installed,
    tell_left_out,
)
from hyperspace_core.cli.completion import complete_task
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.screen import bearable, hint_at_more, note, say, say_json, say_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.results.comparable import Comparison
    from hyperspace_core.results.repeats import Grouped
    from hyperspace_core.results.results import Results

    Sheet = Results | Grouped

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
@at_place
def results(*, place: Place, task: str | None, wanted: Wanted, limit: int | None, by: str | None,
            order_by: str | None, all_columns: bool, comparable: str, output: Path | None, raw: bool,
            as_json: bool) -> None:
    """List completed runs, best first by the metric of TASK.

    Without TASK: one table for each task. Columns equal in all runs are hidden. --status: other states.
    """
    _check(by, order_by, output, as_json)
    where = completed(place, wanted, task)
    single = by == RUN or (by is None and (as_json or output is not None or order_by is not None))
    shown = limit if as_json or output is not None else bearable(limit)
    enough = shown if single and order_by is None else None
    page = shown if order_by is None and by != CONFIG and not as_json and output is None else None
    found = [_whole_if_repeated(place, one, comparable, by, comparison(
        place, one, comparable, whole=as_json and single, limit=enough, page=page))
             for one in (_task_by_task(place, where) if page is not None else [where])]
    sheets = {name: _sheet(list(group), single or one.looked_at is not None, by, order_by)
              for one in found for name, group in groupby(one.kept, key=lambda record: record.task)}
    if as_json:
        say_json([row for sheet in sheets.values() for row in _plain(sheet[:limit])])
    elif output is not None:
        _write(sheets, output, limit, all_columns=all_columns, raw=raw)
    elif sheets:
        _say_tables(sheets, shown, all_columns, named=task is None)
        if enough is not None and comparable == "all" and sum(len(one.kept) for one in found) == enough:
            hint_at_more(sum(place.store.count(where).values()) - enough)
    elif not any(one.left_out for one in found):
        note(_nothing(place, where, wanted))
    for one in found:
        _note_page(one, by, named=task is None)
        tell_left_out(one.left_out, named=task is None, looked_at=one.looked_at)


def _task_by_task(place: Place, where: RunFilter) -> list[RunFilter]:
    """Split the filter by task, so that of many runs only the best are read.

    The task names are those of the project; the filter is not split if other tasks have matching runs, too.
    """
    from dataclasses import replace

    from hyperspace_core.errors import HyperspaceError
    from hyperspace_core.results.first_page import MANY

    every = replace(where, where=())
    count = sum(place.store.count(every).values())
    if len(where.tasks) == 1 or count <= MANY:
        return [where]
    try:
        names = where.tasks or (tuple(place.project().tasks) if is_installed(place) else ())
    except HyperspaceError:
        return [where]
    of_each = {name: sum(place.store.count(replace(every, tasks=(name,))).values())
               for name in sorted(set(names))}
    known = [replace(where, tasks=(name,)) for name, number in of_each.items() if number]
    return known if sum(of_each.values()) == count else [where]


def _whole_if_repeated(place: Place, where: RunFilter, comparable: str, by: str | None,
                       found: Comparison) -> Comparison:
    """Read all runs instead of the first page to group repeats, if not too many."""
    from hyperspace_core.results.first_page import GROUPED, FirstPage

    if by is not None or not isinstance(found, FirstPage) or not found.repeated or (
            found.of_all > GROUPED):
        return found
    return comparison(place, where, comparable)


def _check(by: str | None, order_by: str | None, output: Path | None, as_json: bool) -> None:
    """Check the options before reading anything. Raises `UsageError`."""
    from hyperspace_core.results.output import checked_format

    if by == CONFIG and order_by is not None:
        raise click.UsageError("--by config and --order-by contradict each other: configs are sorted by "
                               "their mean")
    if output is not None:
        if as_json:
            raise click.UsageError("--output and --json contradict each other: a file named *.jsonl holds "
                                   "JSON lines")
        checked_format(output)


def _sheet(records: Sequence[RunRecord], single: bool, by: str | None, order_by: str | None) -> Sheet:
    from hyperspace_core.results.repeats import Grouped, has_repeats
    from hyperspace_core.results.results import Results

    if single or (by is None and not has_repeats(records)):
        return Results(records, order_by=order_by)
    return Grouped(records)


def _note_page(found: Comparison, by: str | None, *, named: bool) -> None:
    """Print how many runs the page was selected from, and how to group repeats."""
    from hyperspace_core.results.first_page import FirstPage

    if isinstance(found, FirstPage):
        cure = "; add `--by config` to read all of them and group the repeats of each config"
        of = "" if found.of is None else f" of {found.of:,}"
        task = f"{found.kept[0].task}: " if named else ""
        note(f"{task}the best {len(found.kept):,}{of} runs{cure if by is None and found.repeated else ''}")


def _plain(sheet: Sheet) -> list[Any]:
    from hyperspace_core.results.results import Results

    return list(sheet) if isinstance(sheet, Results) else [group.plain() for group in sheet]


def _write(sheets: Mapping[str, Sheet], output: Path, limit: int | None, *, all_columns: bool,
           raw: bool) -> None:
    """Write all tasks into one file, with a column for the task."""
    from hyperspace_core.results.output import write
    from hyperspace_core.results.repeats import tabulate_repeats
    from hyperspace_core.results.results import Results
    from hyperspace_core.results.table import tabulate

    parts = [sheet[:limit] for sheet in sheets.values()]
    groups = [group for part in parts if not isinstance(part, Results) for group in part]
    runs = [run for part in parts if isinstance(part, Results) for run in part]
    table = (tabulate_repeats(groups, constant=all_columns) if groups else
             tabulate(runs, constant=all_columns, as_given=True))
    write(table, output, raw=raw)
    note(f"{len(table.rows):,} {'row' if len(table.rows) == 1 else 'rows'} written to {output}")


def _say_tables(sheets: Mapping[str, Sheet], limit: int | None, all_columns: bool, *, named: bool) -> None:
    from hyperspace_core.results.tabular import text_of

    for number, (name, sheet) in enumerate(sheets.items()):
        if named:
            say(f"{chr(10) if number else ''}{name}:")
        table = sheet[:limit].table(constant=all_columns)
        heads, rows = text_of(table if all_columns else table.folded())
        say_table(heads, rows, whole=True)
        hint_at_more(len(sheet) - len(rows))


def _nothing(place: Place, where: RunFilter, wanted: Wanted) -> str:
    """Say why there are no results. Raises `TaskError` for an unknown task."""
    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.results.picture import counted

    counts = place.store.count(RunFilter(project=place.name, tasks=where.tasks))
    of = f" of {', '.join(where.tasks)}" if where.tasks else ""
    if counts:
        why = "matches" if wanted.options else "has completed yet"
        return f"no run{of} {why}; all runs{of}: {counted(counts)}"
    _check_tasks(place, where)
    return f"no runs{of} yet; `{place.command('submit')}` queues some"


def _check_tasks(place: Place, where: RunFilter) -> None:
    """Raises `TaskError` for a task that the project, if installed, does not have."""
    if where.tasks and is_installed(place):
        project = place.project()
        for task in where.tasks:
            project.task(task)
