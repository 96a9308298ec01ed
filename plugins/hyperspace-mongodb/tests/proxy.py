"""A proxy between a store and its server: silent, lossy, duplicating or slow on demand.

It finds the boundaries of MongoDB's messages, and knows which of them write.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
from types import TracebackType
from typing import Self

import bson

HEADER = struct.Struct("<iiii")            # length, request, answered request, kind
OP_MSG = 2013
WRITES = {"insert", "update", "delete", "findAndModify"}


class Proxy:
    """Forwards to a server; the settings below may be changed at any time. Two threads per connection."""

    def __init__(self, host: str, port: int, seed: int = 0) -> None:
        self.target = (host, port)
        self.lost_share = 0.0              # of the answers to writes: executed, but the answer is dropped
        self.twice = False                 # every write is delivered again, on another connection
        self.delay_s = (0.0, 0.0)          # each message waits for a time between these
        self.lost = self.doubled = self.passed = 0     # how often that happened
        self._silent, self._ended = threading.Event(), threading.Event()
        self._chance, self._lock = random.Random(seed), threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._door: socket.socket | None = None
        self.port = 0
        self.open()

    def open(self) -> None:
        """Accept connections, on the same port each time."""
        door = socket.create_server(("127.0.0.1", self.port))
        self.port, self._door = door.getsockname()[1], door
        self._start(self._accept, door)

    def refuse(self) -> None:
        """Close every connection and accept no more, until `open`."""
        if self._door is not None:
            with contextlib.suppress(OSError):
                self._door.shutdown(socket.SHUT_RDWR)      # wakes the thread in `accept`
            self._door.close()
            self._door = None
        with self._lock:
            for one in self._sockets:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def fall_silent(self) -> None:
        """Half-open: connections are accepted and kept, but nothing is forwarded."""
        self._silent.set()

    def speak(self) -> None:
        """Forward again; messages held back meanwhile are lost with their connections."""
        door = self._door is not None
        self.refuse()
        self._silent.clear()
        if door:
            self.open()

    def close(self) -> None:
        self._ended.set()
        self.refuse()
        for thread in self._threads:
            thread.join(10.0)
            assert not thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    # -- threads ---------------------------------------------------------------------------------------------

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self, door: socket.socket) -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target, 5.0)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._sockets |= {client, server}
            forgotten: set[int] = set()    # requests whose answers are dropped
            self._start(self._pump, client, server, forgotten, True)
            self._start(self._pump, server, client, forgotten, False)

    def _pump(self, source: socket.socket, sink: socket.socket, forgotten: set[int], asks: bool) -> None:
        with contextlib.suppress(OSError):
            while (message := _message(source)) is not None:
                while self._silent.is_set() and not self._ended.is_set():
                    if source.fileno() < 0 or _hung_up(source):
                        break
                    self._ended.wait(0.02)
                self._ended.wait(self._chance.uniform(*self.delay_s))
                if asks:
                    self._asked(message, forgotten)
                elif HEADER.unpack_from(message)[2] in forgotten:
                    self.lost += 1
                    break
                sink.sendall(message)
                self.passed += 1
        with self._lock:
            self._sockets -= {source, sink}
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _asked(self, message: bytes, forgotten: set[int]) -> None:
        if not writes(message):
            return
        if self._chance.random() < self.lost_share:
            forgotten.add(HEADER.unpack_from(message)[1])
        if self.twice:
            with socket.create_connection(self.target, 5.0) as other:
                other.sendall(message)
                _message(other)            # its answer is dropped
            self.doubled += 1


def writes(message: bytes) -> bool:
    """Whether it is a command that writes."""
    if HEADER.unpack_from(message)[3] != OP_MSG or message[20] != 0:
        return False
    size = struct.unpack_from("<i", message, 21)[0]
    command = bson.decode(message[21:21 + size], bson.CodecOptions(unicode_decode_error_handler="replace"))
    return next(iter(command), "") in WRITES


def _message(source: socket.socket) -> bytes | None:
    head = _exactly(source, HEADER.size)
    rest = None if head is None else _exactly(source, HEADER.unpack(head)[0] - HEADER.size)
    return None if head is None or rest is None else head + rest


def _exactly(source: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = source.recv(min(size - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)


def _hung_up(source: socket.socket) -> bool:
    try:
        return source.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
