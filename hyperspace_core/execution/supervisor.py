"""Start and end a slot's fork server. No user code is imported here."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from hyperspace_core.errors import ProjectError
from hyperspace_core.execution import processes, protocol
from hyperspace_core.execution.answers import AnswerPipe
from hyperspace_core.execution.code import changed, forget_bytecode
from hyperspace_core.records.logged import Points

# -- One attempt as its worker sees it: its messages, its output and its end --

GATHER_S = 0.005               # messages within this time are read together
PIPE_BYTES = 1 << 20           # how far a run may be ahead of its worker before it waits
CHUNK = 1 << 20


@dataclass(frozen=True)
class Output:
    """Bytes of stdout and stderr, in order of arrival; may end within a character."""

    data: bytes
    shown: bool = False            # printed already, by a run in the worker's own process


ProcessEvent = protocol.Message | Output | protocol.ChildEnded


class Child:
    """One running attempt. One thread reads its events; any may interrupt or kill it."""

    killable = True

    def __init__(self, pid: int, control: protocol.Control, channel: IO[bytes], printed: IO[bytes], *,
                 answers: AnswerPipe, mark: str) -> None:
        self.pid = pid
        self.over = False                          # `ChildEnded` has been returned
        self._control = control
        self._channel = channel
        self._printed = printed
        self._answers = answers
        self._mark = mark                          # in the environment of all processes of its fork server
        self._unframer: protocol.Unframer | None = protocol.Unframer()
        self._open = {channel.fileno(), printed.fileno()}
        self._looked = 0.0

    def events(self, timeout_s: float) -> list[ProcessEvent]:
        """Wait for events, at most `timeout_s`. `ChildEnded` comes once, as the last."""
        if self.over:
            return []
        ready = self._ready({*self._open, self._control.fileno()}, timeout_s)
        if ready and self._control.fileno() not in ready:
            # a run that logs all the time would wake its worker for each point, which costs a core
            ready |= self._ready({self._control.fileno()}, self._looked + GATHER_S - time.monotonic())
        found: list[ProcessEvent] = []
        if self._control.fileno() in ready:
            found += self._end()
        else:
            found += self._said(CHUNK) if self._channel.fileno() in ready else []
            found += self._was_printed(CHUNK) if self._printed.fileno() in ready else []
        self._looked = time.monotonic()
        return found

    def interrupt(self) -> None:
        """Request a stop: by `should_stop()` where the run calls it, else an exception."""
        if not self.over:
            self._control.send(protocol.Interrupt(self.pid))

    def kill(self) -> None:
        """Kill the run and everything that it started, at once."""
        if not self.over:
            self._control.send(protocol.Kill(self.pid))

    def answer(self, number: int, value: Any) -> None:
        """Send an answer; blocks until the run reads it, so call it in a thread of its own."""
        self._answers.send(number, value)

    def _ready(self, descriptors: set[int], timeout_s: float) -> set[int]:
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        return {descriptor for descriptor, _ in poll.poll(max(0, round(timeout_s * 1000)))}

    def _end(self) -> list[ProcessEvent]:
        """The last events: the fork server reports the end of the run, or is gone itself."""
        word, _ = self._control.receive()
        if not isinstance(word, protocol.ChildEnded):
            processes.kill_session(self.pid)
            processes.end_marked(self._mark)       # daemons too
            word = protocol.ChildEnded()
        rest = [*self._said(2 * PIPE_BYTES), *self._was_printed(2 * PIPE_BYTES)]
        self.over = True
        self._channel.close()
        self._printed.close()
        self._answers.close()
        return [*rest, word]

    def _said(self, limit: int) -> list[ProcessEvent]:
        data = self._read(self._channel.fileno(), limit)
        if self._unframer is None:
            return []
        try:
            return points_together(self._unframer.feed(data))
        except protocol.DamagedChannel as damage:
            self._unframer = None                  # the rest of the stream is unreadable
            return [Output(f"hyperspace: {damage}\n".encode())]

    def _was_printed(self, limit: int) -> list[ProcessEvent]:
        data = self._read(self._printed.fileno(), limit)
        return [Output(data)] if data else []

    def _read(self, descriptor: int, limit: int) -> bytes:
        """The available bytes, about `limit` at most; the end may never come."""
        parts: list[bytes] = []
        size = 0
        with contextlib.suppress(BlockingIOError):
            while descriptor in self._open and size < limit:
                data = os.read(descriptor, CHUNK)
                if not data:
                    self._open.discard(descriptor)
                parts.append(data)
                size += len(data)
        return b"".join(parts)


def pipe() -> tuple[IO[bytes], int]:
    """A pipe from a run: a non-blocking reader and the descriptor of the writer."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return os.fdopen(reader, "rb", buffering=0), writer


