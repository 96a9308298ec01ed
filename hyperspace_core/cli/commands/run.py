"""`hyperspace run`: execute one config in this terminal, and record it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.arguments import dry_run_option, json_option, task_argument
from hyperspace_core.cli.configs import Typed, config_options, wish_options
from hyperspace_core.cli.place import Place, at_place, tasks_dir_option

if TYPE_CHECKING:
    from hyperspace_core.submission import Wishes


@click.command
@task_argument
@config_options
@wish_options("seed", "tags", "note")
@at_place
@tasks_dir_option
@dry_run_option
@json_option
def run(*, place: Place, task: str, typed: Typed, wishes: Wishes, tasks_dir: Path | None,
        dry_run: bool, as_json: bool) -> int:
    """Execute one config of TASK in this terminal.

    The run is recorded like a queued one, but never enters the queue. Ctrl-C cancels it.
    """
    from hyperspace_core.cli.running import run_here
    from hyperspace_core.cli.submitting import say_plan
    from hyperspace_core.submission import plan, problem_of_task

    if dry_run:
        project = place.project(tasks_dir)
        runs = plan(project, problem_of_task(project, task), typed.config(), wishes)
        return say_plan(f"of {task} here", runs, len(runs), as_json=as_json, verb="run")
    study = place.study(tasks_dir)
    planned, = plan(study.project, problem_of_task(study.project, task), typed.config(), wishes)
    return run_here(place, study, planned, as_json=as_json)
