"""Execute a run in this process: for `Study.run`, for notebooks, for a debugger.

It uses the same executor, outbox and heartbeats as a worker's child. User code shares the process, so it can
be asked to stop and, in the main thread, be interrupted, but not be killed.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hyperspace_core.capture.live import edited_since_import
from hyperspace_core.clock import SystemClock
from hyperspace_core.config.tree import Tree
from hyperspace_core.execution.answers import AskPeers
from hyperspace_core.execution.executor import execute
from hyperspace_core.execution.failure import one_line
from hyperspace_core.execution.identity import this_process, worker_name
from hyperspace_core.execution.interruption import Interruption
from hyperspace_core.execution.job import Base, job_of
from hyperspace_core.execution.ran import taken
from hyperspace_core.execution.supervise import ChildEnded
from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.records.run import Claim, Finish, Metric, Owner, RunRecord, Update
from hyperspace_core.records.states import Outcome
from hyperspace_core.run import Run
from hyperspace_core.sink import Absent, Section
from hyperspace_core.storage import Store
from hyperspace_core.worker.afterword import tell_observers
from hyperspace_core.worker.courier import Courier
from hyperspace_core.worker.endings import Ask, Conducted, Ending, settle, stops_before
from hyperspace_core.worker.heart import Heart
from hyperspace_core.worker.journal import Journal, Settlement
from hyperspace_core.worker.shift import Shift
from hyperspace_core.worker.signals import UserCodeSignals
from hyperspace_core.worker.tee import Tee
from hyperspace_core.worker.ward import Ward

if TYPE_CHECKING:
    from hyperspace_core.capture.sources import ProjectCode
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project
    from hyperspace_core.searches.asking import Asker

LAST_WORD_S = 5.0              # the wait for an unavailable store after a second Ctrl-C
_LIVES_ON = ChildEnded(exit_code=None, signal=None, out_of_memory=None, max_rss_bytes=None)


def execute_here(store: Store, project: Project, extensions: Extensions, claim: Claim, *, echo: bool = True,
                 on_progress: Callable[[Progress], None] | None = None) -> RunRecord:
    """Execute a claimed run now and return its record.

    Exceptions of user code are in the record. Ctrl-C cancels the run and is raised again as
    `KeyboardInterrupt`. At the end of the run, this waits for an unavailable store. `echo`: print the run's
    output here, too. `on_progress` gets the reported progress, in the thread that reports it.
    """
    with _Attended(store, claim) as attended:
        attended.ward.on_progress = on_progress
        conducted, interrupted = conduct(attended.ward, attended.workdir, project, extensions, attended.heart,
                                         echo=echo)
        attended.settle(conducted.ending)
    tell_observers(attended.ward, conducted, store, extensions)
    if interrupted:
        raise KeyboardInterrupt
    return store.get(claim.lease.run)


class _Attended:
    """A claimed run with its heartbeats, its sender and its directory."""

    def __init__(self, store: Store, claim: Claim) -> None:
        log = logging.getLogger("hyperspace.worker")
        owner = _owner_of(claim)
        self.heart = Heart(store, owner, clock=SystemClock(),
                           tell=lambda text, level: log.log(level, "%s", text),
                           heartbeat_s=store.settings(claim.record.project).heartbeat_s,
                           away_changed=lambda away: None if away else self._courier.hurry())
        self._courier = Courier(store, owner.worker, remark=log.warning, unavailable=self.heart.store_failed)
        self._journal = Journal(claim.lease, owner, remark=log.warning)
        self.ward = Ward(claim, self._journal, 0, SystemClock())
        self.workdir = Path(tempfile.mkdtemp(prefix=f"hyperspace-{claim.lease.run}-"))

    def __enter__(self) -> Self:
        self.heart.add(self.ward)
        self._courier.carry(self._journal)
        self._courier.start()
        self.heart.start()
        return self

    def settle(self, ending: Ending) -> None:
        """Wait until the store has everything, without a time limit."""
        self._journal.end(ending)
        self._journal.settled.wait()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if error is not None:              # Ctrl-C outside user code, or an internal error
            if self._journal.ending is None:
                self._journal.end(Finish(outcome=Outcome.CANCELLED, reason=one_line(error), retry=False))
            self._journal.settled.wait(LAST_WORD_S)
        self._journal.give_up(Settlement.ABANDONED)
        self.heart.close()
        self._courier.close()
        for thread in (self.heart, self._courier):     # the caller may close the store now
            thread.join(LAST_WORD_S)
        shutil.rmtree(self.workdir, ignore_errors=True)


class InlineHands:
    """Executes runs in the worker's own process; source edits need a new worker."""

    pinned_only = False

    def __init__(self, shift: Shift, extensions: Extensions) -> None:
        from hyperspace_core.extension.project import open_project

        self._shift, self._extensions = shift, extensions
        self._project = open_project(shift.project, extensions, tasks_dir=shift.options.tasks_dir)

    def tasks(self) -> frozenset[str]:
        return frozenset(self._project.tasks)

    def conduct(self, ward: Ward, workdir: Path) -> Conducted:
        shift = self._shift
        peering = shift.peering(ward.record)
        conducted, _ = conduct(ward, workdir, self._project, self._extensions, shift.heart,
                               echo=shift.options.echo, pruner=shift.pruner_of(ward.record),
                               ask_peers=lambda series, enough: peering.answer(0, series))
        return conducted

    def asker(self) -> Asker:
        from hyperspace_core.searches.asking import InlineAsker
        from hyperspace_core.searches.process import Desk

        return InlineAsker(Desk(self._project))

    def close(self) -> None:
        """Do nothing: no process is held."""


