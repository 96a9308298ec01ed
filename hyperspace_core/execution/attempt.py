"""One attempt as its worker sees it: its messages, its output and its end."""

from __future__ import annotations

import contextlib
import os
import select
import time
from dataclasses import dataclass
from typing import IO

from hyperspace_core.execution import messages, processes
from hyperspace_core.execution.answers import AnswerPipe, Peers
from hyperspace_core.execution.control import Control, Exited, Interrupt, Kill
from hyperspace_core.execution.messages import DamagedChannel, Points, Unframer

GATHER_S = 0.005               # messages within this time are read together
PIPE_BYTES = 1 << 20           # how far a run may be ahead of its worker before it waits
CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ChildEnded:
    """How the process ended; without code and signal, its fork server was lost."""

    exit_code: int | None
    signal: int | None
    out_of_memory: str | None      # a line for people: proof of the out-of-memory kill
    max_rss_bytes: int | None


@dataclass(frozen=True)
class Output:
    """Bytes of stdout and stderr, in order of arrival; may end within a character."""

    data: bytes


Event = messages.Message | Output | ChildEnded


class Child:
    """One running attempt. One thread reads its events; any may interrupt or kill it."""

    def __init__(self, pid: int, control: Control, channel: IO[bytes], printed: IO[bytes], *,
                 answers: AnswerPipe, mark: str) -> None:
        self.pid = pid
        self.over = False                          # `ChildEnded` has been returned
        self._control = control
        self._channel = channel
        self._printed = printed
        self._answers = answers
        self._mark = mark                          # in the environment of all processes of its fork server
        self._unframer: Unframer | None = Unframer()
        self._open = {channel.fileno(), printed.fileno()}
        self._looked = 0.0

    def events(self, timeout_s: float) -> list[Event]:
        """Wait for events, at most `timeout_s`. `ChildEnded` comes once, as the last."""
        if self.over:
            return []
        ready = self._ready({*self._open, self._control.fileno()}, timeout_s)
        if ready and self._control.fileno() not in ready:
            # a run that logs all the time would wake its worker for each point, which costs a core
            ready |= self._ready({self._control.fileno()}, self._looked + GATHER_S - time.monotonic())
        found: list[Event] = []
        if self._control.fileno() in ready:
            found += self._end()
        else:
            found += self._said(CHUNK) if self._channel.fileno() in ready else []
            found += self._was_printed(CHUNK) if self._printed.fileno() in ready else []
        self._looked = time.monotonic()
        return found

    def interrupt(self) -> None:
        """Request a stop: by `should_stop()` where the run calls it, else an exception."""
        if not self.over:
            self._control.send(Interrupt(self.pid))

    def kill(self) -> None:
        """Kill the run and everything that it started, at once."""
        if not self.over:
            self._control.send(Kill(self.pid))

    def answer(self, peers: Peers) -> None:
        """Send an answer; blocks until the run reads it, so call it in a new thread."""
        self._answers.send(peers)

    # -- reading ---------------------------------------------------------------------------------------------

    def _ready(self, descriptors: set[int], timeout_s: float) -> set[int]:
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        return {descriptor for descriptor, _ in poll.poll(max(0, round(timeout_s * 1000)))}

    def _end(self) -> list[Event]:
        """The last events: the fork server reports the end of the run, or is gone itself."""
        word, _ = self._control.receive()
        if not isinstance(word, Exited):
            processes.kill_session(self.pid)
            processes.end_marked(self._mark)       # daemons too
            word = Exited(None, None, None, None)
        rest = [*self._said(2 * PIPE_BYTES), *self._was_printed(2 * PIPE_BYTES)]
        self.over = True
        self._channel.close()
        self._printed.close()
        self._answers.close()
        return [*rest, ChildEnded(exit_code=word.exit_code, signal=word.signal,
                                  out_of_memory=word.out_of_memory, max_rss_bytes=word.max_rss_bytes)]

    def _said(self, limit: int) -> list[Event]:
        data = self._read(self._channel.fileno(), limit)
        if self._unframer is None:
            return []
        try:
            return _points_together(self._unframer.feed(data))
        except DamagedChannel as damage:
            self._unframer = None                  # the rest of the stream is unreadable
            return [Output(f"hyperspace: {damage}\n".encode())]

    def _was_printed(self, limit: int) -> list[Event]:
        data = self._read(self._printed.fileno(), limit)
        return [Output(data)] if data else []

    def _read(self, descriptor: int, limit: int) -> bytes:
        """The available bytes, about `limit` at most; the end may never come."""
        parts: list[bytes] = []
        size = 0
        with contextlib.suppress(BlockingIOError):
            while descriptor in self._open and size < limit:
                data = os.read(descriptor, CHUNK)
                if not data:
                    self._open.discard(descriptor)
                parts.append(data)
                size += len(data)
        return b"".join(parts)


def pipe() -> tuple[IO[bytes], int]:
    """A pipe from a run: a non-blocking reader and the descriptor of the writer."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return os.fdopen(reader, "rb", buffering=0), writer


def _points_together(found: list[messages.Message]) -> list[Event]:
    """Merge neighbouring `Points` messages into one."""
    together: list[Event] = []
    for message in found:
        last = together[-1] if together else None
        if isinstance(message, Points) and isinstance(last, Points):
            last.points.extend(message.points)
        else:
            together.append(message)
    return together
