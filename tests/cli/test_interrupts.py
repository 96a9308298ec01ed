"""Tests of Ctrl-C during an action that must be completed."""

from __future__ import annotations

import signal
import threading

import pytest

from hyperspace_core.cli.main import held_interrupt


def test_the_first_ctrl_c_is_kept_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)

    with held_interrupt() as pressed:
        assert not pressed()
        signal.raise_signal(signal.SIGINT)
        assert pressed()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    assert signal.getsignal(signal.SIGINT) is before


def test_a_pressed_ctrl_c_is_known_afterwards() -> None:
    with held_interrupt() as pressed:
        signal.raise_signal(signal.SIGINT)

    assert pressed()


def test_other_threads_leave_the_signal_handler_alone() -> None:
    before, answers = signal.getsignal(signal.SIGINT), []

    def beside() -> None:
        with held_interrupt() as pressed:
            answers.append(pressed())

    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()

    assert answers == [False]
    assert signal.getsignal(signal.SIGINT) is before
