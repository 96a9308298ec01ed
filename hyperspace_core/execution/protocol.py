"""The messages between the processes of a run, and their frames.

MessagePack keeps NaN, infinities and -0.0; only plain values cross, never objects. A frame is the length of
its content in four bytes, then one byte for the kind of the message, then the message.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Sequence
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec

from hyperspace_core.errors import HyperspaceError
from hyperspace_core.records.logged import ArtifactStaged, InfoSet, Points, ProgressSet
from hyperspace_core.records.run import Finish, Snapshot, Update
from hyperspace_core.run import Absent, Section

# -- Frames --

_HEADER = struct.Struct("!I")
HEADER_BYTES = _HEADER.size
MOST_AT_ONCE = 1 << 20         # bytes of one read from a socket

M = TypeVar("M")
_encode = msgspec.msgpack.Encoder().encode


class Codec(Generic[M]):
    """Turns messages of some classes into frames and back."""

    def __init__(self, *kinds: type[M]) -> None:
        self._numbers = {kind: bytes([number]) for number, kind in enumerate(kinds)}
        self._decoders = [msgspec.msgpack.Decoder(kind) for kind in kinds]

    def frame(self, message: M) -> bytes:
        """One message as bytes. Raises `TypeError` or `ValueError` for values that are not plain."""
        number = self._numbers.get(type(message)) or self._number(type(message))
        return framed(number + _encode(message))

    def decode(self, content: bytes) -> M:
        """Raises `msgspec.MsgspecError` for bytes that are no such message."""
        if not content or content[0] >= len(self._decoders):
            raise msgspec.DecodeError("unknown kind of message")
        return self._decoders[content[0]].decode(memoryview(content)[1:])

    def _number(self, kind: type[M]) -> bytes:
        """The number of a subclass; it is kept for the next one."""
        known = next((base for base in kind.__mro__ if base in self._numbers), None)
        if known is None:
            raise TypeError(f"{kind.__name__} is no message")
        self._numbers[kind] = self._numbers[known]
        return self._numbers[kind]


def framed(content: bytes) -> bytes:
    return _HEADER.pack(len(content)) + content


def length_of(header: bytes) -> int:
    return int(_HEADER.unpack(header)[0])


class Frames:
    """Splits a stream of bytes into the contents of frames; keeps an incomplete rest."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The contents that are complete now, in order."""
        stream = self._rest + data
        found = []
        start = 0
        while len(stream) - start >= HEADER_BYTES:
            end = start + HEADER_BYTES + length_of(stream[start:start + HEADER_BYTES])
            if len(stream) < end:
                break
            found.append(stream[start + HEADER_BYTES:end])
            start = end
        self._rest = stream[start:]
        return found


def exactly(end: socket.socket, size: int) -> bytes | None:
    """Read `size` bytes; None where the other side is gone. Raises `TimeoutError`."""
    parts = bytearray()
    while len(parts) < size:
        try:
            data = end.recv(min(size - len(parts), MOST_AT_ONCE))
        except TimeoutError:
            raise
        except OSError:
            data = b""
        if not data:
            return None
        parts += data
    return bytes(parts)


# -- From the process of a run to its worker, over a pipe; besides what the run logs --

class Resolved(msgspec.Struct, frozen=True):
    """Scenario, config, metric and seed that are executed, where they differ from the submission's."""

    update: Update


class SourceTaken(msgspec.Struct, frozen=True):
    """The executed code: snapshots, and for each path its content or the file that has it."""

    snapshots: list[Snapshot]
    contents: dict[str, bytes]
    places: dict[str, str]


class Ask(msgspec.Struct, frozen=True):
    """A question of a plugin in the run's process to a plugin in the worker; see `Answered`."""

    number: int
    topic: str
    payload: Any


class CodeDiffers(msgspec.Struct, frozen=True):
    """A validated run does not fit the installed code: the worker releases it."""

    reason: str


