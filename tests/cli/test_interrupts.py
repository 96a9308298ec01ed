"""Ctrl-C where a deed must not be left half done."""

from __future__ import annotations

import signal
import threading

import pytest

from hyperspace_core.cli.interrupts import held_interrupt


def test_the_first_is_remembered_and_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)

    with held_interrupt() as pressed:
        assert not pressed()
        signal.raise_signal(signal.SIGINT)
        assert pressed()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    assert signal.getsignal(signal.SIGINT) is before


def test_what_was_pressed_is_known_afterwards() -> None:
    with held_interrupt() as pressed:
        signal.raise_signal(signal.SIGINT)

    assert pressed()


def test_outside_the_main_thread_nothing_is_changed() -> None:
    before, answers = signal.getsignal(signal.SIGINT), []

    def beside() -> None:
        with held_interrupt() as pressed:
            answers.append(pressed())

    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()

    assert answers == [False]
    assert signal.getsignal(signal.SIGINT) is before
