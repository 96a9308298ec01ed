"""Execute a run in this process: for `Study.run`, for notebooks, for a debugger.

It uses the same executor, slot, outbox and heartbeats as a worker's child. User code shares the process, so
it can be asked to stop and, in the main thread, be interrupted, but not be killed.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from hyperspace_core.capture.project_modules import edited_since_import
from hyperspace_core.clock import SystemClock
from hyperspace_core.errors import error_line
from hyperspace_core.execution.answers import Answer
from hyperspace_core.execution.executor import execute
from hyperspace_core.execution.identity import this_process, worker_name
from hyperspace_core.execution.job import RunCode, job_of
from hyperspace_core.execution.process_io import Interruption
from hyperspace_core.execution.protocol import Ask, ChildEnded, Message
from hyperspace_core.execution.supervisor import GATHER_S, Output, ProcessEvent, points_together
from hyperspace_core.records.logged import Progress, ProgressSet
from hyperspace_core.records.run import Claim, Finish, Owner, RunRecord
from hyperspace_core.records.states import Outcome
from hyperspace_core.run import Run
from hyperspace_core.storage import Store
from hyperspace_core.worker.events import Notice, log_notices
from hyperspace_core.worker.heartbeat import Heartbeat
from hyperspace_core.worker.held_run import HeldRun, RunProcess
from hyperspace_core.worker.hooks import WorkerHooks, context_of
from hyperspace_core.worker.outbox import Settlement
from hyperspace_core.worker.outcome import RunRequest
from hyperspace_core.worker.signals import UserCodeSignals
from hyperspace_core.worker.slot import Slot
from hyperspace_core.worker.state import QueueNotifier, WorkerOptions, WorkerState

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project

# -- Copy what a run prints in this process into its output --

@contextlib.contextmanager
def _captured(take: Callable[[bytes], None], *, echo: bool,
              besides: Collection[threading.Thread]) -> Iterator[None]:
    """Replace `sys.stdout` and `sys.stderr` by copies.

    Captures only Python's output; C code's output is captured in child processes only. What the threads
    `besides` print is not the run's.
    """

    def write(text: str, to: TextIO) -> None:
        of_run = threading.current_thread() not in besides
        if of_run:
            take(text.encode("utf-8", "backslashreplace"))
        if echo or not of_run:
            to.write(text)

    with (contextlib.redirect_stdout(_Stream(write, sys.stdout)),
          contextlib.redirect_stderr(_Stream(write, sys.stderr))):
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):    # user code may have wrapped or closed them
                with contextlib.suppress(Exception):
                    stream.flush()


class _Stream:
    """A stream that copies writes; all other attributes are the original's."""

    def __init__(self, copy: Callable[[str, TextIO], None], original: TextIO) -> None:
        self._copy, self._original = copy, original
        self.buffer = _Buffer(self)

    def write(self, text: str) -> int:
        self._copy(text, self._original)
        return len(text)

    def reconfigure(self, **settings: Any) -> None:
        """Do nothing: what is captured is UTF-8, and the settings of the shared stream are its caller's."""

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Do nothing: user code must not close a stream that its caller uses."""

    def detach(self) -> _Buffer:
        return self.buffer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


class _Buffer(io.BufferedIOBase):
    """The bytes of a stream; a wrapper of it may be closed and collected without closing the stream."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._stream.write(self._decode(bytes(data)))
        return memoryview(data).nbytes

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        number: int = self._stream.fileno()
        return number

    def close(self) -> None:
        """Do nothing, as with its stream."""


# -- A run in this process, which its slot follows like a child process --

NOT_PINNED = "pinned code was not used: inline runs execute what their process has imported"
_LIVES_ON = ChildEnded()


