"""`hyperspace worker`: claim queued runs and execute them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.context import CommandContext, pass_context, tasks_dir_option
from hyperspace_core.cli.options import WholeNumber, dry_run_option, json_option
from hyperspace_core.cli.terminal import echo, echo_json
from hyperspace_core.errors import ExitCode
from hyperspace_core.records.search import SearchState
from hyperspace_core.results.format import counted
from hyperspace_core.storage import searches_of

if TYPE_CHECKING:
    from hyperspace_core.worker.state import WorkerOptions


class Seconds(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A number of seconds."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not math.isfinite(seconds):
            name = param.opts[0] if param is not None else self.name
            raise click.UsageError(f"{name}: expected seconds, as in 0.5, got {str(value)[:40]!a}", ctx)
        return seconds


@click.command
@click.option("--slots", type=WholeNumber(1), default=1, show_default=True, help="Number of parallel runs.")
@click.option("--drain", is_flag=True, help="Stop when this worker can take no more runs.")
@click.option("--max-runs", type=WholeNumber(1), metavar="N", help="Stop after N runs.")
@click.option("--echo", is_flag=True, help="Print the output of the runs.")
@click.option("--isolation", type=click.Choice(["warm", "spawn", "inline"]), default="warm",
              show_default=True, help="Execute runs in a fork of a process with the project imported (warm), "
                                      "in a new process (spawn), or in the worker itself (inline).")
@click.option("--code", type=click.Choice(["pinned", "current"]), default="pinned", show_default=True,
              help="Execute the code pinned at submission, or the code installed here.")
@click.option("--grace", "grace_s", type=Seconds(), default=30.0, show_default=True, metavar="SECONDS",
              help="Time between asking a run to stop and killing it.")
@click.option("--poll", "poll_s", type=Seconds(), metavar="SECONDS",
              help="Longest time between two polls of the queue.  [default: 5; 0.5 with --drain]")
@pass_context
@tasks_dir_option
@dry_run_option
@json_option
def worker(*, context: CommandContext, dry_run: bool, as_json: bool, tasks_dir: Path | None,
           **chosen: Any) -> int:
    """Claim queued runs and execute them, until Ctrl-C.

    The first Ctrl-C finishes the current runs, the second returns them to the queue, the third kills them.
    Exit code 1 if a run failed.
    """
    from hyperspace_core.worker.state import WorkerOptions

    options = WorkerOptions(tasks_dir=tasks_dir, no_plugins=context.no_plugins, **chosen)
    context.quiet_extensions.require_whole()
    if dry_run:
        return _say_plan(context, options, as_json=as_json)
    from hyperspace_core.cli.worker_view import work

    return work(context, options, as_json=as_json)


def _say_plan(context: CommandContext, options: WorkerOptions, *, as_json: bool) -> int:
    """Print the runs that a worker would find, without claiming any."""
    from hyperspace_core.worker.heartbeat import RESTING, waiting_text, what_waits

    project = context.project(options.tasks_dir)
    found = what_waits(context.store, context.name, tuple(project.tasks), ())
    if as_json:
        echo_json([{"task": one.task, "count": one.count, "taken": one.why == RESTING,
                   "why": None if one.why == RESTING else one.why} for one in found])
        return ExitCode.OK
    for one in found:
        echo(f"would take {counted(one.count)} of {one.task}" if one.why == RESTING else waiting_text(one))
    searches = [search for search in searches_of(context.store, context.name, states=(SearchState.OPEN,))
                if search.task in project.tasks]
    for search in searches:
        echo(f"would ask search {search.id} of {search.task} what to run next; it has proposed "
             f"{search.proposed} and ends after {search.budget}")
    if not found and not searches:
        echo("nothing is queued")
    return ExitCode.OK
