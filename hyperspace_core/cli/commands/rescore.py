"""`hyperspace rescore`: compute a metric for past runs, without training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.options import FilterOptions, dry_run_option, filtered, json_option, task_argument
from hyperspace_core.cli.terminal import echo, echo_error, echo_json, echo_note, echo_table, tracked
from hyperspace_core.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperspace_core.results.rescoring import Scoring


@click.command
@task_argument
@click.option("--metric", "name", required=True, metavar="NAME",
              help="A metric that the project registers with register.metric.")
@click.option("--undo", is_flag=True, help="Remove the values computed under this name.")
@click.option("--again", is_flag=True, help="Compute it also for runs that have a value by the same code.")
@filtered
@dry_run_option
@json_option
@pass_context
def rescore(*, context: CommandContext, task: str, name: str, undo: bool, again: bool, wanted: FilterOptions,
            dry_run: bool, as_json: bool) -> int:
    """Compute a metric for the completed runs of TASK from their stored predictions.

    The metrics that the run returned stay as they are; `hyperspace results` shows this one as a new column.

    \b
    hyperspace rescore holdout --metric macro_f1 --dry-run
    hyperspace rescore holdout --metric macro_f1 --undo
    """
    from hyperspace_core.records.filter import ORDER_OLDEST
    from hyperspace_core.records.states import State
    from hyperspace_core.results.rescoring import metric_of, rescored, undone

    if wanted.tasks:
        raise click.UsageError(f"{task} and --task {wanted.tasks[0]} contradict each other; name one task")
    where = wanted.at(context)
    matching = replace(where, tasks=(task,), states=where.states or (State.COMPLETED,))
    records = list(context.store.find(matching, order=ORDER_OLDEST))
    if undo:
        found = list(undone(context.store, records, name, dry_run=dry_run))
    else:
        project = context.project()
        if not records:
            project.task(task)             # raises for a misspelt name
        found = list(tracked(rescored(context.store, project, records, metric_of(project, name),
                                      dry_run=dry_run, again=again), name, len(records)))
    if as_json:
        echo_json(found)
    else:
        _print(found, name, undo=undo, dry_run=dry_run)
    return ExitCode.FAILED if any(one.failed for one in found) else ExitCode.OK


def _print(found: Sequence[Scoring], name: str, *, undo: bool, dry_run: bool) -> None:
    from collections import Counter

    from hyperspace_core.results.format import number

    done = [one for one in found if one.done]
    if done and not undo:
        echo_table(("run", name, "before"), [[str(one.run), number(one.value), number(one.before)]
                                             for one in done])
    for one in found:
        if one.failed:
            echo_error(f"run {one.run}: {one.why}")
    for why, count in Counter(one.why for one in found if one.why and not one.failed).items():
        echo_note(f"{_runs(count)}: {why}")
    verb = "removed from" if undo else "computed for"
    echo(f"{'would be ' if dry_run else ''}{verb} {_runs(len(done))}")


def _runs(count: int) -> str:
    from hyperspace_core.cli.commands.queue import counted

    return counted(count)
