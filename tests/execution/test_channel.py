"""A run's end of the pipe."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from hyperspace_core.execution.channel import BACKLOG, ChannelSink
from hyperspace_core.execution.protocol import Ended, Unframer
from hyperspace_core.records.logged import InfoSet, Points
from hyperspace_core.records.run import Finish
from hyperspace_core.records.states import Outcome
from hyperspace_core.run import Run


class Reader:
    """The reading end, read to its end on request."""

    def __init__(self):
        self.descriptor, writer = os.pipe()
        self.sink = ChannelSink(writer)
        self._unframer = Unframer()

    def all(self):
        """Everything until the sink is closed."""
        heard = []
        while data := os.read(self.descriptor, 1 << 16):
            heard += self._unframer.feed(data)
        return heard

    def now(self):
        return self._unframer.feed(os.read(self.descriptor, 1 << 16))


@pytest.fixture
def reader():
    made = Reader()
    yield made
    os.close(made.descriptor)
    made.sink.close()


def a_point(seq):
    return Points([(seq, "loss", seq, float(seq), 0.0)])


def seqs(messages):
    return [point[0] for message in messages if isinstance(message, Points) for point in message.points]


def test_a_point_is_in_the_pipe_when_the_call_returns(reader):
    reader.sink.emit(a_point(0))
    assert seqs(reader.now()) == [0]


def test_points_keep_their_order_while_the_reader_pauses(reader):
    count = 20_000                                              # more than any pipe holds
    for seq in range(count):
        reader.sink.emit(a_point(seq))
    closing = threading.Thread(target=reader.sink.close)
    closing.start()
    assert seqs(reader.all()) == list(range(count))
    closing.join()


class Interrupted(BaseException):
    """An exception of a signal handler, at any point."""


class Alarm:
    """A signal every few microseconds, whose handler raises on request."""

    def __init__(self):
        self.armed = False
        self.raised = 0

    def __enter__(self):
        self._before = signal.signal(signal.SIGALRM, self._handle)
        self._timer = signal.setitimer(signal.ITIMER_REAL, 0.00001, 0.00003)
        return self

    def __exit__(self, *error):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)              # drop a late signal
        signal.signal(signal.SIGALRM, self._before)
        signal.setitimer(signal.ITIMER_REAL, *self._timer)         # the test's own limit

    def _handle(self, number, frame):
        if self.armed:
            self.armed = False
            self.raised += 1
            raise Interrupted


def test_signal_handler_exceptions_lose_and_double_nothing(reader):
    returned, seq = [], 0
    with Alarm() as alarm:
        while alarm.raised < 1_000:
            try:
                alarm.armed = True
                reader.sink.emit(a_point(seq))
                alarm.armed = False
                returned.append(seq)
            except Interrupted:
                pass
            seq += 1
    closing = threading.Thread(target=reader.sink.close, daemon=True)
    closing.start()
    heard = seqs(reader.all())
    assert set(returned) <= set(heard)
    assert heard == sorted(set(heard))


def test_a_message_larger_than_the_pipe_arrives_in_order(reader):
    big = "x" * (3 << 20)
    reader.sink.emit(a_point(0))
    reader.sink.emit(InfoSet("big", big))
    reader.sink.emit(a_point(1))
    closing = threading.Thread(target=reader.sink.close)
    closing.start()
    heard = reader.all()
    closing.join()
    assert [type(message) for message in heard] == [Points, InfoSet, Points]
    assert heard[1].value == big


def test_a_full_backlog_delays_each_call_by_a_millisecond(reader):
    reader.sink.emit(InfoSet("big", "x" * BACKLOG))
    began = time.perf_counter()
    for seq in range(20):
        reader.sink.emit(a_point(seq))
    assert 0.02 <= time.perf_counter() - began < 1.0
    closing = threading.Thread(target=reader.sink.close)
    closing.start()
    assert seqs(reader.all()) == list(range(20))
    closing.join()


def test_several_threads_may_log(reader):
    def log(first):
        for seq in range(first, first + 1000):
            reader.sink.emit(a_point(seq))

    threads = [threading.Thread(target=log, args=(1000 * i,)) for i in range(4)]
    closing = threading.Thread(target=lambda: ([t.join() for t in threads], reader.sink.close()))
    for thread in [*threads, closing]:
        thread.start()
    assert sorted(seqs(reader.all())) == list(range(4000))
    closing.join()


def test_a_reader_that_is_gone_does_not_disturb_the_run(reader):
    os.close(reader.descriptor)
    for seq in range(3):
        reader.sink.emit(a_point(seq))
    reader.sink.close()
    reader.descriptor = os.open(os.devnull, os.O_RDONLY)


def test_nothing_is_sent_after_the_outcome(reader):
    reader.sink.emit(Ended(Finish(outcome=Outcome.COMPLETED, result=1.0), heard=True))
    reader.sink.emit(a_point(0))
    reader.sink.close()
    assert [type(message) for message in reader.all()] == [Ended]


def test_a_signal_handler_that_logs_does_not_hang_the_run(reader):
    run = Run(sink=reader.sink, seed=0, workdir=Path())
    before = signal.signal(signal.SIGALRM, lambda number, frame: run.log_scalar("alarms", 1.0))
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for step in range(3000):
            run.log_scalar("loss", 1.0, step)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    closing = threading.Thread(target=reader.sink.close)
    closing.start()
    heard = reader.all()
    closing.join()
    names = [point[1] for message in heard if isinstance(message, Points) for point in message.points]
    assert names.count("loss") == 3000
    assert "alarms" in names


def test_a_forked_sink_is_muted_and_warns_once(reader):
    said, says = os.pipe()
    pid = os.fork()
    if pid == 0:                                                # a fork, as user code makes one
        import sys

        sys.stderr = os.fdopen(says, "w", buffering=1)
        reader.sink.emit(a_point(7))
        reader.sink.emit(a_point(8))
        reader.sink.close()
        os._exit(0)
    os.close(says)
    assert os.waitpid(pid, 0)[1] == 0
    reader.sink.emit(a_point(0))
    assert seqs(reader.now()) == [0]
    with os.fdopen(said) as file:
        assert file.read().count("not recorded") == 1
