"""`hyperspace submit`, `run` and `rerun`: queue configs, or execute one in this terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli import options
from hyperspace_core.cli.context import CommandContext, pass_context, tasks_dir_option
from hyperspace_core.cli.options import ConfigOptions
from hyperspace_core.cli.submitting import queue, run_here, say_existing, say_plan
from hyperspace_core.cli.terminal import confirm, echo_json, echo_note, echo_page, new_page, tracked, warn
from hyperspace_core.config.tree import MISSING, diff, dropped
from hyperspace_core.errors import ExitCode, UsageError
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import NewRun, RunRecord
from hyperspace_core.results.comparable import existing_runs, without_known
from hyperspace_core.results.format import counted

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project
    from hyperspace_core.storage import Store
    from hyperspace_core.study import Study
    from hyperspace_core.submission import Problem, SubmitOptions

ASK_ABOVE = 10_000             # runs
COMPARE_UP_TO = 5_000          # runs of a task up to which duplicates are looked for without --skip-existing


@click.command
@options.task_argument
@options.grid_options
@options.wish_options("repeats", "seed", "priority", "tags", "note", "retries")
@options.code_option
@click.option("--skip-existing", is_flag=True,
              help="Skip runs that are queued, running or completed with the same config, seed and code.")
@click.option("--yes", is_flag=True, help=f"Do not ask for confirmation of more than {ASK_ABOVE:,} runs.")
@pass_context
@tasks_dir_option
@options.dry_run_option
@options.json_option
def submit(*, context: CommandContext, task: str, typed: ConfigOptions, wishes: SubmitOptions,
           tasks_dir: Path | None, code: str, skip_existing: bool, yes: bool, dry_run: bool,
           as_json: bool) -> int:
    """Queue runs of TASK: one config, or a grid.

    \b
    hyperspace submit holdout --set classifier=Forest --set classifier.trees=200
    hyperspace submit holdout --grid classifier=Forest,Linear --repeats 3
    """
    from hyperspace_core.submission import Pinner, problem_of_task

    study = None if dry_run else context.study(tasks_dir)
    project = context.project(tasks_dir) if study is None else study.project
    problem = problem_of_task(project, task)
    count, runs = _planned(project, problem, typed, wishes, yes=yes or dry_run)
    twins: list[int] = []
    if skip_existing:
        known = existing_runs(context.store if study is None else study.store, project, problem.task)
        runs = without_known(_warned_of_drawn(runs, problem, wishes), known, twins)
    if study is None:
        if skip_existing:
            runs = list(runs)
            say_existing(count - len(runs), count)
            _tell_unseen(context.store, project, twins)
            count = len(runs)
        return say_plan(f"of {problem.task}", runs, count, Pinner(project, None).pin(code), as_json=as_json)
    if not skip_existing:
        _warn_of_twins(study, runs, problem.task)
    done = queue(context, study, f"of {problem.task}", runs, count, pin=study.pin(code), as_json=as_json)
    _tell_unseen(study.store, project, twins)
    return done


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
    found: list[int] = []
    twins = len(runs) - len(list(without_known(runs, existing_runs(study.store, study.project, task), found)))
    if twins:
        exist = "1 run exists" if twins == 1 else f"{twins} runs exist"
        warn(f"{exist} already with the same config, seed and code; --skip-existing skips them")
        _tell_unseen(study.store, study.project, found)


def _tell_unseen(store: Store, project: Project, existing: Iterable[int]) -> None:
    """Print in which files the code of existing runs differs, where no fingerprint differs."""
    from hyperspace_core.results.same_code import CodeCheck, differing_text

    code = CodeCheck(store, project)
    for run in existing:
        code.look(store.get(run))
    text = differing_text(code.unseen()) if existing else ""
    if text:
        echo_note(f"{text}: `hyperspace submit` without --skip-existing queues them")


# -- `hyperspace run`: execute one config in this terminal, and record it --

@click.command
@options.task_argument
@options.config_options
@options.wish_options("seed", "tags", "note")
@pass_context
@tasks_dir_option
@options.dry_run_option
@options.json_option
def run(*, context: CommandContext, task: str, typed: ConfigOptions, wishes: SubmitOptions,
        tasks_dir: Path | None, dry_run: bool, as_json: bool) -> int:
    """Execute one config of TASK in this terminal.

    The run is recorded like a queued one, but never enters the queue. Ctrl-C cancels it.
    """
    from hyperspace_core.submission import plan, problem_of_task

    if dry_run:
        project = context.project(tasks_dir)
        runs = plan(project, problem_of_task(project, task), typed.config(), wishes)
        return say_plan(f"of {task} here", runs, len(runs), as_json=as_json, verb="run")
    study = context.study(tasks_dir)
    planned, = plan(study.project, problem_of_task(study.project, task), typed.config(), wishes)
    return run_here(context, study, planned, as_json=as_json)


# -- `hyperspace rerun`: queue a past run again, with changes --

@click.command
@options.run_argument
@options.config_options
@options.wish_options("repeats", "seed", "priority", "tags", "note")
@click.option("--code", type=click.Choice(["original", "pinned", "current"]), default="pinned",
              show_default=True, help="The code to execute: that of the past run (original), a snapshot of "
                                      "the current code (pinned), or the worker's code (current).")
@click.option("--here", is_flag=True, help="Execute it in this terminal instead of queueing it.")
@pass_context
@tasks_dir_option
@options.dry_run_option
@options.json_option
def rerun(*, context: CommandContext, run: int, typed: ConfigOptions, wishes: SubmitOptions, here: bool,
          code: str, tasks_dir: Path | None, dry_run: bool, as_json: bool) -> int:
    """Queue a past RUN again, with changes.

    Config, scenario and seed are those of RUN, except for the given options. RUN is recorded as its parent.

    \b
    hyperspace rerun 42 --set classifier.trees=500
    """
    if here and wishes.repeats > 1:
        raise UsageError("--here and --repeats contradict each other: queue the repeats instead")
    study = context.study(tasks_dir)
    record, changes = study.get(run), typed.config()
    if here and code == "original":
        raise UsageError("--here and --code original contradict each other: --here uses the current code; "
                         "queue it instead")
    runs = study.plan_rerun(record, changes, wishes, code)
    _warn_of_dropped(record, changes)
    if dry_run:
        return _say_changes(record, runs, verb="run" if here else "queue", as_json=as_json)
    if here:
        return run_here(context, study, runs[0], as_json=as_json)
    return queue(context, study, f"of {record.task}, like run {run}", runs, len(runs),
                 pin=study.pin_rerun(record, code), as_json=as_json)


def _warn_of_dropped(record: RunRecord, changes: Mapping[str, Any]) -> None:
    """Warn of settings that are dropped because another class is chosen."""
    lost = dropped(record.effective_config, changes)
    if lost:
        warn(f"another class is chosen, so {', '.join(f'`{path}`' for path in lost)} of run {record.id} "
             f"{'does' if len(lost) == 1 else 'do'} not carry over")


def _say_changes(record: RunRecord, runs: Sequence[NewRun], *, verb: str, as_json: bool) -> int:
    from hyperspace_core.cli.run_page import exact

    if as_json:
        echo_json(runs)
        return ExitCode.OK
    page, run = new_page(), runs[0]
    page.line(f"would {verb} {counted(len(runs))} of {run.task} like run {record.id}, seed {run.seed}"
              + ("" if run.seed == record.seed else f" instead of {record.seed}"))
    changed = diff(record.effective_config, run.config or {})
    page.rows([[one.path, "-" if one.old is MISSING else exact(one.old), "->",
                "-" if one.new is MISSING else exact(one.new)] for one in changed])
    if not changed:
        page.line(("with the same config", "quiet"), indent=2)
    echo_page(page)
    return ExitCode.OK
