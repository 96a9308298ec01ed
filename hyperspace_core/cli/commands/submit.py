"""`hyperspace submit`: queue one config, or every combination of a grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.context import CommandContext, pass_context, tasks_dir_option
from hyperspace_core.cli.options import (
    ConfigOptions,
    code_option,
    dry_run_option,
    grid_options,
    json_option,
    task_argument,
    wish_options,
)
from hyperspace_core.cli.submitting import queue, say_existing, say_plan
from hyperspace_core.cli.terminal import confirm, tracked, warn
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.results.comparable import existing_runs, without_known

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project
    from hyperspace_core.records.run import NewRun
    from hyperspace_core.study import Study
    from hyperspace_core.submission import Problem, SubmitOptions

ASK_ABOVE = 10_000             # runs
COMPARE_UP_TO = 5_000          # runs of a task up to which duplicates are looked for without --skip-existing


@click.command
@task_argument
@grid_options
@wish_options("repeats", "seed", "priority", "tags", "note", "retries")
@code_option
@click.option("--skip-existing", is_flag=True,
              help="Skip runs that are queued, running or completed with the same config, seed and code.")
@click.option("--yes", is_flag=True, help=f"Do not ask for confirmation of more than {ASK_ABOVE:,} runs.")
@pass_context
@tasks_dir_option
@dry_run_option
@json_option
def submit(*, context: CommandContext, task: str, typed: ConfigOptions, wishes: SubmitOptions,
           tasks_dir: Path | None, code: str, skip_existing: bool, yes: bool, dry_run: bool,
           as_json: bool) -> int:
    """Queue runs of TASK: one config, or a grid.

    \b
    hyperspace submit holdout --set classifier=Forest --set classifier.trees=200
    hyperspace submit holdout --grid classifier=Forest,Linear --repeats 3
    """
    from hyperspace_core.submission import Pinner, problem_of_task

    if dry_run:
        project = context.project(tasks_dir)
        problem = problem_of_task(project, task)
        count, runs = _planned(project, problem, typed, wishes, yes=True)
        if skip_existing:
            runs = list(without_known(_warned_of_drawn(runs, problem, wishes),
                                     existing_runs(context.store, project, problem.task)))
            say_existing(count - len(runs), count)
            count = len(runs)
        return say_plan(f"of {problem.task}", runs, count, Pinner(project, None).pin(code), as_json=as_json)
    study = context.study(tasks_dir)
    problem = problem_of_task(study.project, task)
    count, runs = _planned(study.project, problem, typed, wishes, yes=yes)
    if skip_existing:
        runs = without_known(_warned_of_drawn(runs, problem, wishes),
                            existing_runs(study.store, study.project, problem.task))
    else:
        _warn_of_twins(study, runs, problem.task)
    return queue(context, study, f"of {problem.task}", runs, count, pin=study.pin(code),
                 as_json=as_json)


def _planned(project: Project, problem: Problem, typed: ConfigOptions, wishes: SubmitOptions,
             *, yes: bool) -> tuple[int, Iterable[NewRun]]:
    """Return the number of runs and the validated runs."""
    from hyperspace_core.submission import checked_plan, plan, size_of

    if not typed.is_grid:
        runs = plan(project, problem, typed.config(), wishes)
        return len(runs), runs
    grid = typed.grid()
    count = size_of(project, problem, grid, wishes)
    if count > ASK_ABOVE:
        confirm(f"queue {count:,} runs", yes=yes)
    return count, checked_plan(project, problem, grid, wishes,
                               watch=lambda planned: tracked(planned, "checking", count))


def _warned_of_drawn(runs: Iterable[NewRun], problem: Problem, wishes: SubmitOptions) -> Iterator[NewRun]:
    """Yield the runs; warn if their seeds are drawn, as no run is a duplicate then."""
    warned = problem.seed is not None or wishes.seed is not None
    for run in runs:
        if not warned and "seed" not in run.submitted:
            warned = True
            warn(f"task '{problem.task}' has no seed, so a new one is drawn and no run is skipped; "
                 "give one with --seed")
        yield run


def _warn_of_twins(study: Study, runs: Iterable[NewRun], task: str) -> None:
    """Warn of runs that exist already, unless there are too many to compare."""
    known = sum(study.store.count(RunFilter(project=study.name, tasks=(task,))).values())
    if not isinstance(runs, list) or known > COMPARE_UP_TO:
        return
    twins = len(runs) - len(list(without_known(runs, existing_runs(study.store, study.project, task))))
    if twins:
        exist = "1 run exists" if twins == 1 else f"{twins} runs exist"
        warn(f"{exist} already with the same config, seed and code; --skip-existing skips them")
