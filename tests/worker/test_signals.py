"""Signals while user code runs in the main thread reach only that code."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from hyperspace_core.worker.signals import UserCodeSignals, heard_as_stop


def test_the_first_press_asks_and_the_second_raises() -> None:
    asked: list[str] = []
    with pytest.raises(KeyboardInterrupt), UserCodeSignals(lambda: asked.append("stop")) as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert (asked, signals.pressed) == (["stop"], True)
        os.kill(os.getpid(), signal.SIGINT)
    assert asked == ["stop"]


def test_a_request_of_another_thread_is_not_a_ctrl_c() -> None:
    asked: list[threading.Thread] = []
    with UserCodeSignals(lambda: asked.append(threading.current_thread())) as signals:
        other = threading.Thread(target=signals.ask_from_elsewhere)
        other.start()
        other.join()
    assert asked == [threading.main_thread()]
    assert not signals.pressed


def test_a_request_at_the_end_of_user_code_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    on_its_way, left = threading.Event(), threading.Event()
    send = signal.pthread_kill

    def late(thread: int, number: int) -> None:
        on_its_way.set()
        left.wait(0.3)                 # user code could end meanwhile
        send(thread, number)

    monkeypatch.setattr(signal, "pthread_kill", late)
    with UserCodeSignals(lambda: asked.append("stop")) as signals:
        other = threading.Thread(target=signals.ask_from_elsewhere)
        other.start()
        on_its_way.wait(10)
    left.set()
    other.join(10)
    signals.ask_from_elsewhere()       # afterwards no signal is sent
    assert asked == ["stop"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_forked_process_does_not_stop_the_worker() -> None:
    heard: list[str] = []
    with heard_as_stop(lambda level, why: heard.append(why)):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(writer, b"x")
            while True:
                signal.pause()
        os.read(reader, 1)
        os.close(reader)
        os.close(writer)
        os.kill(pid, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
        os.kill(os.getpid(), signal.SIGTERM)
    assert heard == ["it received SIGTERM"]