def points_together(found: Iterable[ProcessEvent]) -> list[ProcessEvent]:
    """Merge neighbouring `Points` messages into one."""
    together: list[ProcessEvent] = []
    for event in found:
        last = together[-1] if together else None
        if isinstance(event, Points) and isinstance(last, Points):
            last.points.extend(event.points)
        else:
            together.append(event)
    return together


# -- The worker's handle of a fork server process --

KEPT_FROM_RUNS = "HYPERSPACE_STORAGE"      # and longer names: the store's address may hold a password
MARK = "HYPERSPACE_GUARDIAN"               # in the environment of a fork server and its descendants
LEAVE_S = 5.0                              # for a fork server without a run to end
SHOWN_BYTES = 2000                         # of the output of an import, at each end


class ForkServerProcess:
    """One fork server process, from its start to its end."""

    def __init__(self, begin: protocol.Begin, python: str | None = None) -> None:
        mine, theirs = socket.socketpair()
        self._printed = tempfile.TemporaryFile()   # noqa: SIM115 - the output of an import, shown if it fails
        self._control = protocol.Control(mine)
        self._child: Child | None = None
        self._ending = False
        token = secrets.token_hex(8)
        self._mark = f"{MARK}={token}"
        with theirs:
            self._process = subprocess.Popen(
                [python or sys.executable, "-P", "-m", "hyperspace_core.execution.fork_server",
                 str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=self._printed, stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),), env=environment_of_runs(os.environ) | {MARK: token},
                start_new_session=True,
            )
        self._control.send(begin)
        self._project = begin.project

    def opened(self) -> protocol.Opened:
        """The description of the opened project. Raises `ProjectError`."""
        word, _ = self._control.receive()
        if isinstance(word, protocol.Opened):
            return word
        if isinstance(word, protocol.CannotOpen):
            raise ProjectError(word.reason)
        if self._ending:
            raise ProjectError("the fork server is closed")
        how = how_it_ended(self._process.wait(LEAVE_S))        # user code ended it
        said = what_it_said(self._printed)
        raise ProjectError(f"project '{self._project}': importing it ended the process: {how}{said}")

    def alive(self) -> bool:
        return self._process.poll() is None

    def start(self, job: IO[bytes]) -> Child | None:
        """Start the run of a job file, killing an older one; None where the fork server was lost."""
        self._end_child()
        channel, give_channel = pipe()
        printed, give_printed = pipe()
        answers, give_answers = AnswerPipe.opened()
        given = (give_channel, give_printed, give_answers)
        self._control.send(protocol.Start(), (*given, job.fileno()))
        for descriptor in given:
            os.close(descriptor)
        word, _ = self._control.receive()
        if not isinstance(word, protocol.Started):
            for end in (channel, printed, answers):
                end.close()
            return None
        self._child = Child(word.pid, self._control, channel, printed, answers=answers, mark=self._mark)
        return self._child

    def end(self) -> None:
        """End the process and its descendants. Idempotent."""
        self._ending = True
        self._end_child()
        self._control.close()
        try:
            self._process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:          # stuck in an import
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.returncode:               # it could not end its descendants
            processes.end_marked(self._mark)
        self._printed.close()

    def _end_child(self) -> None:
        if self._child is None or self._child.over:
            return
        self._child.kill()
        deadline = time.monotonic() + LEAVE_S
        while not self._child.over:
            self._child.events(0.5)
            if time.monotonic() > deadline:        # stopped or stuck: the end of the socket follows
                self._process.kill()


def how_it_ended(code: int) -> str:
    """`exit code 3`, `signal 9 (SIGKILL)`, from what `subprocess` gives."""
    return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.Signals(-code).name})"


def what_it_said(printed: IO[bytes]) -> str:
    """The output in a file as text to append to a message; empty without output."""
    size = printed.seek(0, os.SEEK_END)
    printed.seek(0)
    data = printed.read(2 * SHOWN_BYTES)
    if size > len(data):                           # the cause may stand at either end
        printed.seek(size - SHOWN_BYTES)
        data = data[:SHOWN_BYTES] + b"\n[...]\n" + printed.read()
    said = data.decode("utf-8", "backslashreplace").strip()
    return f"\n{said}" if said else ""