class Ended(msgspec.Struct, frozen=True):
    """The last message: how the attempt ended, as the process knows it."""

    finish: Finish
    heard: bool                    # the observers in the process were called


Message = (Points | InfoSet | ProgressSet | ArtifactStaged | Section | Absent | Resolved | SourceTaken | Ask
           | CodeDiffers | Ended)
MESSAGES: Codec[Message] = Codec(Points, InfoSet, ProgressSet, ArtifactStaged, Section, Absent, Resolved,
                                 SourceTaken, Ask, CodeDiffers, Ended)


class RunSink(Protocol):
    """A sink that also receives what is executed, what is asked, and how it ended."""

    def emit(self, message: Message) -> None: ...


class DamagedChannel(HyperspaceError):
    """The bytes are no message: user code wrote to a descriptor of the framework."""


class Unframer:
    """Splits a stream of bytes into messages."""

    def __init__(self) -> None:
        self._frames = Frames()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now, in order. Raises `DamagedChannel`."""
        try:
            return [MESSAGES.decode(content) for content in self._frames.feed(data)]
        except msgspec.MsgspecError as error:
            why = f"user code wrote to the run's channel; its rest is lost: {error}"
            raise DamagedChannel(why) from error


# -- From the worker to the process of a run, over a pipe of its own --

class Answered(msgspec.Struct, frozen=True):
    """The answer to an `Ask`, by its number."""

    number: int
    value: Any


ANSWERS = Codec(Answered)


# -- Messages between a worker and a fork server, over a Unix socket --

MAX_DESCRIPTORS = 4

# fork: open the project, describe it, fork runs from this process where that is safe; look: only describe it;
# spawn: open nothing, each run is a fresh interpreter
Role = Literal["fork", "look", "spawn"]


class Begin(msgspec.Struct, frozen=True):
    """From the worker: the project to serve. The first message."""

    project: str
    tasks_dir: str | None
    no_plugins: tuple[str, ...]
    role: Role
    grace_s: float
    code: str | None = None        # an unpacked snapshot, found before the installed code


class Start(msgspec.Struct, frozen=True):
    """From the worker: start a run.

    Carries four descriptors: for messages, output and answers, and the file with the job."""


class Interrupt(msgspec.Struct, frozen=True):
    """From the worker: request a stop. The pid keeps a late one from the next run."""

    pid: int


class Kill(msgspec.Struct, frozen=True):
    """From the worker: kill the run at once."""

    pid: int


class Opened(msgspec.Struct, frozen=True):
    """From the fork server: the project is open."""

    tasks: tuple[str, ...]
    unsafe: str | None             # why it must not fork; the fork server ends after this message
    stamps: dict[str, tuple[int, int]]     # source file or folder → mtime in ns, size
    snapshot: str | None = None    # of the code; None where there is none


class CannotOpen(msgspec.Struct, frozen=True):
    """From the fork server, as its last message: the project cannot be opened."""

    reason: str


class Started(msgspec.Struct, frozen=True):
    """From the fork server: the run's process exists."""

    pid: int


class ChildEnded(msgspec.Struct, frozen=True, kw_only=True):
    """From the fork server: the run's process and its descendants are gone.

    Without code and signal, the fork server itself was lost.
    """

    exit_code: int | None = None
    signal: int | None = None
    out_of_memory: str | None = None       # a line for people: proof of the out-of-memory kill
    max_rss_bytes: int | None = None


Word = Begin | Start | Interrupt | Kill | Opened | CannotOpen | Started | ChildEnded

WORDS: Codec[Word] = Codec(Begin, Start, Interrupt, Kill, Opened, CannotOpen, Started, ChildEnded)


class Control:
    """One end of the socket. Any thread may send, one at a time receives."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = threading.Lock()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, word: Word, descriptors: Sequence[int] = ()) -> bool:
        """False where the other side is gone."""
        data = WORDS.frame(word)
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
        return WORDS.decode(body), descriptors

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
