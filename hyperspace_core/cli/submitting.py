"""Store and report runs for `submit` and `rerun`, or show a dry run."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from hyperspace_core.cli import terminal
from hyperspace_core.cli.main import held_interrupt
from hyperspace_core.clock import SystemClock
from hyperspace_core.config.tree import told_apart
from hyperspace_core.errors import ExitCode
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import NewRun, RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.results.format import brief, counted, ids_text, number, one_line, seconds, value_text
from hyperspace_core.results.table import seconds_of

if TYPE_CHECKING:
    from hyperspace_core.cli.context import CommandContext
    from hyperspace_core.storage import Store
    from hyperspace_core.study import Study, Watch
    from hyperspace_core.submission import Pin

SHOWN = 20                     # runs of a grid that `--dry-run` shows one by one


def queue(context: CommandContext, study: Study, what: str, runs: Iterable[NewRun], count: int, *, pin: Pin,
          as_json: bool) -> int:
    """Store the runs and print their ids. Ctrl-C stops after a whole batch."""
    from hyperspace_core.submission import BATCH

    ids: list[int] = []
    if count > BATCH:
        runs = terminal.tracked(runs, "queueing", count)
    with held_interrupt() as pressed:
        for batch in study.submit_batches(runs, pin):
            ids += batch
            if pressed():
                break
    if as_json:
        terminal.echo_json(ids)
    elif ids:
        terminal.echo(f"queued run {ids[0]} {what}" if len(ids) == 1 else
                      f"queued {counted(len(ids))} {what}: {ids_text(ids)}")
    if pressed() and len(ids) < count:
        terminal.echo_error(f"interrupted: {len(ids):,} of {count:,} runs are queued")
        return ExitCode.INTERRUPTED
    if len(ids) < count:
        say_existing(count - len(ids), count)
    if ids:
        _say_pin(pin)
        _hint_at_worker(context, study.store)
    return ExitCode.OK


def say_existing(existing: int, count: int) -> None:
    """Print how many runs are left out because they exist already."""
    if existing:
        exist, are = ("exists", "is") if existing == 1 else ("exist", "are")
        terminal.echo_note(f"{existing:,} of {count:,} {exist} already with the same config, seed and code, "
                           f"and {are} left out")


def say_plan(what: str, runs: Iterable[NewRun], count: int, pin: Pin | None = None, *, as_json: bool,
             verb: str = "queue") -> int:
    """Print what would be queued: completed configs, with defaults marked."""
    from hyperspace_core.cli.run_page import show_config

    if as_json:
        terminal.echo_json(list(runs if pin is None else map(pin.on, runs)))
        return ExitCode.OK
    if pin is not None:
        _say_pin(pin)
    first = list(islice(runs, SHOWN))
    if len(first) != 1:
        terminal.echo(f"would {verb} {counted(count)} {what}")
        terminal.echo_table(("seed", "written", "defaults"),
                   [(str(run.seed), brief(run.submitted), " ".join(_defaults(run))) for run in first])
        if count > len(first):
            terminal.echo(f"… and {count - len(first):,} more")
        return ExitCode.OK
    page, run = terminal.new_page(), first[0]
    page.line(f"would {verb} 1 run {what}, seed {run.seed}")
    show_config(page, run.config or {}, {"seed": run.seed, **run.submitted})
    terminal.echo_page(page)
    return ExitCode.OK


def _say_pin(pin: Pin) -> None:
    """Print which code the runs will execute, untracked files included."""
    if pin.warning:
        terminal.warn(pin.warning)
    else:
        terminal.echo_note(pin.summary)


def _defaults(run: NewRun) -> Iterator[str]:
    """The defaults: a whole section if nothing in it was written, else single values."""
    config = run.config or {}
    leaves = told_apart(config, {"seed": run.seed, **run.submitted})
    for key, value in config.items():
        inside = [leaf for leaf in leaves if leaf.path == key or leaf.path.startswith(f"{key}.")]
        if not any(leaf.written for leaf in inside):
            yield brief({key: value})
        else:
            yield from (f"{leaf.path}={value_text(leaf.value)}" for leaf in inside if not leaf.written)


def _hint_at_worker(context: CommandContext, store: Store) -> None:
    """Print how to start a worker if none is running."""
    if not sys.stderr.isatty():
        return
    from hyperspace_core.results.overview import life_of

    now, ttl_s = SystemClock().now(), store.settings(context.name).ttl_s
    if not any(life_of(worker, now, ttl_s) == "alive" for worker in store.workers(context.name)):
        terminal.echo_hint(f"no worker is running; start one: {context.command('worker')}")


# -- Execute a run in this process, for `run` and `rerun --here` --

def run_here(context: CommandContext, study: Study, planned: NewRun, *, as_json: bool) -> int:
    """Execute the run and print its end; with `as_json`, its output to stderr."""
    begun: list[RunRecord] = []
    output = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
    try:
        with output, _shown(begun) as watch:
            record = study.execute(planned, watch=watch)
    except KeyboardInterrupt:
        terminal.echo_error(f"interrupted: run {begun[0].id} is cancelled" if begun else "interrupted")
        return ExitCode.INTERRUPTED
    if as_json:
        terminal.echo_json(record)
    else:
        terminal.echo(ending_text(record))
    if record.state is State.COMPLETED:
        return ExitCode.OK
    if record.attempt is not None and record.attempt.traceback:
        terminal.echo_note(f"its traceback: {context.command(f'runs show {record.id}')}")
    return ExitCode.FAILED


def ending_text(record: RunRecord) -> str:
    """`run 7 COMPLETED after 1.2s: accuracy 0.9711`, or the reason of the failure."""
    took = seconds_of(record)
    after = f" after {seconds(took)}" if isinstance(took, float) else ""
    if record.result is not None:
        what = f"{record.metric.name} {number(record.result)}"
    else:
        what = one_line(record.reason or "no result")
    return f"run {record.id} {record.state}{after}: {what}"


@contextlib.contextmanager
def _shown(begun: list[RunRecord]) -> Iterator[Watch]:
    """Show a progress bar below the run's output, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda record, progress: None if begun else begun.append(record)
        return
    from rich import progress as bar_kit
    from rich.console import Console

    from hyperspace_core.results.overview import progress_text

    columns = (bar_kit.TextColumn("run {task.fields[run]}"), bar_kit.TimeElapsedColumn(), bar_kit.BarColumn(),
               bar_kit.TextColumn("{task.description}", markup=False))
    # the stream itself: the run may replace `sys.stderr`
    bars = bar_kit.Progress(*columns, console=Console(file=sys.stderr), transient=True,
                            redirect_stdout=sys.stdout.isatty())
    with bars:
        bar = bars.add_task("", total=None, run="")

        def watch(record: RunRecord, progress: Progress | None) -> None:
            if progress is None:
                begun.append(record)
                bars.update(bar, run=str(record.id), description=record.task)
            else:
                bars.update(bar, completed=progress.done, total=progress.total,
                            description=f"{record.task}  {progress_text(progress)}")

        yield watch
