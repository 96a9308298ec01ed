"""The child's end of the channel to its worker.

The thread that logs writes the message to the pipe at once: when `log_scalar` returns, the point has left the
process and survives a segfault in the next line. That costs about three microseconds. Where the pipe is full,
or the message too large for one atomic write, a sender thread writes it and the caller goes on.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import select
import threading
import time
import weakref

from hyperspace_core.execution.process_io import echo_in_run
from hyperspace_core.execution.protocol import MESSAGES, Ended, Message

ATOMIC = getattr(select, "PIPE_BUF", 512)      # bytes of one atomic write to a pipe
BACKLOG = 8 << 20                              # bytes that may wait before callers are slowed down
SLOWED_S = 0.001


class ChannelSink:
    """Sends what a run logs over a pipe, whose write end it owns. Thread-safe.

    In a process that user code forked it is muted: two processes would number points alike.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._lock = threading.RLock()             # reentrant: a signal handler of user code may log
        self._changed = threading.Condition(self._lock)
        self._backlog = bytearray()                # for the sender thread
        self._in_hand = 0                          # bytes that the sender thread is writing
        self._sending = False                      # the sender thread runs
        self._broken = False                       # the read end is closed
        self._ended = False                         # the outcome was sent: the last message
        self._muted = False
        _mute_in_forks(self)

    def emit(self, message: Message) -> None:
        """Send one message; waits only where the backlog is full, and one millisecond."""
        data = MESSAGES.frame(message)
        with self._lock:
            if self._muted or self._broken or self._ended:
                if self._muted and not self._broken:
                    self._broken = True
                    echo_in_run("logged in a process that the run forked: not recorded; log in the run's "
                                "own process")
                return
            self._ended = isinstance(message, Ended)
            if not self._waiting() and len(data) <= ATOMIC and self._written(data):
                return                             # the order of messages is kept: none overtakes the backlog
            # one step: an exception of a signal handler comes before or after it
            self._backlog += data
            self._start_sender()
            full = self._waiting() > BACKLOG
        if full:
            time.sleep(SLOWED_S)

    def flush(self) -> None:
        """Wait until everything is in the pipe, or its read end is closed."""
        with self._lock:
            self._changed.wait_for(lambda: not self._waiting() or self._broken or self._muted)

    def close(self) -> None:
        """Flush, then close the pipe. Idempotent."""
        self.flush()
        with self._lock, contextlib.suppress(OSError):
            if not self._muted and self._descriptor >= 0:
                os.close(self._descriptor)
            self._broken, self._descriptor = True, -1

    def _written(self, data: bytes) -> bool:
        """Write atomically, also if a signal handler raises; False for a full pipe."""
        try:
            os.write(self._descriptor, data)
        except BlockingIOError:
            return False
        except OSError:
            self._broken = True
        return True

    def _waiting(self) -> int:
        return len(self._backlog) + self._in_hand

    def _start_sender(self) -> None:
        if not self._sending:
            # `Thread.start` waits, and an exception of a signal handler there would leave it half done
            _thread.start_new_thread(self._send_backlog, ())
        self._changed.notify_all()

    def _send_backlog(self) -> None:
        with self._lock:
            if self._sending:                      # a second thread was started before the first ran
                return
            self._sending = True
        whole = True
        while whole:
            with self._lock:
                self._changed.wait_for(lambda: bool(self._backlog))
                batch, self._backlog = bytes(self._backlog), bytearray()
                self._in_hand = len(batch)
            whole = self._pushed(batch)
            with self._lock:
                self._in_hand = 0
                self._broken = self._broken or not whole
                self._changed.notify_all()

    def _pushed(self, data: bytes) -> bool:
        """Write everything, without a time limit; False where the read end is closed."""
        room = select.poll()
        rest = memoryview(data)
        try:
            room.register(self._descriptor, select.POLLOUT)
            while rest:
                room.poll()
                with contextlib.suppress(BlockingIOError):
                    rest = rest[os.write(self._descriptor, rest):]
        except OSError:
            return False
        return True

    def _mute(self) -> None:
        """Mute a forked process; it needs a new lock, since the copy may be held."""
        self._muted = True
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)


def _mute_in_forks(sink: ChannelSink) -> None:
    reference = weakref.ref(sink)

    def mute() -> None:
        held = reference()
        if held is not None:
            held._mute()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=mute)
