"""Execute a run in this process: for `Study.run`, for notebooks, for a debugger.

It uses the same executor, outbox and heartbeats as a worker's child. User code shares the process, so it can
be asked to stop and, in the main thread, be interrupted, but not be killed.
"""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from hyperspace_core.capture.project_modules import edited_since_import
from hyperspace_core.clock import SystemClock
from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import error_line
from hyperspace_core.execution.code import taken
from hyperspace_core.execution.executor import execute
from hyperspace_core.execution.identity import this_process, worker_name
from hyperspace_core.execution.job import Base, job_of
from hyperspace_core.execution.process_io import Interruption
from hyperspace_core.execution.supervisor import ChildEnded
from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.records.run import Claim, Finish, Metric, Owner, RunRecord, Update
from hyperspace_core.records.states import Outcome
from hyperspace_core.run import Absent, Run, Section
from hyperspace_core.storage import Store
from hyperspace_core.worker.heartbeat import Heartbeat
from hyperspace_core.worker.held_run import HeldRun, notify_finished
from hyperspace_core.worker.hooks import LocalQuestions, WorkerContext, WorkerHooks
from hyperspace_core.worker.outbox import Outbox, Sender, Settlement
from hyperspace_core.worker.outcome import Ask, AttemptOutcome, AttemptResult, settle, stops_before
from hyperspace_core.worker.output import OutputTape
from hyperspace_core.worker.signals import UserCodeSignals
from hyperspace_core.worker.state import WorkerOptions, WorkerState

if TYPE_CHECKING:
    from hyperspace_core.capture.snapshot import ProjectCode
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project

# -- Copy what a run prints in this process into its outbox --

class Tee:
    """Replaces `sys.stdout` and `sys.stderr` while it is entered.

    Captures only Python's output; C code's output is captured in child processes only.
    """

    def __init__(self, held_run: HeldRun, *, echo: bool) -> None:
        self._held_run, self._echo = held_run, echo
        self._tape = OutputTape(SystemClock())
        self._lock = threading.RLock()
        self._stack = contextlib.ExitStack()
        # a worker's display prints in the main thread, its inline runs do not
        main = threading.main_thread()
        self._not_of: threading.Thread | None = None if threading.current_thread() is main else main

    def __enter__(self) -> Self:
        self._stack.enter_context(contextlib.redirect_stdout(_Stream(self, sys.stdout)))
        self._stack.enter_context(contextlib.redirect_stderr(_Stream(self, sys.stderr)))
        self._held_run.on_tick = self._deliver
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._stack.close()
        self._held_run.on_tick = None
        with self._lock:
            chunks = self._tape.close()
        if chunks:
            self._held_run.outbox.output(chunks)

    def write(self, text: str, to: TextIO) -> None:
        if threading.current_thread() is self._not_of:
            to.write(text)
            return
        with self._lock:
            self._tape.feed(text.encode("utf-8", "backslashreplace"))
        self._deliver()
        if self._echo:
            to.write(text)

    def _deliver(self) -> None:
        with self._lock:
            chunks = self._tape.ready()
            if chunks:
                self._held_run.outbox.output(chunks)


class _Stream:
    """A stream that copies writes; all other attributes are the original's."""

    def __init__(self, tee: Tee, original: TextIO) -> None:
        self._tee, self._original = tee, original

    def write(self, text: str) -> int:
        self._tee.write(text, self._original)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Do nothing: user code must not close a stream that its caller uses."""

    def detach(self) -> Any:
        raise io.UnsupportedOperation("this stream is shared with hyperspace and cannot be detached")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


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
        attended.held_run.on_progress = on_progress
        hooks = WorkerHooks(_context_here(store, project, _owner_of(claim)), extensions)
        conducted, interrupted = conduct(attended.held_run, attended.workdir, project, extensions,
                                         heartbeat=attended.heartbeat, hooks=hooks, echo=echo)
        attended.settle(conducted.ending)
    notify_finished(attended.held_run, conducted, store, extensions)
    if interrupted:
        raise KeyboardInterrupt
    return store.get(claim.lease.run)


class _Attended:
    """A claimed run with its heartbeats, its sender and its directory."""

    def __init__(self, store: Store, claim: Claim) -> None:
        log = logging.getLogger("hyperspace.worker")
        owner = _owner_of(claim)
        self.heartbeat = Heartbeat(store, owner, clock=SystemClock(),
                                   tell=lambda text, level: log.log(level, "%s", text),
                                   heartbeat_s=store.settings(claim.record.project).heartbeat_s,
                                   away_changed=lambda away: None if away else self._sender.hurry())
        self._sender = Sender(store, owner.worker, remark=log.warning,
                              unavailable=self.heartbeat.store_failed)
        self._outbox = Outbox(claim.lease, owner, remark=log.warning)
        self.held_run = HeldRun(claim, self._outbox, 0, SystemClock())
        self.workdir = Path(tempfile.mkdtemp(prefix=f"hyperspace-{claim.lease.run}-"))

    def __enter__(self) -> Self:
        self.heartbeat.add(self.held_run)
        self._sender.carry(self._outbox)
        self._sender.start()
        self.heartbeat.start()
        return self

    def settle(self, ending: AttemptOutcome) -> None:
        """Wait until the store has everything, without a time limit."""
        self._outbox.end(ending)
        self._outbox.settled.wait()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if error is not None:              # Ctrl-C outside user code, or an internal error
            if self._outbox.ending is None:
                self._outbox.end(Finish(outcome=Outcome.CANCELLED, reason=error_line(error), retry=False))
            self._outbox.settled.wait(LAST_WORD_S)
        self._outbox.give_up(Settlement.ABANDONED)
        self.heartbeat.close()
        self._sender.close()
        for thread in (self.heartbeat, self._sender):     # the caller may close the store now
            thread.join(LAST_WORD_S)
        shutil.rmtree(self.workdir, ignore_errors=True)


class InlineRunner:
    """Executes runs in the worker's own process; source edits need a new worker."""

    pinned_only = False

    def __init__(self, worker_state: WorkerState, extensions: Extensions) -> None:
        from hyperspace_core.extension.project import open_project

        self._worker_state, self._extensions = worker_state, extensions
        self._project = open_project(worker_state.project, extensions,
                                     tasks_dir=worker_state.options.tasks_dir)
        self.opened: Project | None = self._project

    def tasks(self) -> frozenset[str]:
        return frozenset(self._project.tasks)

    def conduct(self, held_run: HeldRun, workdir: Path, hooks: WorkerHooks) -> AttemptResult:
        worker_state = self._worker_state
        conducted, _ = conduct(held_run, workdir, self._project, self._extensions, hooks=hooks,
                               heartbeat=worker_state.heartbeat, echo=worker_state.options.echo)
        return conducted

    def close(self) -> None:
        """Do nothing: no process is held."""