class InlineProcess:
    """Executes a run in the thread that calls `execute`; its slot, another thread, makes it."""

    killable = False

    def __init__(self, held_run: HeldRun, workdir: Path, project: Project, extensions: Extensions, *,
                 echo: bool, on_progress: Callable[[Progress], None] | None = None,
                 on_run: Callable[[Run], None] | None = None) -> None:
        self.over, self.pid = False, os.getpid()
        self._held_run, self._workdir = held_run, workdir
        self._project, self._extensions = project, extensions
        self._echo, self._on_progress, self._on_run = echo, on_progress, on_run
        self._slot = threading.current_thread()
        self._events: queue.SimpleQueue[ProcessEvent] = queue.SimpleQueue()
        self._done = threading.Event()
        self._looked = 0.0
        self._changed = threading.Condition()
        self._stop = False
        self._ask_from_elsewhere: Callable[[], None] | None = None     # in the thread of user code
        self._asked: list[Answer] = []

    # -- in the thread of user code --------------------------------------------------------------------------

    def execute(self) -> bool:
        """Execute the run; whether Ctrl-C ended it."""
        interruption = Interruption()
        pinned = self._held_run.record.code
        code = RunCode(pinned=pinned, note=NOT_PINNED if pinned else "", stale=_stale(self._project))
        job = job_of(self._held_run.claim, tasks_dir=None, no_plugins=(), workdir=self._workdir, code=code)
        here, main = threading.current_thread(), threading.main_thread()
        besides = {self._slot} if here is main else {self._slot, main}     # a worker's display prints there
        try:
            with (_captured(self._print, echo=self._echo, besides=besides),
                  UserCodeSignals(interruption.ask) as signals):
                execute(job, self, self._extensions, self._project, interruption=interruption,
                        on_run=lambda run: self._hear(run, signals), ask=self.ask)
            if signals.pressed:
                self._held_run.request(RunRequest.CANCEL, "interrupted with Ctrl-C")
            return signals.pressed
        except BaseException as error:     # Ctrl-C outside user code
            self._held_run.request(RunRequest.CANCEL, error_line(error))
            raise
        finally:
            self._events.put(_LIVES_ON)
            self._done.set()

    def emit(self, message: Message) -> None:
        """The sink of the run."""
        if isinstance(message, ProgressSet) and self._on_progress is not None:
            self._on_progress(message.progress)
        self._events.put(message)

    def ask(self, topic: str, payload: Any = None) -> Answer:
        answer = Answer(self._look)
        with self._changed:
            self._asked.append(answer)
            number = len(self._asked) - 1
        self._events.put(Ask(number, topic, payload))
        return answer

    def _print(self, data: bytes) -> None:
        self._events.put(Output(data, shown=True))

    def _hear(self, run: Run, signals: UserCodeSignals) -> None:
        def stop() -> None:
            run.request_stop()
            signals.ask_from_elsewhere()

        if self._on_run is not None:
            self._on_run(run)
        with self._changed:
            self._ask_from_elsewhere = stop
            stopped = self._stop
        if stopped:
            stop()

    def _look(self, timeout_s: float) -> bool:
        if timeout_s > 0:
            with self._changed:
                self._changed.wait(timeout_s)
        return True

    # -- in the thread of its slot ---------------------------------------------------------------------------

    def events(self, timeout_s: float) -> list[ProcessEvent]:
        # a run that logs all the time would take turns with its slot for each point
        self._done.wait(max(0.0, self._looked + GATHER_S - time.monotonic()))
        found: list[ProcessEvent] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._events.get(timeout=timeout_s))
            while True:
                found.append(self._events.get_nowait())
        self._looked = time.monotonic()
        self.over = _LIVES_ON in found
        return points_together(found)

    def interrupt(self) -> None:
        with self._changed:
            self._stop = True
            stop = self._ask_from_elsewhere
        if stop is not None:
            stop()

    def kill(self) -> None:
        """Do nothing: user code shares the process."""

    def answer(self, number: int, value: object) -> None:
        with self._changed:
            self._asked[number].arrive(value)
            self._changed.notify_all()


class InlineRunner:
    """Executes runs in the worker's own process; source edits need a new worker."""

    pinned_only = False

    def __init__(self, project: Project, extensions: Extensions, *, echo: bool) -> None:
        self._project, self._extensions, self._echo = project, extensions, echo
        self.opened: Project | None = project

    def tasks(self) -> frozenset[str]:
        return frozenset(self._project.tasks)

    def start(self, held_run: HeldRun, workdir: Path) -> RunProcess:
        process = InlineProcess(held_run, workdir, self._project, self._extensions, echo=self._echo)
        threading.Thread(target=process.execute, name="hyperspace-run", daemon=True).start()
        return process

    def close(self) -> None:
        """Do nothing: no process is held."""


# -- One run in the thread of the caller: a slot without a worker follows it --

LAST_WORD_S = 5.0              # the wait for an unavailable store after a second Ctrl-C


