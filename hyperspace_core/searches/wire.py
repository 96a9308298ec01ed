"""What a worker and its proposer say to each other, over a socket.

The proposer is a process of its own, since it imports the project: user code never runs in the worker, and
the store with its password never reaches user code. A closed socket means that the other side is gone.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import msgspec

from hyperspace_core.execution.control import Opened
from hyperspace_core.execution.messages import HEADER_BYTES, exactly, frame_bytes, length_of
from hyperspace_core.records.run import NewRun, RunRecord
from hyperspace_core.records.search import SearchRecord


class Open(msgspec.Struct, frozen=True, tag="open"):
    """Worker: the project to propose for. The first word."""

    project: str
    tasks_dir: str | None
    no_plugins: tuple[str, ...]
    code: str | None               # a folder with code that goes before what is installed


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """Worker: what should this search run next? `records`: runs that are new or have changed."""

    search: SearchRecord
    records: list[RunRecord]
    whole: bool                    # these are all that there are


class Suggested(msgspec.Struct, frozen=True, tag="suggested"):
    """Proposer: this; None where nothing is left to try."""

    run: NewRun | None
    redrawn: int
    repeat: bool


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """Proposer: it cannot be asked that, or cannot open the project; a line that says why."""

    reason: str


Word = Open | Ask | Suggested | Refusal | Opened

_encode = msgspec.msgpack.Encoder().encode
_decode: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Word)


class Wire:
    """One end of the socket. One thread uses it."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, word: Word) -> bool:
        """False where the other side is gone."""
        with contextlib.suppress(OSError):
            self._socket.sendall(frame_bytes(_encode(word)))
            return True
        return False

    def receive(self, longest_s: float | None = None) -> Word | None:
        """The next word; None where the other side is gone. `TimeoutError` where none comes for so long."""
        self._socket.settimeout(longest_s)
        header = exactly(self._socket, HEADER_BYTES)
        body = None if header is None else exactly(self._socket, length_of(header))
        if body is None:
            return None
        word: Word = _decode.decode(body)
        return word

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