def conduct(held_run: HeldRun, workdir: Path, project: Project, extensions: Extensions, *,
            heartbeat: Heartbeat, hooks: WorkerHooks, echo: bool) -> tuple[AttemptResult, bool]:
    """Execute a run in this thread; how to settle it, and whether Ctrl-C ended it."""
    interruption = Interruption()
    sink = OutboxSink(held_run, heartbeat)
    job = job_of(held_run.claim, tasks_dir=None, no_plugins=(), workdir=workdir,
                 base=Base(note=_note(held_run), stale=_stale(project)))

    def hear(run: Run) -> None:
        def stop() -> None:
            run.request_stop()
            signals.ask_from_elsewhere()

        held_run.listen(stop)

    questions = LocalQuestions(hooks, held_run.record)
    with Tee(held_run, echo=echo), UserCodeSignals(interruption.ask) as signals:
        finish = execute(job, sink, extensions, project, interruption=interruption, on_run=hear,
                         ask=questions.ask)
    questions.close()
    if signals.pressed:
        held_run.ask(Ask.CANCEL, "interrupted with Ctrl-C")
    ask, why = held_run.asked
    ending = settle(finish, _LIVES_ON, ask, why, differs=sink.differs, failures=held_run.record.failures,
                    stops=stops_before(held_run.record.attempts))
    return AttemptResult(ending=ending, silent=not sink.heard), signals.pressed


class OutboxSink:
    """A sink that writes into the outbox."""

    def __init__(self, held_run: HeldRun, heartbeat: Heartbeat) -> None:
        self.differs: str | None = None
        self.heard = False                 # observers of the run's end were called
        self._held_run, self._outbox, self._heartbeat = held_run, held_run.outbox, heartbeat

    def point(self, point: Point) -> None:
        self._outbox.points([(point.seq, point.name, point.step, point.value, point.at)])

    def info(self, key: str, value: Any) -> None:
        self._outbox.info(key, value)

    def progress(self, progress: Progress) -> None:
        self._held_run.report_progress(progress)
        self._heartbeat.poke()

    def artifact(self, name: str, path: Path) -> None:
        self._outbox.artifact(name, path)

    def section(self, section: Section | Absent) -> None:
        self._outbox.section(section.name, section.data if isinstance(section, Section)
                             else {"absent": section.reason})

    def resolved(self, scenario: Tree, config: Tree, metric: Metric, seed: int) -> None:
        self._held_run.resolved(Update(scenario=scenario, config=config, metric=metric, seed=seed))

    def source(self, code: ProjectCode) -> None:
        message = taken(code)
        self._outbox.source(message.snapshots, message.all)

    def code_differs(self, reason: str) -> None:
        self.differs = reason

    def outcome(self, finish: Finish, *, heard: bool) -> None:
        self.heard = heard                 # the executor returns the outcome itself


def _context_here(store: Store, project: Project, owner: Owner) -> WorkerContext:
    """This process as a worker of one run."""
    log = logging.getLogger("hyperspace.worker")
    return WorkerContext(store=store, project=project.name, opened=project, owner=owner,
                         options=WorkerOptions(isolation="inline"), clock=SystemClock(),
                         stopping=lambda: True, tell=lambda text, level: log.log(level, "%s", text),
                         wake=lambda: None, preparing=contextlib.nullcontext)


def _note(held_run: HeldRun) -> str:
    why = "pinned code was not used: inline runs execute what their process has imported"
    return why if held_run.record.code else ""


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
