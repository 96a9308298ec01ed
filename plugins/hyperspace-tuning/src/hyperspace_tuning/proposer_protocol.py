"""The messages between a worker and its proposer, over a socket.

The proposer is a process of its own, since it imports the project: user code never runs in the worker, and
the store's password never reaches user code. A closed socket means that the other process has ended.
"""

from __future__ import annotations

import contextlib
import socket

import msgspec

from hyperspace_core.plugin import protocol
from hyperspace_core.records import NewRun, RunRecord, SearchRecord


class OpenProject(msgspec.Struct, frozen=True):
    """Worker to proposer: open this project. The first message."""

    project: str
    tasks_dir: str | None
    no_plugins: tuple[str, ...]
    code: str | None               # a folder with code that takes precedence over installed code


class ProposeNext(msgspec.Struct, frozen=True):
    """Worker to proposer: propose the next run; `records`: new and changed runs."""

    search: SearchRecord
    records: list[RunRecord]
    whole: bool                    # `records` holds all runs


class Proposed(msgspec.Struct, frozen=True):
    """Proposer to worker: the proposed run; None where the space is exhausted."""

    run: NewRun | None
    redrawn: int
    repeat: bool


class Refusal(msgspec.Struct, frozen=True):
    """Proposer to worker: why it cannot propose or open the project, in one line."""

    reason: str


ProposerMessage = OpenProject | ProposeNext | Proposed | Refusal | protocol.Opened

MESSAGES: protocol.Codec[ProposerMessage] = protocol.Codec(OpenProject, ProposeNext, Proposed, Refusal,
                                                           protocol.Opened)


class ProposerChannel:
    """One end of the socket. One thread uses it."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, message: ProposerMessage) -> bool:
        """Send a message; False where the other end is closed."""
        with contextlib.suppress(OSError):
            self._socket.sendall(MESSAGES.frame(message))
            return True
        return False

    def receive(self, longest_s: float | None = None) -> ProposerMessage | None:
        """The next message; None where the other end is closed. Raises `TimeoutError`."""
        self._socket.settimeout(longest_s)
        header = protocol.exactly(self._socket, protocol.HEADER_BYTES)
        body = None if header is None else protocol.exactly(self._socket, protocol.length_of(header))
        return None if body is None else MESSAGES.decode(body)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