def execute_here(store: Store, project: Project, extensions: Extensions, claim: Claim, *, echo: bool = True,
                 on_progress: Callable[[Progress], None] | None = None,
                 on_run: Callable[[Run], None] | None = None) -> RunRecord:
    """Execute a claimed run now and return its record.

    Exceptions of user code are in the record. Ctrl-C cancels the run and is raised again as
    `KeyboardInterrupt`. At the end of the run, this waits for an unavailable store. `echo`: print the run's
    output here, too. `on_progress` gets the reported progress, in the thread that reports it, `on_run` the
    live run before user code does.
    """
    runner = _CallersRunner(project, extensions, echo=echo, on_progress=on_progress, on_run=on_run)
    attempt = claim.record.attempt
    owner = (None if attempt is None else attempt.worker) or this_process(worker_name())
    with _one_slot(store, project, extensions, runner, owner) as slot:
        following = _Following(slot, slot.hold(claim), runner.started)
        following.start()
        try:
            process = runner.started.get()
            interrupted = process is not None and process.execute()
            following.join()               # until the store has everything, without a time limit
        except BaseException as error:     # Ctrl-C outside user code, or an internal error
            following.end(error)
            raise
    if following.error is not None:
        raise following.error
    if interrupted:
        raise KeyboardInterrupt
    return store.get(claim.lease.run)


class _CallersRunner(InlineRunner):
    """Leaves the execution to the caller of `execute_here`."""

    def __init__(self, project: Project, extensions: Extensions, *, echo: bool,
                 on_progress: Callable[[Progress], None] | None,
                 on_run: Callable[[Run], None] | None) -> None:
        super().__init__(project, extensions, echo=echo)
        self.started: queue.SimpleQueue[InlineProcess | None] = queue.SimpleQueue()
        self._on_progress, self._on_run = on_progress, on_run

    def start(self, held_run: HeldRun, workdir: Path) -> RunProcess:
        process = InlineProcess(held_run, workdir, self._project, self._extensions, echo=self._echo,
                                on_progress=self._on_progress, on_run=self._on_run)
        self.started.put(process)
        return process


class _Following(threading.Thread):
    """The slot's part in a run of `execute_here`."""

    def __init__(self, slot: Slot, held_run: HeldRun,
                 started: queue.SimpleQueue[InlineProcess | None]) -> None:
        super().__init__(name="hyperspace-slot", daemon=True)
        self.error: Exception | None = None
        self._slot, self._held_run, self._processes = slot, held_run, started

    def run(self) -> None:
        try:
            self._slot.follow(self._held_run)
        except Exception as error:         # noqa: BLE001 - raised again by `execute_here`
            self.error = error
        finally:
            self._processes.put(None)      # where it could not start

    def end(self, error: BaseException) -> None:
        """End the run here; do not wait long for its delivery."""
        if self._held_run.outbox.ending is None:
            self._held_run.end(Finish(outcome=Outcome.CANCELLED, reason=error_line(error), retry=False))
        self._held_run.outbox.settled.wait(LAST_WORD_S)
        self._held_run.outbox.give_up(Settlement.ABANDONED)
        self.join(LAST_WORD_S)


@contextlib.contextmanager
def _one_slot(store: Store, project: Project, extensions: Extensions, runner: _CallersRunner,
              owner: Owner) -> Iterator[Slot]:
    """A slot with a sender and heartbeats, without a worker."""
    heartbeat = Heartbeat(store, owner, clock=SystemClock(),
                          tell=lambda text, level: log_notices(Notice(text=text, level=level)),
                          heartbeat_s=store.settings(project.name).heartbeat_s,
                          away_changed=lambda away: None if away else slot.sender.hurry())
    state = WorkerState(store=store, project=project.name, owner=owner, clock=SystemClock(),
                        options=WorkerOptions(isolation="inline"), heartbeat=heartbeat,
                        bell=QueueNotifier(store, project.name), listener=log_notices,
                        inbox=queue.SimpleQueue())
    slot = Slot(0, state, runner, extensions, WorkerHooks(context_of(state, project), extensions))
    slot.sender.start()
    heartbeat.start()
    try:
        yield slot
    finally:
        heartbeat.close()
        slot.sender.close()
        for thread in (heartbeat, slot.sender):        # the caller may close the store now
            thread.join(LAST_WORD_S)


def _stale(project: Project) -> str:
    """The reason why the files on disk are not the executed code, or ""; also logged."""
    edited = [Path(file).name for file in edited_since_import(project)]
    if not edited:
        return ""
    named = ", ".join(edited[:5]) + (f" and {len(edited) - 5} more" if len(edited) > 5 else "")
    why = f"{named} was edited after this process had imported it, which executes what it imported"
    logging.getLogger("hyperspace").warning("%s; start it again to run the code as it is now", why)
    return why
