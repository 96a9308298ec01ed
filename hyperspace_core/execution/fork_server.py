"""The fork server of a slot: a process between the worker and the run.

It starts the run, detects its end, and kills the processes that the run leaves behind. When the worker is
gone, it ends the run. In the role `fork` it imports the project and forks each run from itself. In the role
`spawn` it imports no user code: each run is a fresh interpreter. It serves one run at a time, so every orphan
that it adopts belongs to that run.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn, Protocol

from msgspec.structs import replace

from hyperspace_core.capture import keep_warm
from hyperspace_core.errors import ProjectError
from hyperspace_core.execution import process_io, processes, protocol
from hyperspace_core.execution.code import Opening, described, let_find, open_here, prepare_for_forks
from hyperspace_core.execution.identity import out_of_memory_kills, proof

# -- Prefork: fork the process of the next run ahead of time --

@dataclass(frozen=True, kw_only=True)
class PreforkedChild:
    """A waiting process, as its fork server sees it."""

    pid: int
    control: protocol.Control

    def hand_over(self, start: protocol.Start, descriptors: Iterable[int]) -> bool:
        """Send the job and its descriptors; False where the process is gone."""
        given = self.control.send(start, tuple(descriptors))
        self.control.close()
        return given


def prefork(opened: Opening | None, not_inherited: Iterable[socket.socket]) -> PreforkedChild:
    """Fork a process; without an open project it becomes a fresh interpreter."""
    mine, theirs = socket.socketpair()
    fork_server = os.getpid()
    process_io.flush()
    # blocked until the run handles it, so that no stop request is lost or kills
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    pid = os.fork()
    if pid == 0:
        _serve(opened, protocol.Control(theirs), fork_server, [mine, *not_inherited])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    theirs.close()
    return PreforkedChild(pid=pid, control=protocol.Control(mine))


def _serve(opened: Opening | None, control: protocol.Control, fork_server: int,
           not_inherited: list[socket.socket]) -> NoReturn:
    """The whole life of the forked process; never returns to the fork server's loop."""
    try:
        os.setsid()
        processes.die_with_parent(fork_server)
        signal.set_wakeup_fd(-1)
        for end in not_inherited:
            end.close()
        if opened is not None:
            from hyperspace_core.execution.child import prepare_fork

            prepare_fork()
        start, descriptors = control.receive()
        control.close()
        if isinstance(start, protocol.Start):
            _execute(descriptors, opened)
        os._exit(0)                                # the fork server closed the socket
    except BaseException:  # noqa: BLE001 - an internal error
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def _execute(descriptors: list[int], opened: Opening | None) -> NoReturn:
    channel, printed, answers, job = descriptors
    processes.volunteer_for_the_kernel()
    for number in (signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process_io.redirect(printed)
    os.close(printed)
    if opened is None:                             # a fresh interpreter
        given = (channel, answers, job)
        for descriptor in given:
            os.set_inheritable(descriptor, True)
        os.execv(sys.executable, [sys.executable, "-P", "-m", "hyperspace_core.execution.child",
                                  *map(str, given)])
    from hyperspace_core.execution.child import run_and_exit

    run_and_exit(channel, answers, job, opened)


KEPT_WARM_S = 2.0              # how often the capture caches are refreshed while runs start


class ForkServer:
    """State and loop of one fork server."""

    def __init__(self, control: protocol.Control, end: socket.socket, opened: Opening | None,
                 grace_s: float) -> None:
        self._control = control
        self._opened = opened
        self._grace_s = grace_s
        self._child: int | None = None
        self._kills_before: dict[str, int] = {}
        self._deadline: float | None = None        # when a run whose worker has vanished is killed
        self._spared = processes.children()        # started by the project's import: not a run's
        self._wakeup, alarm = _wake_when_a_child_ends()
        self._not_inherited = (end, self._wakeup, alarm)
        self._warmed = time.monotonic()
        self._next: PreforkedChild | None = prefork(opened, self._not_inherited)

    def loop(self) -> None:
        """Serve until the worker is gone and no run is left."""
        listening = True
        while listening or self._child is not None:
            ready = self._wait(listening)
            if self._wakeup.fileno() in ready:
                self._wakeup.recv(4096)
            if self._control.fileno() in ready:
                listening = self._obey()
            self._look_after_the_child()

    def _wait(self, listening: bool) -> set[int]:
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        if listening:
            poll.register(self._control, select.POLLIN)
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic()) * 1000
        return {descriptor for descriptor, _ in poll.poll(left)}

    def _obey(self) -> bool:
        word, descriptors = self._control.receive()
        if isinstance(word, protocol.Start):
            self._start(word, *descriptors)
        elif isinstance(word, protocol.Interrupt) and word.pid == self._child:
            self._signal(signal.SIGTERM)
        elif isinstance(word, protocol.Kill) and word.pid == self._child:
            self._kill()
        elif word is None:                         # the worker is gone
            self._signal(signal.SIGTERM)
            self._deadline = time.monotonic() + self._grace_s
        return word is not None

    def _start(self, start: protocol.Start, *descriptors: int) -> None:
        if self._next is None or not self._next.hand_over(start, descriptors):
            # none could be forked, or it was killed while it waited
            self._next = prefork(self._opened, self._not_inherited)
            self._next.hand_over(start, descriptors)
        self._child = self._next.pid
        self._control.send(protocol.Started(self._child))
        for descriptor in descriptors:
            os.close(descriptor)
        self._kills_before = out_of_memory_kills()
        if self._opened is not None and time.monotonic() - self._warmed > KEPT_WARM_S:
            keep_warm(self._opened.project)
            self._warmed = time.monotonic()
        try:
            self._next = prefork(self._opened, self._not_inherited)
        except OSError:                            # the started run must go on
            self._next = None

    def _signal(self, number: int) -> None:
        if self._child is not None:
            processes.kill(self._child, number)

    def _kill(self) -> None:
        if self._child is not None:
            processes.kill_group(self._child)
            self._signal(signal.SIGKILL)           # in case it does not lead a group yet

    def _look_after_the_child(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self._deadline = None
            self._kill()
        death = None if self._child is None else processes.death_of(self._child)
        self._spared -= processes.reap_others(self._child)
        if death is None:
            return
        self._child = None
        waiting = set() if self._next is None else {self._next.pid}
        processes.end_strays(self._spared | waiting)
        if death.signal == signal.SIGKILL:
            proved = proof(self._kills_before, out_of_memory_kills(), death.max_rss_bytes)
            death = replace(death, out_of_memory=proved)
        self._control.send(death)


class End(Protocol):
    """One end of a socket."""

    def fileno(self) -> int: ...


@contextlib.contextmanager
def ending_with(control: End) -> Iterator[None]:
    """End the process if the worker vanishes during an import in this thread."""
    stop_reader, stop_writer = os.pipe()

    def watch() -> None:
        poll = select.poll()
        poll.register(control, 0)                  # only the end of the stream
        poll.register(stop_reader, select.POLLIN)
        if stop_reader not in dict(poll.poll()):
            os._exit(1)

    watcher = threading.Thread(target=watch, name="hyperspace-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        os.write(stop_writer, b"x")
        watcher.join()
        os.close(stop_reader)
        os.close(stop_writer)


def _wake_when_a_child_ends() -> tuple[socket.socket, socket.socket]:
    """A socket that becomes readable then, and its other end. Call after the import."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # only the worker stops runs
        signal.signal(number, signal.SIG_IGN)
    return reader, writer


def main() -> None:
    """Entry point. The only argument: the descriptor of the control socket."""
    process_io.open_streams()
    end = socket.socket(fileno=int(sys.argv[1]))
    control = protocol.Control(end)
    sys.argv[1:] = []
    begin, _ = control.receive()
    if not isinstance(begin, protocol.Begin):
        return
    processes.adopt_orphans()
    try:
        _guard(begin, control, end)
    finally:
        processes.end_strays(())                   # also those of the project's import


def _guard(begin: protocol.Begin, control: protocol.Control, end: socket.socket) -> None:
    opening = None
    if begin.role == "spawn" and begin.code is not None:
        let_find(begin.code)
    if begin.role != "spawn":
        opening = _open(begin, control)
        if opening is None:
            return
        from hyperspace_core.execution import child  # noqa: F401 - and its imports, before the first run

        prepare_for_forks(opening.project)
    ForkServer(control, end, opening, begin.grace_s).loop()


def _open(begin: protocol.Begin, control: protocol.Control) -> Opening | None:
    """The project to fork runs from; None where that is not wanted, safe or possible."""
    process_io.show_at_once()
    began = time.time_ns()
    try:
        with ending_with(control):
            opening = open_here(begin.project, tasks_dir=begin.tasks_dir, no_plugins=begin.no_plugins,
                                code=begin.code)
    except ProjectError as error:
        control.send(protocol.CannotOpen(str(error)))
        return None
    opened = described(opening, read_since_ns=began)
    control.send(opened)
    return opening if begin.role == "fork" and opened.unsafe is None else None


if __name__ == "__main__":
    main()
