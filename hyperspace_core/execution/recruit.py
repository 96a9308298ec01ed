"""Prefork: fork the process of the next run ahead of time.

A fork of a process with a large library takes longer than a small run. So it happens while the previous run
goes on, or while the worker waits. A preforked process waits for one job, executes it and ends.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from hyperspace_core.execution import output, processes
from hyperspace_core.execution.control import Control, Start
from hyperspace_core.execution.opening import Opening


@dataclass(frozen=True, kw_only=True)
class Recruit:
    """A waiting process, as its fork server sees it."""

    pid: int
    control: Control

    def hand_over(self, start: Start, descriptors: Iterable[int]) -> bool:
        """Send the job and its descriptors; False where the process is gone."""
        given = self.control.send(start, tuple(descriptors))
        self.control.close()
        return given


def recruit(opened: Opening | None, not_inherited: Iterable[socket.socket]) -> Recruit:
    """Fork a process; without an open project it becomes a fresh interpreter."""
    mine, theirs = socket.socketpair()
    guardian = os.getpid()
    output.flush()
    # blocked until the run handles it, so that no stop request is lost or kills
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")            # native threads of BLAS handle a fork themselves
        pid = os.fork()
    if pid == 0:
        _serve(opened, Control(theirs), guardian, [mine, *not_inherited])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    theirs.close()
    return Recruit(pid=pid, control=Control(mine))


def _serve(opened: Opening | None, control: Control, guardian: int,
           not_inherited: list[socket.socket]) -> NoReturn:
    """The whole life of the forked process; never returns to the fork server's loop."""
    try:
        os.setsid()
        processes.die_with_parent(guardian)
        signal.set_wakeup_fd(-1)
        for end in not_inherited:
            end.close()
        if opened is not None:
            from hyperspace_core.execution.child import prepare

            prepare()
        start, descriptors = control.receive()
        control.close()
        if isinstance(start, Start):
            _execute(start.job, descriptors, opened)
        os._exit(0)                                # the fork server closed the socket
    except BaseException:  # noqa: BLE001 - an internal error
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(1)


def _execute(job: bytes, descriptors: list[int], opened: Opening | None) -> NoReturn:
    channel, printed, answers = descriptors
    processes.volunteer_for_the_kernel()
    for number in (signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output.redirect(printed)
    os.close(printed)
    if opened is None:
        _fresh_interpreter(job, channel, answers)
    from hyperspace_core.execution.child import run_and_exit

    run_and_exit(job, channel, answers, opened)


def _fresh_interpreter(job: bytes, channel: int, answers: int) -> NoReturn:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the next program reads it
    file.write(job)
    file.flush()
    for descriptor in (channel, answers, file.fileno()):
        os.set_inheritable(descriptor, True)
    os.execv(sys.executable, [sys.executable, "-P", "-m", "hyperspace_core.execution.child",
                              str(channel), str(answers), str(file.fileno())])
