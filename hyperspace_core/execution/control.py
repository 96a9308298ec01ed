"""Messages between a worker and a fork server, over a Unix socket.

It also carries descriptors. When it is closed, the other side is gone; no signal, pid or time-out is needed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Sequence
from typing import Literal

import msgspec

from hyperspace_core.execution.messages import HEADER_BYTES, exactly, frame_bytes, length_of

MAX_DESCRIPTORS = 3

# fork: open the project, describe it, fork runs from this process where that is safe; look: only describe it;
# spawn: open nothing, each run is a fresh interpreter
Role = Literal["fork", "look", "spawn"]


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """From the worker: the project to serve. The first message."""

    project: str
    tasks_dir: str | None
    no_plugins: tuple[str, ...]
    role: Role
    grace_s: float
    code: str | None = None        # an unpacked snapshot, found before the installed code


class Start(msgspec.Struct, frozen=True, tag="start"):
    """From the worker: execute this job.

    Carries three descriptors: for messages, output, and answers."""

    job: bytes


class Interrupt(msgspec.Struct, frozen=True, tag="interrupt"):
    """From the worker: request a stop. The pid keeps a late one from the next run."""

    pid: int


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """From the worker: kill the run at once."""

    pid: int


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """From the fork server: the project is open."""

    tasks: tuple[str, ...]
    plugins: tuple[str, ...]
    unsafe: str | None             # why it must not fork; the fork server ends after this message
    stamps: dict[str, tuple[int, int]]     # source file or folder → mtime in ns, size
    snapshot: str | None = None    # of the code; None where there is none


class CannotOpen(msgspec.Struct, frozen=True, tag="cannot_open"):
    """From the fork server, as its last message: the project cannot be opened."""

    reason: str


class Started(msgspec.Struct, frozen=True, tag="started"):
    """From the fork server: the run's process exists."""

    pid: int


class Exited(msgspec.Struct, frozen=True, tag="exited"):
    """From the fork server: the run's process and its descendants are gone."""

    exit_code: int | None
    signal: int | None
    out_of_memory: str | None
    max_rss_bytes: int | None


Word = Begin | Start | Interrupt | Kill | Opened | CannotOpen | Started | Exited

_encode = msgspec.msgpack.Encoder().encode
_decode: msgspec.msgpack.Decoder[Word] = msgspec.msgpack.Decoder(Word)


class Control:
    """One end of the socket. Any thread may send, one at a time receives."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = threading.Lock()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, word: Word, descriptors: Sequence[int] = ()) -> bool:
        """False where the other side is gone."""
        data = frame_bytes(_encode(word))
        with self._sending, contextlib.suppress(OSError):
            # the descriptors travel with the first bytes
            socket.send_fds(self._socket, [data[:HEADER_BYTES]], list(descriptors))
            self._socket.sendall(data[HEADER_BYTES:])
            return True
        return False

    def receive(self) -> tuple[Word | None, list[int]]:
        """The next message and its descriptors; None where the other side is gone."""
        header, descriptors = self._header()
        body = exactly(self._socket, length_of(header)) if len(header) == HEADER_BYTES else None
        if body is None:
            for descriptor in descriptors:
                os.close(descriptor)
            return None, []
        return _decode.decode(body), descriptors

    def close(self) -> None:
        """Close the socket, also while a thread receives; the other side sees the end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _header(self) -> tuple[bytes, list[int]]:
        header, descriptors = b"", list[int]()
        while len(header) < HEADER_BYTES:
            try:
                data, more, _, _ = socket.recv_fds(self._socket, HEADER_BYTES - len(header), MAX_DESCRIPTORS)
            except OSError:
                data, more = b"", []
            descriptors += more
            if not data:
                break
            header += data
        return header, descriptors
