"""Answer a run's questions about the curves of the other runs of its search.

The run sends a message and waits for the answer at a pipe. The wait is short: the pipe of a worker that is
gone is closed, and a slow worker is not asked again before it has answered.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Protocol, Self

import msgspec

from hyperspace_core.execution.protocol import HEADER_BYTES, Message, PeersWanted, frame_bytes, length_of
from hyperspace_core.pruner import PeerState
from hyperspace_core.records.curve import Pair

PATIENCE_S = 10.0              # how long a run waits for an answer
SLICE_S = 0.1                  # how often the wait is checked
CHUNK = 1 << 16


class PeerNews(msgspec.Struct, frozen=True, array_like=True):
    """Another run of the search and the points of its curve."""

    run: int
    state: PeerState
    points: list[Pair]


class Peers(msgspec.Struct, frozen=True, array_like=True):
    """News of the other runs. `ended`: those that the process does not know yet."""

    number: int                    # of the question
    known: bool = True             # False: the worker has no answer now
    ended: list[PeerNews] = []
    running: list[PeerNews] | None = None      # all running runs; None: as before


AskPeers = Callable[[str, Callable[[], bool]], Peers | None]
"""Get the peers' curves of a series; stop once the second argument returns True."""

_encode = msgspec.msgpack.Encoder().encode
_decode: msgspec.msgpack.Decoder[Peers] = msgspec.msgpack.Decoder(Peers)


class Sends(Protocol):
    def send(self, message: Message) -> None: ...


class AnswerPipe:
    """The worker's end."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._lock = threading.Lock()      # held while writing: the number must not be reused
        self._closing = False

    @classmethod
    def opened(cls) -> tuple[Self, int]:
        """A new pipe: the worker's end, and the descriptor of the run's end."""
        reader, writer = os.pipe()
        return cls(writer), reader

    def send(self, peers: Peers) -> None:
        """Write the whole answer; stop when the pipe is closed at either end."""
        rest = memoryview(frame_bytes(_encode(peers)))
        room = select.poll()
        with self._lock, contextlib.suppress(OSError):
            if self._closing:
                return
            room.register(self._descriptor, select.POLLOUT)
            while rest and not self._closing:
                room.poll(SLICE_S * 1000)
                with contextlib.suppress(BlockingIOError):
                    rest = rest[os.write(self._descriptor, rest):]

    def close(self) -> None:
        self._closing = True
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            self._descriptor = -1


class Answers:
    """The run's end. One thread asks at a time."""

    def __init__(self, descriptor: int, sink: Sends) -> None:
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, False)
        self._descriptor, self._sink = descriptor, sink
        self._read = b""
        self._number = 0
        self._waiting = False              # for the answer to the last question
        self._news: list[Peers] = []       # late answers

    def ask(self, series: str, enough: Callable[[], bool]) -> Peers | None:
        """The answer; None without one in time. The next answer includes a late one."""
        if self._descriptor < 0 or (self._waiting and not self._arrived(0.0)):
            return None
        self._number += 1
        self._waiting = True
        self._sink.send(PeersWanted(self._number, series))
        end = time.monotonic() + PATIENCE_S
        while self._waiting:
            left = end - time.monotonic()
            if left <= 0 or enough() or (not self._arrived(min(left, SLICE_S)) and self._descriptor < 0):
                return None
        return self._together()

    def _arrived(self, timeout_s: float) -> bool:
        """Whether the answer to the last question has arrived; wait at most `timeout_s`."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        if poll.poll(timeout_s * 1000):
            self._take(self._bytes())
        return not self._waiting

    def _bytes(self) -> bytes:
        """The available bytes; the end of the stream ends all asking."""
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return b""
        if not data:
            os.close(self._descriptor)
            self._descriptor = -1
        return data

    def _take(self, data: bytes) -> None:
        self._read += data
        while len(self._read) >= HEADER_BYTES:
            end = HEADER_BYTES + length_of(self._read[:HEADER_BYTES])
            if len(self._read) < end:
                return
            peers = _decode.decode(self._read[HEADER_BYTES:end])
            self._read = self._read[end:]
            self._news.append(peers)
            self._waiting = self._waiting and peers.number != self._number

    def _together(self) -> Peers:
        news, self._news = self._news, []
        last = news[-1]
        running = next((one.running for one in reversed(news) if one.running is not None), None)
        return Peers(last.number, last.known, [peer for one in news for peer in one.ended], running)
