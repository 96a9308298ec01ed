"""Run a worker in a terminal or a pipe, and print its report."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from hyperspace_core.cli.screen import note, say, say_json, say_table
from hyperspace_core.cli.worker_lines import Teller
from hyperspace_core.errors import ExitCode
from hyperspace_core.records.states import State
from hyperspace_core.worker.duties import describe
from hyperspace_core.worker.shift import GIVE_BACK
from hyperspace_core.worker.worker import Worker

if TYPE_CHECKING:
    from hyperspace_core.cli.place import Place
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.storage import Store
    from hyperspace_core.worker.options import WorkerOptions
    from hyperspace_core.worker.report import WorkerReport

SHOWN = 20                     # runs of a task that are compared at the end


def work(place: Place, options: WorkerOptions, *, as_json: bool) -> int:
    """Run a worker. Exit code 1 if a run failed, 130 if Ctrl-C released runs."""
    store = place.store
    # a run in this process may replace sys.stdout: the worker's lines go to the streams of now
    out = sys.stderr if as_json else sys.stdout
    teller = Teller(out, sys.stderr, options)
    worker = Worker(store, place.name, place.extensions, options, on_event=teller.hear)
    if out.isatty():
        from hyperspace_core.cli.worker_screen import worker_screen

        with worker_screen(worker, teller, out):
            report = worker.run()
    else:
        report = worker.run()
    if as_json:
        say_json(report)
    else:
        _say_report(place, store, report, options)
    stopped = teller.stopped
    if stopped is not None and stopped.level >= GIVE_BACK and "SIGINT" in stopped.why:
        return ExitCode.INTERRUPTED
    return ExitCode.FAILED if report.failed else ExitCode.OK


def _say_report(place: Place, store: Store, report: WorkerReport, options: WorkerOptions) -> None:
    if options.drain:
        completed = [store.get(run) for run, state in report.states.items() if state is State.COMPLETED]
        _say_comparisons(place, completed)
    if report.ended:
        note(f"this worker's runs: {_counted(report.counts)}")
    elif options.drain:
        note("no queued run that this worker can take")
    for left in report.left:
        note(describe(left))


def _counted(counts: Mapping[State, int]) -> str:
    words = {State.QUEUED: "back in the queue"}
    return ", ".join(f"{counts[state]} {words.get(state, state.lower())}" for state in State
                     if counts.get(state))


def _say_comparisons(place: Place, records: Sequence[RunRecord]) -> None:
    from hyperspace_core.results.results import text_of
    from hyperspace_core.results.table import best_first, tabulate

    for task, group in groupby(best_first(records), key=lambda record: record.task):
        runs = list(group)
        say(f"\n{task}, best first:")
        heads, rows = text_of(tabulate(runs[:SHOWN]).folded())
        say_table(heads, rows, whole=True)
        if len(runs) > SHOWN:
            note(f"{len(runs) - SHOWN} more: {place.command(f'results {task}')}")
