"""Execute a run in this process, for `run` and `rerun --here`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hyperspace_core.cli.screen import complain, note, say, say_json
from hyperspace_core.errors import ExitCode
from hyperspace_core.records.states import State

if TYPE_CHECKING:
    from hyperspace_core.cli.place import Place
    from hyperspace_core.records.logged import Progress
    from hyperspace_core.records.run import NewRun, RunRecord
    from hyperspace_core.study import Study, Watch


def run_here(place: Place, study: Study, planned: NewRun, *, as_json: bool) -> int:
    """Execute the run and print its end; with `as_json`, its output to stderr."""
    begun: list[RunRecord] = []
    output = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
    try:
        with output, _shown(begun) as watch:
            record = study.execute(planned, watch=watch)
    except KeyboardInterrupt:
        complain(f"interrupted: run {begun[0].id} is cancelled" if begun else "interrupted")
        return ExitCode.INTERRUPTED
    if as_json:
        say_json(record)
    else:
        say(ending_text(record))
    if record.state is State.COMPLETED:
        return ExitCode.OK
    if record.attempt is not None and record.attempt.traceback:
        note(f"its traceback: {place.command(f'runs show {record.id}')}")
    return ExitCode.FAILED


def ending_text(record: RunRecord) -> str:
    """`run 7 COMPLETED after 1.2s: accuracy 0.9711`, or the reason of the failure."""
    from hyperspace_core.results.table import seconds_of
    from hyperspace_core.results.words import number, one_line, seconds

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

    from hyperspace_core.results.progress import progress_text

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
