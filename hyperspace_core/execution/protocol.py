"""The messages from the process of a run to its worker, and their framing.

MessagePack keeps NaN, infinities and -0.0; only plain values cross, never objects. A frame is the payload's
length in four bytes, then the payload.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from hyperspace_core.errors import HyperspaceError
from hyperspace_core.records.run import Finish, Goal
from hyperspace_core.records.states import Outcome

PointTuple = tuple[int, str, int | None, float, float]      # seq, name, step, value, at: as in `Point`


class Points(msgspec.Struct, frozen=True, tag="points", array_like=True):
    """Metric points in their order."""

    points: list[PointTuple]


class InfoSet(msgspec.Struct, frozen=True, tag="info", array_like=True):
    """`run.info[key] = value`; a later one of the same key replaces the earlier."""

    key: str
    value: Any


class ProgressSet(msgspec.Struct, frozen=True, tag="progress", array_like=True):
    """The progress of the run; the fields of `records.run.Progress`."""

    done: float
    total: float | None
    eta_s: float | None
    note: str


class ArtifactStaged(msgspec.Struct, frozen=True, tag="artifact", array_like=True):
    """A finished file in the run's workdir; the worker becomes its owner."""

    name: str
    path: str


class SectionCaptured(msgspec.Struct, frozen=True, tag="section", array_like=True):
    """A part of the provenance: `data`, or the `reason` why there are none."""

    name: str
    data: dict[str, Any] | None
    reason: str | None


class Resolved(msgspec.Struct, frozen=True, tag="resolved", array_like=True):
    """The trees that are executed, where they differ from the submission's."""

    scenario: dict[str, Any]
    config: dict[str, Any]
    metric_name: str
    metric_goal: Goal
    seed: int


FileTuple = tuple[str, str, int]       # path, SHA-256, bytes: as in `SourceFile`


class SourceTaken(msgspec.Struct, frozen=True, tag="source", array_like=True):
    """The executed code: snapshots, and for each path its content or its file."""

    snapshots: list[list[FileTuple]]
    contents: dict[str, bytes]
    places: dict[str, str]

    @property
    def all(self) -> dict[str, bytes | str]:
        return {**self.contents, **self.places}


class Ask(msgspec.Struct, frozen=True, tag="ask", array_like=True):
    """A question of a plugin in the run's process to a plugin in the worker; see `Answered`."""

    number: int
    topic: str
    payload: Any


class CodeDiffers(msgspec.Struct, frozen=True, tag="code_differs", array_like=True):
    """A validated run does not fit the installed code: the worker releases it."""

    reason: str


class Ended(msgspec.Struct, frozen=True, tag="ended", array_like=True):
    """The last message: how the attempt ended, as the process knows it.

    `heard`: the observers in the process were called.
    """

    outcome: Outcome
    reason: str | None
    result: float | None
    metrics: dict[str, Any]
    traceback: str | None
    retry: bool
    heard: bool

    def finish(self) -> Finish:
        return Finish(outcome=self.outcome, reason=self.reason, result=self.result, metrics=self.metrics,
                      traceback=self.traceback, retry=self.retry)


def ended(finish: Finish, *, heard: bool) -> Ended:
    return Ended(finish.outcome, finish.reason, finish.result, finish.metrics, finish.traceback, finish.retry,
                 heard)


Message = (Points | InfoSet | ProgressSet | ArtifactStaged | SectionCaptured | SourceTaken | Resolved
           | Ask | CodeDiffers | Ended)

_HEADER = struct.Struct("!I")
HEADER_BYTES = _HEADER.size
MOST_AT_ONCE = 1 << 20         # bytes of one read from a socket
_encode = msgspec.msgpack.Encoder().encode
_decode: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


class DamagedChannel(HyperspaceError):
    """The bytes are no message: user code wrote to a descriptor of the framework."""


def frame(message: Message) -> bytes:
    """One message as bytes."""
    payload = _encode(message)
    return _HEADER.pack(len(payload)) + payload


def frame_bytes(payload: bytes) -> bytes:
    """Any payload with its length in front."""
    return _HEADER.pack(len(payload)) + payload


def length_of(header: bytes) -> int:
    return int(_HEADER.unpack(header)[0])


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


class Unframer:
    """Splits a stream of bytes into messages; keeps an incomplete rest."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now, in order. Raises `DamagedChannel`."""
        stream = self._rest + data
        found: list[Message] = []
        start = 0
        while len(stream) - start >= HEADER_BYTES:
            end = start + HEADER_BYTES + length_of(stream[start:start + HEADER_BYTES])
            if len(stream) < end:
                break
            found.append(_read(stream[start + HEADER_BYTES:end]))
            start = end
        self._rest = stream[start:]
        return found


def _read(payload: bytes) -> Message:
    try:
        return _decode.decode(payload)
    except msgspec.MsgspecError as error:
        raise DamagedChannel(f"user code wrote to the run's channel; its rest is lost: {error}") from error


# -- The only message from a worker to the process of a run, over a pipe of its own --

class Answered(msgspec.Struct, frozen=True, array_like=True):
    """The answer to an `Ask`, by its number."""

    number: int
    value: Any


_decode_answer: msgspec.msgpack.Decoder[Answered] = msgspec.msgpack.Decoder(Answered)


def answer_frame(answered: Answered) -> bytes:
    """One answer as bytes. Raises `TypeError` or `ValueError` for a value that is not plain."""
    return frame_bytes(_encode(answered))


def answer_in(payload: bytes) -> Answered:
    return _decode_answer.decode(payload)


# -- Messages between a worker and a fork server, over a Unix socket --

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

_encode_control = msgspec.msgpack.Encoder().encode
_control_decoder: msgspec.msgpack.Decoder[Word] = msgspec.msgpack.Decoder(Word)


class Control:
    """One end of the socket. Any thread may send, one at a time receives."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = threading.Lock()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, word: Word, descriptors: Sequence[int] = ()) -> bool:
        """False where the other side is gone."""
        data = frame_bytes(_encode_control(word))
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
        return _control_decoder.decode(body), descriptors

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
