"""What a worker and the guardian of a slot say to each other, over a socket that also carries descriptors.

A closed socket means that the other side is gone: no signal, no pid, no time-out has to be trusted for that.
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

# fork: open the project, describe it, fork runs from this process where that is safe; look: describe it and
# end; spawn: open nothing, each run is a fresh interpreter
Role = Literal["fork", "look", "spawn"]


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """Worker: what to guard. The first word."""

    project: str
    tasks_dir: str | None
    no_plugins: tuple[str, ...]
    role: Role
    grace_s: float
    code: str | None = None        # an unpacked snapshot that goes before what is installed


class Start(msgspec.Struct, frozen=True, tag="start"):
    """Worker: execute this job. Comes with three descriptors: for messages, for what is printed, and for the
    answers to what is asked.
    """

    job: bytes


class Interrupt(msgspec.Struct, frozen=True, tag="interrupt"):
    """Worker: ask the run to stop. It is named, for a late word must not hit the run that came after it."""

    pid: int


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """Worker: end the run at once."""

    pid: int


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """Guardian: the project is open."""

    tasks: tuple[str, ...]
    plugins: tuple[str, ...]
    unsafe: str | None             # why it must not be forked; the guardian ends after these words
    stamps: dict[str, tuple[int, int]]     # source file or folder → mtime in ns, size
    snapshot: str | None = None    # of the code; None where there is none


class CannotOpen(msgspec.Struct, frozen=True, tag="cannot_open"):
    """Guardian: the project cannot be opened; it ends after these words."""

    reason: str


class Started(msgspec.Struct, frozen=True, tag="started"):
    """Guardian: the run's process exists."""

    pid: int


class Exited(msgspec.Struct, frozen=True, tag="exited"):
    """Guardian: the run's process is gone, and everything that it had started."""

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
            # the descriptors travel with the first bytes, however the rest is split up
            socket.send_fds(self._socket, [data[:HEADER_BYTES]], list(descriptors))
            self._socket.sendall(data[HEADER_BYTES:])
            return True
        return False

    def receive(self) -> tuple[Word | None, list[int]]:
        """The next word and what descriptors came with it; None where the other side is gone."""
        header, descriptors = self._header()
        body = exactly(self._socket, length_of(header)) if len(header) == HEADER_BYTES else None
        if body is None:
            for descriptor in descriptors:
                os.close(descriptor)
            return None, []
        return _decode.decode(body), descriptors

    def close(self) -> None:
        """Say good-bye: the other side sees the end of the stream, also where a thread still listens here."""
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
