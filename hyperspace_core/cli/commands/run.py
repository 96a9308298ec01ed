"""`hyperspace run`: execute one config in this terminal, and record it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.context import CommandContext, pass_context, tasks_dir_option
from hyperspace_core.cli.options import (
    ConfigOptions,
    config_options,
    dry_run_option,
    json_option,
    run_argument,
    task_argument,
    wish_options,
)
from hyperspace_core.cli.submitting import counted, queue, run_here, say_plan
from hyperspace_core.cli.terminal import echo_json, echo_page, new_page, warn
from hyperspace_core.config.tree import MISSING, diff, dropped
from hyperspace_core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from hyperspace_core.records.run import NewRun, RunRecord
    from hyperspace_core.submission import SubmitOptions

@click.command
@task_argument
@config_options
@wish_options("seed", "tags", "note")
@pass_context
@tasks_dir_option
@dry_run_option
@json_option
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
@run_argument
@config_options
@wish_options("repeats", "seed", "priority", "tags", "note")
@click.option("--code", type=click.Choice(["original", "pinned", "current"]), default="pinned",
              show_default=True, help="The code to execute: that of the past run (original), a snapshot of "
                                      "the current code (pinned), or the worker's code (current).")
@click.option("--here", is_flag=True, help="Execute it in this terminal instead of queueing it.")
@pass_context
@tasks_dir_option
@dry_run_option
@json_option
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