def conduct(ward: Ward, workdir: Path, project: Project, extensions: Extensions, heart: Heart, *,
            echo: bool, pruner: Tree | None = None,
            ask_peers: AskPeers | None = None) -> tuple[Conducted, bool]:
    """Execute a run in this thread; how to settle it, and whether Ctrl-C ended it."""
    interruption = Interruption()
    sink = JournalSink(ward, heart)
    job = job_of(ward.claim, tasks_dir=None, no_plugins=(), workdir=workdir,
                 base=Base(note=_note(ward), stale=_stale(project)), pruner=pruner)

    def hear(run: Run) -> None:
        def stop() -> None:
            run.ask_to_stop()
            signals.ask_from_elsewhere()

        ward.listen(stop)

    with Tee(ward, echo=echo), UserCodeSignals(interruption.ask) as signals:
        finish = execute(job, sink, extensions, project, interruption=interruption, on_run=hear,
                         ask=ask_peers)
    if signals.pressed:
        ward.ask(Ask.CANCEL, "interrupted with Ctrl-C")
    ask, why = ward.asked
    ending = settle(finish, _LIVES_ON, ask, why, differs=sink.differs, failures=ward.record.failures,
                    stops=stops_before(ward.record.attempts))
    return Conducted(ending=ending, silent=not sink.heard), signals.pressed


class JournalSink:
    """A sink that writes into the outbox."""

    def __init__(self, ward: Ward, heart: Heart) -> None:
        self.differs: str | None = None
        self.heard = False                 # observers of the run's end were called
        self._ward, self._journal, self._heart = ward, ward.journal, heart

    def point(self, point: Point) -> None:
        self._journal.points([(point.seq, point.name, point.step, point.value, point.at)])

    def info(self, key: str, value: Any) -> None:
        self._journal.info(key, value)

    def progress(self, progress: Progress) -> None:
        self._ward.report_progress(progress)
        self._heart.poke()

    def artifact(self, name: str, path: Path) -> None:
        self._journal.artifact(name, path)

    def section(self, section: Section | Absent) -> None:
        self._journal.section(section.name, section.data if isinstance(section, Section)
                              else {"absent": section.reason})

    def resolved(self, scenario: Tree, config: Tree, metric: Metric, seed: int) -> None:
        self._ward.resolved(Update(scenario=scenario, config=config, metric=metric, seed=seed))

    def source(self, code: ProjectCode) -> None:
        message = taken(code)
        self._journal.source(message.snapshots, message.all)

    def code_differs(self, reason: str) -> None:
        self.differs = reason

    def outcome(self, finish: Finish, *, heard: bool) -> None:
        self.heard = heard                 # the executor returns the outcome itself


def _note(ward: Ward) -> str:
    why = "pinned code was not used: inline runs execute what their process has imported"
    return why if ward.record.code else ""


def _stale(project: Project) -> str:
    """The reason why the files on disk are not the executed code, or ""; also logged."""
    edited = [Path(file).name for file in edited_since_import(project)]
    if not edited:
        return ""
    named = ", ".join(edited[:5]) + (f" and {len(edited) - 5} more" if len(edited) > 5 else "")
    why = f"{named} was edited after this process had imported it, which executes what it imported"
    logging.getLogger("hyperspace").warning("%s; start it again to run the code as it is now", why)
    return why


def _owner_of(claim: Claim) -> Owner:
    attempt = claim.record.attempt
    worker = None if attempt is None else attempt.worker
    return this_process(worker_name()) if worker is None else worker
