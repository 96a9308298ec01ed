"""`hyperspace plot`: draw runs into an HTML page or an image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.context import CommandContext, complete_task, pass_context
from hyperspace_core.cli.options import FilterOptions, WholeNumber, filtered, json_option
from hyperspace_core.cli.terminal import echo, echo_note, echo_raw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.records.run import RunRecord


class Kind(click.Choice):  # type: ignore[type-arg]  # generic in newer versions only
    """The kind of plot; the message for a missing one lists all kinds."""

    def get_missing_message(self, *_: Any, **__: Any) -> str:
        return f"give one of {', '.join(map(str, self.choices))}"


@click.command
@click.argument("kind", type=Kind(["curves", "parallel", "parameter", "timeline", "history", "importance"]))
@click.argument("task", required=False, shell_complete=complete_task)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="The file to write: .html (works without a network), .png, .svg or .pdf.")
@click.option("--metric", metavar="NAME", help="For curves: the series.  [default: the task's metric]")
@click.option("--parameter", metavar="NAME", help="For parameter: a name such as 'classifier.trees'.")
@click.option("--best", type=WholeNumber(1), metavar="N", default=10, show_default=True,
              help="For curves: number of runs.")
@click.option("--comparable", type=click.Choice(["strict", "all"]), default="strict", show_default=True,
              help="strict: only runs with the same scenario, data and component code. all: all runs.")
@filtered
@json_option
@pass_context
def plot(*, context: CommandContext, kind: str, task: str | None, output: Path | None, metric: str | None,
         parameter: str | None, best: int, comparable: str, wanted: FilterOptions, as_json: bool) -> None:
    """Plot the completed runs of TASK; needs the extra `plot`.

    curves: a logged series by step. parallel: all hyper-parameters that differ, and the result. parameter:
    one hyper-parameter against the result. timeline: the runs of each worker, in all states. history: each
    result in order and the best so far, also of a search. importance: of hyper-parameters in a search.

    \b
    hyperspace plot curves holdout --metric loss -o curves.html
    hyperspace plot parameter holdout --parameter trees -o trees.png
    hyperspace plot history --search 1 -o history.html
    """
    from hyperspace_core.results import plots
    from hyperspace_core.results.export import check_target, write_picture

    if (output is None) == (not as_json):
        raise click.UsageError("no output: give a file with -o, as in -o curves.html, or --json, not both")
    _check(kind, metric, parameter, wanted)
    if output is not None:
        check_target(output)
    if kind == "importance":
        figure = context.study().plot.importance(wanted.search or 0)
    elif kind == "history" and wanted.search is not None:
        figure = _history_of_search(context, wanted)
    elif kind == "timeline":
        figure = plots.timeline(context.store.find(_where(context, task, wanted, every=True)))
    else:
        records = _records(context, _where(context, task, wanted, failed=kind == "history"), comparable)
        figure = (plots.curves(context.store, records, metric, best=best) if kind == "curves" else
                  plots.parallel(records) if kind == "parallel" else
                  _history(records) if kind == "history" else
                  plots.parameter(records, parameter or ""))
    if output is None:
        echo_raw(str(figure.to_json()))
    else:
        echo(f"{write_picture(figure, output)}")


def _check(kind: str, metric: str | None, parameter: str | None, wanted: FilterOptions) -> None:
    """Raises `UsageError` for a missing option, or one of another kind."""
    if kind == "parameter" and parameter is None:
        raise click.UsageError("missing --parameter: name the hyper-parameter, as in --parameter trees")
    if kind == "importance" and wanted.options != ["--search"]:
        raise click.UsageError("importance takes one search and no other filter, as in --search 1")
    for name, value, of in (("--metric", metric, "curves"), ("--parameter", parameter, "parameter")):
        if value is not None and kind != of:
            raise click.UsageError(f"{name} belongs to `hyperspace plot {of}`, not to {kind}")


def _where(context: CommandContext, task: str | None, wanted: FilterOptions, *, every: bool = False,
           failed: bool = False) -> RunFilter:
    from hyperspace_core.records.states import State

    if task is not None and wanted.tasks:
        raise click.UsageError(f"{task} and --task {wanted.tasks[0]} contradict each other; name one task")
    where = wanted.at(context)
    usual = () if every else (State.COMPLETED, State.FAILED) if failed else (State.COMPLETED,)
    states = where.states or usual
    return replace(where, tasks=where.tasks if task is None else (task,), states=states)


def _history(records: Sequence[RunRecord]) -> Any:
    from hyperspace_core.results.plots import of_one_task
    from hyperspace_core.results.search_plots import history

    first = of_one_task(records)[0]
    return history(records, first.metric, first.task)


def _history_of_search(context: CommandContext, wanted: FilterOptions) -> Any:
    """Draw all runs of the search, comparable or not."""
    from hyperspace_core.lookup import get_search
    from hyperspace_core.results.search_plots import history

    search = get_search(context.store, context.name, wanted.search or 0)
    return history(list(context.store.find(wanted.at(context))), search.metrics[0],
                   f"search {search.id} of {search.task}")


def _records(context: CommandContext, where: RunFilter, comparable: str) -> list[RunRecord]:
    """Select the runs, best first, and print which were left out."""
    from hyperspace_core.results.comparable import ALL, compared, summary
    from hyperspace_core.results.table import best_first
    from hyperspace_core.results.traits import slim

    records = best_first(map(slim, context.store.find(where)))
    if not records and where.tasks and not context.store.count(replace(where, states=(), where=())):
        context.project().task(where.tasks[0])           # raises for a misspelt name
    if comparable == ALL:
        return records
    found = compared(records, lambda: None)
    if found.left_out:
        echo_note(summary(found.left_out, "--comparable all"))
    return list(found.kept)
