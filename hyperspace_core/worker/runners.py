"""The runners of a slot: child processes, or (`inline`) this process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hyperspace_core.capture.snapshot import BadSnapshot, unpack
from hyperspace_core.errors import NotFound, ProjectError, StoreUnavailable, UsageError, error_line
from hyperspace_core.execution import protocol
from hyperspace_core.execution.job import Base, job_of
from hyperspace_core.execution.supervisor import Child, ChildEnded, Event, Output, Supervisor
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import SNAPSHOT, Finish, Metric, RunRecord, SourceFile, Update
from hyperspace_core.storage import Sources, Store, rewritten_of
from hyperspace_core.worker.events import Printed
from hyperspace_core.worker.held_run import HeldRun
from hyperspace_core.worker.hooks import Questions, WorkerHooks
from hyperspace_core.worker.outcome import Ask, AttemptResult, settle, stops_before
from hyperspace_core.worker.output import OutputTape
from hyperspace_core.worker.state import WorkerState

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project

# -- Choose the code of a run: the installed code or the pinned snapshot --

MOST = 3                       # pinned snapshots with a fork server, for each slot
IDLE_S = 60.0                  # idle fork servers are ended after this time


class Codebase:
    """The fork servers of one slot, by snapshot."""

    def __init__(self, worker_state: WorkerState,
                 new_fork_server: Callable[[Path | None], Supervisor]) -> None:
        self._worker_state = worker_state
        self._new = new_fork_server
        self.current = new_fork_server(worker_state.options.base)
        self._pinned: dict[str, Supervisor] = {}         # the most recently used one is last
        self._folders: dict[str, Path] = {}            # the unpacked code of each
        self._needed_at: dict[str, float] = {}
        self._reported: set[str] = set()

    def choose(self, record: RunRecord) -> tuple[Supervisor, Base]:
        """The fork server and code of a run. Raises `StoreUnavailable`, `ProjectError`."""
        base = Base(known=tuple(self._worker_state.known_sources))
        pinned = record.code.get(SNAPSHOT)
        if not isinstance(pinned, str):
            return self.current, replace(base, note=_why_not_pinned(record))
        if self._worker_state.options.code == "current":
            return self.current, replace(base, note="pinned code was not used: its worker was started with "
                                                    "--code current")
        base = replace(base, original=next(iter(rewritten_of(self._worker_state.store, record)), None))
        if self._has(pinned):
            return self.current, base
        try:
            # verified when its fork server starts, not before each of a thousand runs
            folder = self._folders.get(pinned) or unpacked(self._worker_state.store, pinned)
        except StoreUnavailable:
            raise
        except (NotFound, BadSnapshot, UsageError, OSError) as error:
            why = f"the pinned code could not be unpacked: {error_line(error)}"
            self._tell(pinned, f"{why}; the current code is used")
            return self.current, Base(known=base.known, note=f"{why}; it ran on the current code")
        return self._fork_server(pinned, folder), replace(base, folder=folder)

    def end_idle(self) -> None:
        """End the fork servers that have been idle for `IDLE_S`."""
        now = self._worker_state.clock.monotonic()
        for digest in [digest for digest, at in self._needed_at.items() if now - at > IDLE_S]:
            self._end(digest)

    def close(self) -> None:
        for fork_server in (self.current, *self._pinned.values()):
            fork_server.close()

    def _has(self, digest: str) -> bool:
        """Whether the installed code is that snapshot."""
        try:
            return self.current.view().snapshot == digest
        except ProjectError:           # broken at the moment, so another one
            return False

    def _fork_server(self, digest: str, folder: Path) -> Supervisor:
        fork_server = self._pinned.pop(digest, None) or self._new(folder)
        self._pinned[digest], self._folders[digest] = fork_server, folder
        self._needed_at[digest] = self._worker_state.clock.monotonic()
        while len(self._pinned) > MOST:
            self._end(next(iter(self._pinned)))
        return fork_server

    def _end(self, digest: str) -> None:
        del self._needed_at[digest], self._folders[digest]
        self._pinned.pop(digest).close()

    def _tell(self, digest: str, text: str) -> None:
        """Report once a snapshot, not with each of a thousand runs."""
        if digest not in self._reported:
            self._reported.add(digest)
            self._worker_state.tell(text, logging.WARNING)


def unpacked(store: Store, digest: str) -> Path:
    """Unpack a snapshot where it is missing or incomplete; its folder.

    Raises `BadSnapshot`, `OSError`, `NotFound` and the errors of the store.
    """
    from platformdirs import user_cache_path

    if not isinstance(store, Sources):
        raise NotFound(f"{store.url} cannot {Sources.ability}")
    folder = user_cache_path("hyperspace", appauthor=False) / "code" / digest

    def read(file: SourceFile) -> bytes:
        with store.open_content(file.digest) as content:
            return content.read()

    unpack(store.snapshot(digest), read, folder)
    return folder


def _why_not_pinned(record: RunRecord) -> str:
    why = record.code.get("absent")
    return f"not pinned: {why}" if why else ""


# -- Follow one attempt in its own process: read its messages, send its commands --

LISTEN_S = 0.1             # how often commands to the run are checked
YIELD_GRACE_S = 5.0        # grace of a run that another worker has taken over
LINGER_S = 10.0            # time to exit after the outcome (threads, exit handlers)
DEAF_S = 30.0              # after a kill: then the fork server counts as stuck


class ChildSession:
    """The session with a process, from its start to its end."""

    def __init__(self, child: Child, held_run: HeldRun, worker_state: WorkerState,
                 hooks: WorkerHooks) -> None:
        self._child, self._held_run, self._worker_state = child, held_run, worker_state
        self._questions = Questions(hooks, held_run.record, child.answer)
        self._outbox = held_run.outbox
        self._tape = OutputTape(worker_state.clock)
        self._finish: Finish | None = None
        self._heard = False                # observers in the process were called
        self._differs: str | None = None
        self._ended: ChildEnded | None = None
        self._asked = Ask.NOTHING          # the strongest request to the process so far
        self._kill_at: float | None = None
        self._killed_at: float | None = None

    def follow(self) -> AttemptResult:
        """Put all events of the process into the outbox; return how the attempt ends."""
        while self._ended is None:
            for event in self._child.events(LISTEN_S):
                self._hear(event)
            self._outbox_output()
            if self._ended is None:
                self._control(self._worker_state.clock.monotonic())
        self._questions.close()
        chunks = self._tape.close()
        if chunks:
            self._outbox.output(chunks)
        ask, why = self._held_run.asked
        ending = settle(self._finish, self._ended, ask, why, differs=self._differs,
                        failures=self._held_run.record.failures,
                        stops=stops_before(self._held_run.record.attempts))
        return AttemptResult(ending=ending, silent=not self._heard)

    # -- events ----------------------------------------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        match event:
            case Output(data=data):
                self._show(self._tape.feed(data))
            case protocol.Points(points=points):
                self._outbox.points(points)
            case protocol.ProgressSet():
                self._held_run.report_progress(Progress(done=event.done, total=event.total, eta_s=event.eta_s,
                                                        note=event.note))
                self._worker_state.heartbeat.poke()
            case protocol.InfoSet(key=key, value=value):
                self._outbox.info(key, value)
            case protocol.ArtifactStaged(name=name, path=path):
                self._outbox.artifact(name, Path(path))
            case protocol.SectionCaptured(name=name, data=data, reason=reason):
                absent = {"absent": reason or "no reason given"}
                self._outbox.section(name, absent if data is None else data)
            case protocol.SourceTaken():
                self._outbox.source(event.snapshots, event.all)
            case protocol.Resolved():
                self._held_run.resolved(Update(
                    scenario=event.scenario, config=event.config, seed=event.seed,
                    metric=Metric(name=event.metric_name, goal=event.metric_goal)))
            case protocol.Ask(number=number, topic=topic, payload=payload):
                self._questions.put(number, topic, payload)
            case protocol.CodeDiffers(reason=reason):
                self._differs = reason
            case protocol.Ended():
                self._finish, self._heard = event.finish(), event.heard
                self._kill_by(LINGER_S)
                self._outbox.hurry()      # deliver while the process ends
            case ChildEnded():
                self._ended = event

    def _show(self, text: str) -> None:
        if text and self._worker_state.options.echo:
            self._worker_state.emit(Printed(run=self._held_run.lease.run, text=text))

    def _outbox_output(self) -> None:
        chunks = self._tape.ready()
        if chunks:
            self._outbox.output(chunks)

    # -- requests --------------------------------------------------------------------------------------------

    def _control(self, now: float) -> None:
        ask, why = self._held_run.asked
        if ask > self._asked:
            if self._asked is Ask.NOTHING:
                self._child.interrupt()
            self._asked = ask
            self._show(self._tape.note(f"the run is being stopped: {why}"))
            self._kill_by(YIELD_GRACE_S if ask is Ask.YIELD else self._worker_state.options.grace_s)
        if self._held_run.wants_kill:
            self._kill_by(0.0)
        if self._killed_at is None:
            if self._kill_at is not None and now >= self._kill_at:
                self._killed_at = now
                self._child.kill()
        elif now - self._killed_at > DEAF_S:
            self._worker_state.tell(
    f"run {self._held_run.lease.run}: its process {self._child.pid} was killed, but "
    "its end was not detected", logging.ERROR)
            self._ended = ChildEnded(exit_code=None, signal=None, out_of_memory=None, max_rss_bytes=None)

    def _kill_by(self, seconds: float) -> None:
        at = self._worker_state.clock.monotonic() + seconds
        self._kill_at = at if self._kill_at is None else min(self._kill_at, at)


class Runner(Protocol):
    """Executes one run at a time."""

    opened: Project | None         # the project, where this process has it open
    pinned_only: bool              # the project is broken: claim only runs with pinned code

    def tasks(self) -> frozenset[str]:
        """The tasks of the project on disk now. Raises `ProjectError`."""
        ...

    def conduct(self, held_run: HeldRun, workdir: Path, hooks: WorkerHooks) -> AttemptResult:
        """Execute a run until it has ended or was stopped. Raises `ProjectError`."""
        ...

    def close(self) -> None: ...


class ProcessRunner:
    """Executes each run in its own process, under one fork server."""

    opened: Project | None = None

    def __init__(self, worker_state: WorkerState, *, first: bool) -> None:
        self._worker_state = worker_state
        self._note_to_tell = first         # one slot reports it for all
        self._renewals = 0
        self._known: frozenset[str] | None = None      # the tasks when it was last opened
        self.pinned_only = False
        self._codebase = Codebase(worker_state, self._new_fork_server)

    def tasks(self) -> frozenset[str]:
        self._codebase.end_idle()
        try:
            view = self._codebase.current.view()
        except ProjectError as error:
            if self._known is None or self._worker_state.options.code != "pinned":
                raise
            if not self.pinned_only:
                self._worker_state.tell(
                    f"only runs with pinned code are claimed for now: {error}", logging.ERROR)
            self.pinned_only = True
            return self._known
        self.pinned_only = False
        if view.note is not None and self._note_to_tell:
            self._note_to_tell = False
            self._worker_state.tell(view.note, logging.WARNING)
        if view.renewals > self._renewals:
            self._renewals = view.renewals
            self._worker_state.refused.clear()    # the new code may fit runs that the old one did not
        self._known = frozenset(view.tasks)
        return self._known

    def conduct(self, held_run: HeldRun, workdir: Path, hooks: WorkerHooks) -> AttemptResult:
        options = self._worker_state.options
        fork_server, base = self._codebase.choose(held_run.record)
        job = job_of(held_run.claim, tasks_dir=options.tasks_dir, no_plugins=options.no_plugins,
                     workdir=workdir, base=base)
        child = fork_server.start(job)
        return ChildSession(child, held_run, self._worker_state, hooks).follow()

    def close(self) -> None:
        self._codebase.close()

    def _new_fork_server(self, code: Path | None) -> Supervisor:
        options = self._worker_state.options
        return Supervisor(self._worker_state.project,
                          isolation="spawn" if options.isolation == "spawn" else "warm", code=code,
                          python=options.python, tasks_dir=options.tasks_dir, no_plugins=options.no_plugins,
                          grace_s=min(10.0, options.grace_s))
