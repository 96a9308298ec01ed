"""Exceptions of user code as text."""

from __future__ import annotations

import traceback

import pytest

from hyperspace_core.errors import REASON_CHARACTERS, error_line, shortened
from hyperspace_core.execution.failure import TRACEBACK_CHARACTERS, failure, traceback_text
from hyperspace_core.records.states import Outcome


def raised(error):
    try:
        raise error
    except BaseException as caught:
        return caught


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class Unpicklable(Exception):
    def __init__(self, lock):
        super().__init__("cannot travel")
        self.lock = lock


def test_an_exception_keeps_type_text_and_traceback():
    finish = failure(raised(ValueError("loss is\n  too high")))
    assert finish.outcome is Outcome.FAILED
    assert finish.reason == "ValueError: loss is too high"
    assert "in raised" in finish.traceback
    assert finish.retry


def test_system_exit_is_named():
    finish = failure(raised(SystemExit(3)))
    assert finish.outcome is Outcome.CRASHED
    assert finish.reason.startswith("SystemExit(3)")
    assert "in raised" in finish.traceback


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit()])
def test_base_exceptions_are_reported(error):
    finish = failure(raised(error))
    assert finish.outcome is Outcome.FAILED
    assert finish.reason == type(error).__name__


def test_memory_error_is_out_of_memory():
    assert failure(raised(MemoryError("1 TB"))).outcome is Outcome.OUT_OF_MEMORY


def test_an_exception_whose_str_raises_is_named():
    finish = failure(raised(Mute()))
    assert finish.reason == "Mute: <its __str__ raised RuntimeError>"
    assert "Mute" in finish.traceback


def test_an_exception_group_shows_its_members():
    group = ExceptionGroup("two folds failed", [raised(ValueError("fold 1")), raised(KeyError("fold 2"))])
    text = failure(raised(group)).traceback
    assert "fold 1" in text
    assert "fold 2" in text


def test_a_message_of_a_megabyte_is_shortened():
    finish = failure(raised(ValueError("start " + "x" * 1_000_000 + " end")))
    assert len(finish.reason) < REASON_CHARACTERS + 100
    assert len(finish.traceback) < TRACEBACK_CHARACTERS + 100
    assert "characters left out" in finish.traceback
    assert finish.traceback.rstrip().endswith("end")


def test_an_exception_that_cannot_be_pickled_becomes_text():
    import threading

    assert error_line(raised(Unpicklable(threading.Lock()))) == "Unpicklable: cannot travel"


def test_the_frameworks_own_leading_frames_are_left_out():
    from hyperspace_core.execution.process_io import Interruption

    def user_code():
        raise ValueError("mine")

    def through_the_framework():
        with Interruption().user_code():
            user_code()

    try:
        through_the_framework()
    except ValueError as error:
        inner = error.__traceback__
        while "hyperspace_core" not in inner.tb_frame.f_code.co_filename and inner.tb_next:
            inner = inner.tb_next
        text = traceback_text(error)
    assert "user_code" in text
    assert "interruption.py" not in text.split("user_code")[0]


def test_a_cause_is_shown_too():
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError as error:
        text = traceback_text(error)
    assert text.index("first") < text.index("second")
    assert traceback._cause_message.strip() in text


def test_a_lone_surrogate_does_not_stop_the_report():
    finish = failure(raised(ValueError("file \udcff")))
    finish.reason.encode()
    finish.traceback.encode()


def test_short_texts_stay_unchanged():
    assert shortened("abc", 3) == "abc"
