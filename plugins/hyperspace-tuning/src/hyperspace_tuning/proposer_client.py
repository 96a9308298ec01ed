"""The worker's client of its proposer process, which starts at the first ask."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from hyperspace_core.errors import ConfigError, ProjectError
from hyperspace_core.plugin import (
    changed,
    environment_of_runs,
    forget_bytecode,
    how_it_ended,
    protocol,
    what_it_said,
)
from hyperspace_tuning.proposer_protocol import (
    OpenProject,
    Proposed,
    ProposeNext,
    ProposerChannel,
    ProposerMessage,
    Refusal,
)

if TYPE_CHECKING:
    from hyperspace_tuning.proposer_server import ProposerServer

LEAVE_S = 2.0                  # for a process to end by itself
LONGEST_S = 600.0              # time limit of an answer: the worker claims nothing else meanwhile


class ProposerGone(ProjectError):
    """The proposer ended before it answered; a new one needs all runs of the search."""


class ProposerClient(Protocol):
    """The interface by which a worker asks for the next run of a search."""

    def fresh(self, search: str) -> bool:
        """Whether the proposer does not know this search: then it needs all runs."""
        ...

    def ask(self, question: ProposeNext) -> Proposed:
        """Ask for the next run. Raises `ProposerGone` where the proposer has ended.

        `ProjectError`: the project cannot be opened; `ConfigError`: the search does not fit it."""
        ...

    def close(self) -> None: ...


class InlineProposer:
    """Answers in this process, which has the project open already."""

    def __init__(self, server: ProposerServer) -> None:
        self._server = server
        self._known: set[str] = set()

    def fresh(self, search: str) -> bool:
        return search not in self._known

    def ask(self, question: ProposeNext) -> Proposed:
        return _suggested(self._server.answer(question), question, self._known)

    def close(self) -> None:
        pass


class ChildProposer:
    """Asks a proposer process; restarts it when the project's sources change."""

    def __init__(self, begin: OpenProject, python: Path | None = None) -> None:
        self._begin = begin
        self._python = str(python or sys.executable)
        self._opened: protocol.Opened | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: ProposerChannel | None = None
        self._known: set[str] = set()      # searches that the proposer knows
        self._closed = False
        self._lock = threading.Lock()

    def fresh(self, search: str) -> bool:
        stale = [] if self._opened is None else changed(self._opened.stamps)
        if stale:
            self._end()
            forget_bytecode(stale)
        return not self._alive() or search not in self._known

    def ask(self, question: ProposeNext) -> Proposed:
        if not self._alive():
            if not question.whole:             # it has ended since `fresh`: a new one knows no search
                raise ProposerGone(self._why_gone())
            self._start()
        answer = self._exchange(question)
        if not isinstance(answer, Proposed | Refusal):
            self._end()
            raise ProjectError("the proposer gave no answer")
        return _suggested(answer, question, self._known)

    def close(self) -> None:
        """Idempotent; any thread may call it, also while another one asks."""
        with self._lock:
            self._closed = True
        self._end()

    def _alive(self) -> bool:
        return self._opened is not None and self._process is not None and self._process.poll() is None

    def _start(self) -> None:
        self._end()
        mine, theirs = socket.socketpair()
        with self._lock, theirs:
            if self._closed:
                mine.close()
                raise ProjectError("this proposer is closed")
            self._channel = ProposerChannel(mine)
            self._printed = tempfile.TemporaryFile()   # noqa: SIM115 - what an import prints
            self._process = subprocess.Popen(
                [self._python, "-P", "-m", "hyperspace_tuning.proposer_server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=self._printed, stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),), env=environment_of_runs(os.environ), start_new_session=True)
        answer = self._exchange(self._begin)
        if not isinstance(answer, protocol.Opened):
            self._end()
            why = answer.reason if isinstance(answer, Refusal) else "the proposer gave no answer"
            raise ProjectError(why)
        self._opened, self._known = answer, set()

    def _exchange(self, message: ProposerMessage) -> ProposerMessage:
        """Send a message; return the answer. Raises `ProposerGone`, `ProjectError`."""
        channel = self._channel
        if channel is None or self._process is None:
            raise ProjectError("this proposer is closed")
        try:
            channel.send(message)
            answer = channel.receive(LONGEST_S)
        except TimeoutError:
            self._end()
            raise ProjectError(f"its tuner gave no answer in {LONGEST_S:g} s") from None
        except msgspec.MsgspecError as error:  # user code wrote into a descriptor of another owner
            self._end()
            raise ProjectError(f"the proposer sent a message that cannot be decoded: {error}") from error
        if answer is None:
            raise ProposerGone(self._why_gone())
        return answer

    def _why_gone(self) -> str:
        """End the connection; return how the process ended."""
        process = self._process
        why = "this proposer is closed" if self._closed or process is None else self._how_it_ended(process)
        self._end()
        return why

    def _how_it_ended(self, process: subprocess.Popen[bytes]) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LEAVE_S)
        code, said = process.returncode, ""
        with contextlib.suppress(ValueError):      # another thread is closing this proposer
            said = what_it_said(self._printed)
        how = "no exit status" if code is None else how_it_ended(code)
        return f"the proposer process ended ({how}){said}"

    def _end(self) -> None:
        with self._lock:
            channel, process = self._channel, self._process
            self._channel = self._process = self._opened = None
        if channel is not None:
            channel.close()
        if process is not None:
            try:
                process.wait(LEAVE_S)
            except subprocess.TimeoutExpired:      # it is computing, or stuck in an import
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            self._printed.close()


def _suggested(answer: Proposed | Refusal, question: ProposeNext, known: set[str]) -> Proposed:
    """Record in `known` which searches got an answer; others are sent whole again."""
    known.discard(question.search.uid)
    if isinstance(answer, Refusal):
        raise ConfigError(answer.reason)
    known.add(question.search.uid)
    return answer
