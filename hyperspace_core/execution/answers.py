"""Questions of a run to its worker, and the answers, which come late or never.

The run sends a message and reads the answer from a pipe whenever it looks for it. It never has to wait: the
pipe of a worker that is gone is closed, and a wait has a limit.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, Self

from hyperspace_core.execution.protocol import ANSWERS, Answered, Ask, Frames, RunSink

PATIENCE_S = 10.0              # how long a run waits for an answer by default
SLICE_S = 0.1                  # how often the wait is checked
CHUNK = 1 << 16

Look = Callable[[float], bool]
"""Look for news, at most so many seconds; False where none can come any more."""


class Answer:
    """The answer to a question. Look at it later, or wait for it."""

    def __init__(self, look: Look) -> None:
        self.value: Any = None             # plain values; None also where no plugin has an answer
        self._look = look
        self._arrived = False

    @property
    def arrived(self) -> bool:
        """Whether `value` is the answer; does not wait."""
        if not self._arrived:
            self._look(0.0)
        return self._arrived

    def wait(self, timeout_s: float = PATIENCE_S, enough: Callable[[], bool] = lambda: False) -> bool:
        """Wait for the answer; False without one in time, or once `enough()` is True."""
        end = time.monotonic() + timeout_s
        while not self._arrived:
            left = end - time.monotonic()
            if left <= 0 or enough() or not (self._look(min(left, SLICE_S)) or self._arrived):
                return False
        return True

    def arrive(self, value: Any) -> None:
        """Set the answer; for its sender."""
        self.value, self._arrived = value, True


class AskWorker(Protocol):
    """Sends a question to the worker: a topic and plain values. Returns at once."""

    def __call__(self, topic: str, payload: Any = None) -> Answer: ...


def no_worker(topic: str, payload: Any = None) -> Answer:
    """Ask nothing: the answer never arrives."""
    return Answer(lambda timeout_s: False)


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

    def send(self, number: int, value: Any) -> None:
        """Write the whole answer; stop when the pipe is closed at either end.

        Raises `TypeError` or `ValueError` for a value that is not plain."""
        rest = memoryview(ANSWERS.frame(Answered(number, value)))
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
    """The run's end. Any thread asks; not for processes that the run forks."""

    def __init__(self, descriptor: int, sink: RunSink) -> None:
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, False)
        self._descriptor, self._sink = descriptor, sink
        self._process = os.getpid()
        self._lock = threading.RLock()     # reentrant: a signal handler of user code may ask
        self._frames = Frames()
        self._number = 0
        self._open: dict[int, Answer] = {}         # questions without an answer

    def ask(self, topic: str, payload: Any = None) -> Answer:
        """Send a question; its answer arrives when the returned object is looked at."""
        answer = Answer(self._look)
        if self._gone():
            return answer
        with self._lock:
            self._number += 1
            number, self._open[self._number] = self._number, answer
        self._sink.emit(Ask(number, topic, payload))
        return answer

    def _gone(self) -> bool:
        return self._descriptor < 0 or os.getpid() != self._process

    def _look(self, timeout_s: float) -> bool:
        if self._gone():
            return False
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        ready = poll.poll(timeout_s * 1000)
        with self._lock:
            if ready and not self._gone():
                for content in self._frames.feed(self._bytes()):
                    answered = ANSWERS.decode(content)
                    asked = self._open.pop(answered.number, None)
                    if asked is not None:
                        asked.arrive(answered.value)
            return not self._gone()

    def _bytes(self) -> bytes:
        """The available bytes; the end of the stream ends all asking."""
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:            # another thread has read them
            return b""
        if not data:
            os.close(self._descriptor)
            self._descriptor = -1
        return data
