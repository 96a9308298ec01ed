"""The queue on one page: counts, workers, searches, failures and best runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from hyperspace_core.cli.page import STATES, Page, Piece
from hyperspace_core.config.tree import CLASS_NAME
from hyperspace_core.records.pruned import is_pruned
from hyperspace_core.records.run import RunRecord, WorkerInfo
from hyperspace_core.records.states import PRUNED, State
from hyperspace_core.results.overview import Overview, WorkerLine
from hyperspace_core.results.picture import GONE
from hyperspace_core.results.progress import bar, progress_text, share
from hyperspace_core.results.words import ago, brief, number, seconds

OPEN = (State.QUEUED, State.PAUSED, State.RUNNING)
LIVES = {"alive": "", "silent": "held", "gone": "bad"}


class StatusPage:
    """Writes overviews. `command` completes words to a command line for this store.

    `bars`: the two characters of a progress bar, or "" for none.
    """

    def __init__(self, command: Callable[[str], str], *, bars: str = "") -> None:
        self._command, self._bars = command, bars

    def write(self, page: Page, view: Overview) -> None:
        page.line((view.project, "head"), (view.url, "quiet"))
        self._counts(page, view)
        self._workers(page, view)
        self._searches(page, view)
        self._waiting(page, view)
        self._failures(page, view)
        self._best(page, view)

    def _counts(self, page: Page, view: Overview) -> None:
        page.gap()
        if not view.counts:
            page.line(f"No runs yet: `{self._command('submit')}` queues some")
        for states in (OPEN, tuple(state for state in State if state not in OPEN)):
            pieces: list[Piece] = [(f"{view.counts[state]} {state.lower()}", STATES[state])
                                   for state in states if view.counts.get(state)]
            if pieces:
                page.line(*pieces)
        if view.paused:
            command = self._command("queue resume --all")
            page.line((f"The whole queue is paused: no run starts until `{command}`", "held"))

    def _workers(self, page: Page, view: Overview) -> None:
        page.heading("Workers")
        if not view.alive:
            waits = view.counts.get(State.QUEUED, 0)
            so = f", {waits} queued {'run waits' if waits == 1 else 'runs wait'}" if waits else ""
            page.line(f"none is running{so}: `{self._command('worker')}` starts one", indent=2)
        names = [line.worker.owner.worker for line in view.workers]
        for line in view.workers:
            page.line(*_worker(line), indent=2)
            self._runs(page, view, [one for one in view.running if _owner(one) == line.worker.owner.worker])
        others = [one for one in view.running if _owner(one) not in names]
        if others:
            page.line("outside of a worker, by `hyperspace run` or Study.run", indent=2)
            self._runs(page, view, others)

    def _runs(self, page: Page, view: Overview, records: Sequence[RunRecord]) -> None:
        for record in records:
            write_running(page, record, view.at, gone=record.id in view.ownerless, bars=self._bars)

    def _waiting(self, page: Page, view: Overview) -> None:
        if not view.alive or not view.waiting:      # without a worker, the page says so above
            return
        page.heading("Cannot start")
        for one in view.waiting:
            runs = ", ".join(map(str, one.runs)) + (" …" if one.count > len(one.runs) else "")
            page.line(f"{one.count} of {one.task}: {one.why}", (f"(run {runs})", "quiet"), indent=2)

    def _searches(self, page: Page, view: Overview) -> None:
        if view.searches:
            page.heading("Searches")
        for one in view.searches:
            tuner = str(one.search.tuner.get(CLASS_NAME, ""))
            page.line((f"search {one.search.id}", "busy"), one.search.task, tuner, one.standing, one.found,
                      (one.why or "", "held"), indent=2)

    def _failures(self, page: Page, view: Overview) -> None:
        if view.failures:
            page.heading("Last failures")
            page.rows([(f"run {one.id}", one.task, ago(one.finished_at, view.at),
                        one.reason or "reason unknown") for one in view.failures])

    def _best(self, page: Page, view: Overview) -> None:
        if view.best:
            page.heading("Best so far")
            page.rows([(task, one.metric.name, number(one.result), f"run {one.id}", brief(one.submitted),
                        PRUNED if is_pruned(one) else "")
                       for task, one in view.best.items()])


def write_running(page: Page, record: RunRecord, at: datetime, *, gone: bool = False, bars: str = "",
                  indent: int = 4) -> None:
    """Write a running run; `gone`: its process is gone. `bars`: see `StatusPage`."""
    if gone:
        page.line((f"run {record.id}", "busy"), record.task, (GONE, "bad"), indent=indent)
        return
    progress = record.progress
    drawn = ""
    if progress is not None and bars and share(progress) is not None:
        drawn = bar(progress, *bars)
    since = ""
    if record.started_at is not None:
        since = f"for {seconds((at - record.started_at).total_seconds())}"
    asked = "" if record.command is None else f"asked to {record.command}"
    page.line((f"run {record.id}", "busy"), record.task, since, (asked, "held"), (drawn, "busy"),
              progress_text(progress), (brief(record.submitted), "quiet"), indent=indent)


def _worker(line: WorkerLine) -> list[Piece]:
    worker: WorkerInfo = line.worker
    name: Piece = (worker.owner.worker, LIVES[line.life])
    if line.life == "gone":
        return [name, ("gone: its process has ended", "bad")]
    if line.life == "silent":
        return [name, (f"silent for {seconds(line.seen_s)}", "held")]
    slots = f"{len(worker.running)} of {worker.slots} slots in use" if worker.slots > 1 else ""
    return [name, worker.state, slots]


def _owner(record: RunRecord) -> str:
    attempt = record.attempt
    return "" if attempt is None or attempt.worker is None else attempt.worker.worker
