"""`hyperspace rerun`: queue a past run again, with changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.arguments import dry_run_option, json_option, run_argument
from hyperspace_core.cli.configs import Typed, config_options, wish_options
from hyperspace_core.cli.place import Place, at_place, tasks_dir_option
from hyperspace_core.cli.screen import new_page, say_json, say_page, warn
from hyperspace_core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from hyperspace_core.records.run import NewRun, RunRecord
    from hyperspace_core.submission import Wishes


@click.command
@run_argument
@config_options
@wish_options("repeats", "seed", "priority", "tags", "note")
@click.option("--code", type=click.Choice(["original", "pinned", "current"]), default="pinned",
              show_default=True, help="The code to execute: that of the past run (original), a snapshot of "
                                      "the current code (pinned), or the worker's code (current).")
@click.option("--here", is_flag=True, help="Execute it in this terminal instead of queueing it.")
@at_place
@tasks_dir_option
@dry_run_option
@json_option
def rerun(*, place: Place, run: int, typed: Typed, wishes: Wishes, here: bool, code: str,
          tasks_dir: Path | None, dry_run: bool, as_json: bool) -> int:
    """Queue a past RUN again, with changes.

    Config, scenario and seed are those of RUN, except for the given options. RUN is recorded as its parent.

    \b
    hyperspace rerun 42 --set classifier.trees=500
    """
    from hyperspace_core.cli.running import run_here
    from hyperspace_core.cli.submitting import queue

    if here and wishes.repeats > 1:
        raise UsageError("--here and --repeats contradict each other: queue the repeats instead")
    study = place.study(tasks_dir)
    record, changes = study.get(run), typed.config()
    if here and code == "original":
        raise UsageError("--here and --code original contradict each other: --here uses the current code; "
                         "queue it instead")
    runs = study.plan_rerun(record, changes, wishes, code)
    _warn_of_dropped(record, changes)
    if dry_run:
        return _say_changes(record, runs, verb="run" if here else "queue", as_json=as_json)
    if here:
        return run_here(place, study, runs[0], as_json=as_json)
    return queue(place, study, f"of {record.task}, like run {run}", runs, len(runs),
                 pin=study.pin_rerun(record, code), as_json=as_json)


def _warn_of_dropped(record: RunRecord, changes: Mapping[str, Any]) -> None:
    """Warn of settings that are dropped because another class is chosen."""
    from hyperspace_core.config.tree import dropped

    lost = dropped(_config(record), changes)
    if lost:
        warn(f"another class is chosen, so {', '.join(f'`{path}`' for path in lost)} of run {record.id} "
             f"{'does' if len(lost) == 1 else 'do'} not carry over")


def _say_changes(record: RunRecord, runs: Sequence[NewRun], *, verb: str, as_json: bool) -> int:
    from hyperspace_core.cli.submitting import counted
    from hyperspace_core.cli.trees import exact
    from hyperspace_core.config.tree import MISSING, diff

    if as_json:
        say_json(runs)
        return ExitCode.OK
    page, run = new_page(), runs[0]
    page.line(f"would {verb} {counted(len(runs))} of {run.task} like run {record.id}, seed {run.seed}"
              + ("" if run.seed == record.seed else f" instead of {record.seed}"))
    changed = diff(_config(record), run.config or {})
    page.rows([[one.path, "-" if one.old is MISSING else exact(one.old), "->",
                "-" if one.new is MISSING else exact(one.new)] for one in changed])
    if not changed:
        page.line(("with the same config", "quiet"), indent=2)
    say_page(page)
    return ExitCode.OK


def _config(record: RunRecord) -> Mapping[str, Any]:
    return record.config if record.config is not None else record.submitted