def environment_of_runs(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of the worker's environment that runs get."""
    # then `torch.cuda.is_available()` at the top of a module does not make forks unsafe, and sets of text
    # have the same order in each run
    defaults = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1", "PYTHONHASHSEED": "0"}
    kept = {name: value for name, value in environment.items() if not name.startswith(KEPT_FROM_RUNS)}
    return defaults | kept


ProcessIsolation = Literal["warm", "spawn"]


@dataclass(frozen=True, kw_only=True)
class ProjectView:
    """The worker's description of its project, which it does not import."""

    tasks: tuple[str, ...]
    note: str | None               # why runs are not forked, where that was wanted
    renewals: int                  # how often changed sources were read again
    snapshot: str | None           # of its code; None without one


class Supervisor:
    """The supervisor of one slot's fork server; executes one run at a time.

    It starts the fork server on first use, and again when it was lost or the project's sources changed on
    disk, so that the recorded code is the code that ran. `code`: an unpacked snapshot to run instead.
    One thread uses it; any may `close` it.
    """

    def __init__(self, project: str, *, isolation: ProcessIsolation, tasks_dir: Path | None = None,
                 no_plugins: tuple[str, ...] = (), grace_s: float = 10.0, code: Path | None = None,
                 python: Path | None = None) -> None:
        if not hasattr(socket, "send_fds"):
            raise ProjectError(f"isolation '{isolation}' does not work on this system; use 'inline'")
        self._project = project
        self._warm = isolation == "warm"
        self._tasks_dir = None if tasks_dir is None else str(Path(tasks_dir).absolute())
        self._no_plugins = tuple(no_plugins)
        self._grace_s = grace_s
        self._code = None if code is None else str(code)
        self._python = None if python is None else str(python)
        self._lock = threading.RLock()
        self._process: ForkServerProcess | None = None
        self._opened: protocol.Opened | None = None
        self._renewals = 0
        self._closed = False

    def view(self) -> ProjectView:
        """The project as it is on disk now. Raises `ProjectError`."""
        with self._lock:
            opened, _ = self._fresh()
        return ProjectView(tasks=opened.tasks, note=opened.unsafe if self._warm else None,
                           renewals=self._renewals, snapshot=opened.snapshot)

    def start(self, job: IO[bytes]) -> Child:
        """Start the run of a job file with the code that is on disk now. Raises `ProjectError`."""
        with self._lock:
            for _ in range(2):                     # the fork server may have been lost since the last run
                _, process = self._fresh()
                child = process.start(job)
                if child is not None:
                    return child
                self._let_go()
        raise ProjectError("the fork server of this slot was lost twice while starting a run")

    def close(self) -> None:
        """End the fork server and its descendants. Idempotent."""
        self._closed = True
        self._let_go()

    def _fresh(self) -> tuple[protocol.Opened, ForkServerProcess]:
        """A living fork server with the current sources."""
        stale = [] if self._opened is None else changed(self._opened.stamps)
        if self._opened is not None and self._process is not None and self._process.alive() and not stale:
            return self._opened, self._process
        self._renewals += bool(stale)
        self._let_go()
        forget_bytecode(stale)
        opened, process = self._open()
        if self._closed:
            self._let_go()
            raise ProjectError("the fork server is closed")
        self._opened = opened
        return opened, process

    def _open(self) -> tuple[protocol.Opened, ForkServerProcess]:
        """Open the project and start a fork server: one process where it is safe to fork."""
        look = self._launch("fork" if self._warm else "look")
        try:
            opened = look.opened()
        except BaseException:
            self._let_go()
            raise
        if self._warm and opened.unsafe is None:
            return opened, look
        self._let_go()
        return opened, self._launch("spawn")

    def _launch(self, role: protocol.Role) -> ForkServerProcess:
        if self._closed:
            raise ProjectError("the fork server is closed")
        begin = protocol.Begin(self._project, self._tasks_dir, self._no_plugins, role, self._grace_s,
                               self._code)
        self._process = ForkServerProcess(begin, self._python)
        return self._process

    def _let_go(self) -> None:
        process, self._process, self._opened = self._process, None, None
        if process is not None:
            process.end()
