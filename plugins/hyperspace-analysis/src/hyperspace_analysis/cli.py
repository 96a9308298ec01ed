"""The commands `compare`, `effects` and `plot`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.plugin import (
    CommandContext,
    FilterOptions,
    WholeNumber,
    code_option,
    comparable_option,
    comparison,
    complete_task,
    dry_run_option,
    filtered,
    json_option,
    pass_context,
    run_filter,
    tell_left_out,
    terminal,
)
from hyperspace_core.errors import ExitCode

if TYPE_CHECKING:
    from hyperspace_analysis.compare import Paired
    from hyperspace_analysis.drawing import Figure

_AND = re.compile(r"\s+and\s+")


# -- `hyperspace compare`: paired comparison of two configs ----


@click.command
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--queue", "count", type=WholeNumber(1), metavar="N",
              help="Queue the runs for N more pairs: first seeds that one side does not have, then new ones.")
@code_option
@comparable_option
@filtered
@dry_run_option
@json_option
@pass_context
def compare(*, context: CommandContext, a: str, b: str, count: int | None, code: str, comparable: str,
            wanted: FilterOptions, dry_run: bool, as_json: bool) -> int:
    """Test whether B is better than A.

    A and B are run ids or conditions. A run id includes all repeats of its config. Runs are paired by seed
    and fold, runs in parts also by part; conditions also by all hyper-parameters that neither of them names.

    \b
    hyperspace compare 12 40
    hyperspace compare classifier=Forest classifier=Support --task holdout
    hyperspace compare "classifier.trees=50 and scaler=Standard" 40 --queue 3
    """
    from hyperspace_analysis.compare import compare_runs
    from hyperspace_core.plugin import get_run

    sides = [_side(text) for text in (a, b)]
    runs = [get_run(context.store, context.name, side) for side in sides if isinstance(side, int)]
    where = run_filter(context, wanted)
    if runs and not where.tasks:
        where = replace(where, tasks=(runs[0].task,))
    found = comparison(context, where, comparable)
    paired = compare_runs(found.kept, sides[0], sides[1], found.left_out)
    if count is not None:
        return _queue(context, paired, count, code=code, dry_run=dry_run, as_json=as_json)
    if as_json:
        terminal.echo_json(paired.to_json())
    else:
        _print(context, paired, a, b)
    tell_left_out(found.left_out, named=False)
    return ExitCode.OK


def _side(text: str) -> Any:
    """Parse a run id or conditions."""
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit():
        from hyperspace_core.cli.plugin import RUN

        return RUN.convert(text, None, None)
    return _AND.split(text.strip())


def _print(context: CommandContext, paired: Paired, a: str, b: str) -> None:
    from shlex import quote

    from hyperspace_core.plugin import text as text_

    terminal.echo(f"a  {paired.a.text}")
    terminal.echo(f"b  {paired.b.text}")
    terminal.echo()
    varied = [name for name in ("fold", "part") if len({getattr(pair, name) for pair in paired.pairs}) > 1]
    rows = [[str( pair.seed), *(str(getattr(pair, name)) for name in varied), text_.number(pair.a),
                 text_.number(pair.b), text_.number(pair.difference)] for pair in paired.pairs]
    shown = rows[:terminal.bearable(None)]
    terminal.echo_table(("seed", *varied, "a", "b", "b - a"), shown)
    terminal.hint_at_more(len(rows) - len(shown))
    if rows:
        terminal.echo()
    terminal.echo(paired.verdict)
    more = paired.more_pairs
    if more:
        words = f"compare {quote(a)} {quote(b)} --queue {more}"
        terminal.echo_hint(f"`{context.command(words)}` queues {'it' if more == 1 else 'them'}")


def _queue(context: CommandContext, paired: Paired, count: int, *, code: str, dry_run: bool,
           as_json: bool) -> int:
    """Queue runs for more pairs: the same configs with other seeds."""
    from hyperspace_analysis.compare import plan_pairs
    from hyperspace_core.cli.plugin import queue, say_plan

    study = context.study()
    runs = plan_pairs(study, paired, count)
    count = -(-count // paired.per_run) * paired.per_run
    pairs = f"for {count} more pair{'' if count == 1 else 's'} of {paired.a.records[0].task}"
    if dry_run:
        return say_plan(pairs, runs, len(runs), as_json=as_json)
    return queue(context, study, pairs, runs, len(runs), pin=study.pin(code), as_json=as_json)


# -- `hyperspace effects`: the effect of one hyper-parameter on the metric ----

@click.command
@click.argument("parameter", metavar="PARAMETER")
@comparable_option
@filtered
@json_option
@pass_context
def effects(*, context: CommandContext, parameter: str, comparable: str, wanted: FilterOptions,
            as_json: bool) -> None:
    """Show the effect of each change of PARAMETER on the metric.

    One row for each change of value: the mean difference over all pairs of comparable runs that have the same
    seed and fold and differ only in PARAMETER, with its 95 % interval (low, high).

    \b
    hyperspace effects classifier.trees --task holdout
    hyperspace effects scaler
    """
    from hyperspace_analysis.effects import effects as effects_of
    from hyperspace_core.plugin import text_of

    found = comparison(context, run_filter(context, wanted), comparable)
    changes = effects_of(found.kept, parameter)
    if as_json:
        terminal.echo_json([change.to_json() for change in changes])
    elif changes:
        shown = changes[:terminal.bearable(None)]
        heads, rows = text_of(shown.table())
        terminal.echo_table(heads, rows)
        terminal.hint_at_more(len(changes) - len(shown))
    else:
        terminal.echo_note(changes.nothing if found.kept else "no completed run matches")
    tell_left_out(found.left_out, named=True)


# -- `hyperspace plot`: draw runs into an HTML page or an image ----

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
    """Plot the completed runs of TASK; needs plotly.

    curves: a logged series by step. parallel: all hyper-parameters that differ, and the result. parameter:
    one hyper-parameter against the result. timeline: the runs of each worker, in all states. history: each
    result in order and the best so far, also of a search. importance: of hyper-parameters in a search.

    \b
    hyperspace plot curves holdout --metric loss -o curves.html
    hyperspace plot parameter holdout --parameter trees -o trees.png
    hyperspace plot history --search 1 -o history.html
    """
    from hyperspace_analysis.drawing import check_target, write_picture

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
        figure = _timeline(context, task, wanted)
    else:
        figure = _figure(context, kind, task, wanted, comparable, metric=metric, name=parameter, best=best)
    if output is None:
        terminal.echo_raw(str(figure.to_json()))
    else:
        terminal.echo(f"{write_picture(figure, output)}")


def _check(kind: str, metric: str | None, parameter: str | None, wanted: FilterOptions) -> None:
    """Raises `UsageError` for a missing option, or one of another kind."""
    if kind == "parameter" and parameter is None:
        raise click.UsageError("missing --parameter: name the hyper-parameter, as in --parameter trees")
    if kind == "importance" and wanted.options != ["--search"]:
        raise click.UsageError("importance takes one search and no other filter, as in --search 1")
    for name, value, of in (("--metric", metric, "curves"), ("--parameter", parameter, "parameter")):
        if value is not None and kind != of:
            raise click.UsageError(f"{name} belongs to `hyperspace plot {of}`, not to {kind}")


def _figure(context: CommandContext, kind: str, task: str | None, wanted: FilterOptions, comparable: str, *,
            metric: str | None, name: str | None, best: int) -> Figure:
    """Draw comparable runs; print which were left out. Raises `TaskError` for an unknown task."""
    from hyperspace_analysis import figures
    from hyperspace_analysis.history import history_of_task
    from hyperspace_core.records import State

    ended = (State.COMPLETED, State.FAILED)
    where = run_filter(context, wanted, task, usual=ended if kind == "history" else (State.COMPLETED,))
    found = comparison(context, where, comparable, by_code=False)
    if not found.kept and where.tasks and not context.store.count(replace(where, states=(), where=())):
        context.project().task(where.tasks[0])           # raises for a misspelt name
    tell_left_out(found.left_out, named=False)
    if kind == "curves":
        return figures.curves(context.store, found.kept, metric, best=best)
    if kind == "parameter":
        return figures.parameter(found.kept, name or "")
    return history_of_task(found.kept) if kind == "history" else figures.parallel(found.kept)


def _timeline(context: CommandContext, task: str | None, wanted: FilterOptions) -> Figure:
    from hyperspace_analysis.timeline import timeline

    return timeline(context.store.find(run_filter(context, wanted, task, usual=())))


def _history_of_search(context: CommandContext, wanted: FilterOptions) -> Figure:
    """Draw all runs of the search, comparable or not."""
    from hyperspace_analysis.history import history_of_search
    from hyperspace_core.plugin import get_search

    search = get_search(context.store, context.name, wanted.search or 0)
    return history_of_search(list(context.store.find(wanted.at(context))), search)
