"""The worker's handle of a fork server process."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import IO

from hyperspace_core.errors import ProjectError
from hyperspace_core.execution import processes
from hyperspace_core.execution.answers import AnswerPipe
from hyperspace_core.execution.attempt import Child, pipe
from hyperspace_core.execution.control import Begin, CannotOpen, Control, Opened, Start, Started
from hyperspace_core.execution.job import Job, encode

KEPT_FROM_RUNS = "HYPERSPACE_STORAGE"      # and longer names: the store's address may hold a password
MARK = "HYPERSPACE_GUARDIAN"               # in the environment of a fork server and its descendants
LEAVE_S = 5.0                              # for a fork server without a run to end
SHOWN_BYTES = 2000                         # of the output of an import, at each end


class GuardianProcess:
    """One fork server process, from its start to its end."""

    def __init__(self, begin: Begin, python: str | None = None) -> None:
        mine, theirs = socket.socketpair()
        self._printed = tempfile.TemporaryFile()   # noqa: SIM115 - the output of an import, shown if it fails
        self._control = Control(mine)
        self._child: Child | None = None
        self._ending = False
        token = secrets.token_hex(8)
        self._mark = f"{MARK}={token}"
        with theirs:
            self._process = subprocess.Popen(
                [python or sys.executable, "-P", "-m", "hyperspace_core.execution.guardian",
                 str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=self._printed, stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),), env=environment_of_runs(os.environ) | {MARK: token},
                start_new_session=True,
            )
        self._control.send(begin)
        self._project = begin.project

    def opened(self) -> Opened:
        """The description of the opened project. Raises `ProjectError`."""
        word, _ = self._control.receive()
        if isinstance(word, Opened):
            return word
        if isinstance(word, CannotOpen):
            raise ProjectError(word.reason)
        raise ProjectError("the fork server is closed" if self._ending else self._explained())

    def alive(self) -> bool:
        return self._process.poll() is None

    def start(self, job: Job) -> Child | None:
        """Start a run, killing an older one; None where the fork server was lost."""
        self._end_child()
        channel, give_channel = pipe()
        printed, give_printed = pipe()
        answers, give_answers = AnswerPipe.opened()
        given = (give_channel, give_printed, give_answers)
        self._control.send(Start(encode(job)), given)
        for descriptor in given:
            os.close(descriptor)
        word, _ = self._control.receive()
        if not isinstance(word, Started):
            for end in (channel, printed, answers):
                end.close()
            return None
        self._child = Child(word.pid, self._control, channel, printed, answers=answers,
                            mark=self._mark)
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

    def _explained(self) -> str:
        """The error where user code ended the process during its import."""
        how = how_it_ended(self._process.wait(LEAVE_S))
        return f"project '{self._project}': importing it ended the process: {how}" + what_it_said(
            self._printed)


def how_it_ended(code: int) -> str:
    """`exit code 3`, `signal 9 (SIGKILL)`, from what `subprocess` gives."""
    return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.Signals(-code).name})"


def what_it_said(printed: IO[bytes]) -> str:
    """The output in a file as text to append to a message; empty without output."""
    said = _head_and_tail(printed).decode("utf-8", "backslashreplace").strip()
    return f"\n{said}" if said else ""


def _head_and_tail(file: IO[bytes]) -> bytes:
    """Head and tail of long output: the cause may stand at either end."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size <= 2 * SHOWN_BYTES:
        return file.read()
    head = file.read(SHOWN_BYTES)
    file.seek(size - SHOWN_BYTES)
    return head + b"\n[...]\n" + file.read()


def environment_of_runs(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of the worker's environment that runs get."""
    # then `torch.cuda.is_available()` at the top of a module does not make forks unsafe
    defaults = {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
    kept = {name: value for name, value in environment.items() if not name.startswith(KEPT_FROM_RUNS)}
    return defaults | kept
