"""A run asks its worker, and never waits long for an answer."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hyperspace_core.execution.answers import AnswerPipe, Answers, no_worker
from hyperspace_core.execution.protocol import Ask, Message


class Harness:
    """The worker's side: records questions and answers them at once."""

    def __init__(self) -> None:
        self.pipe, reader = AnswerPipe.opened()
        self.asked: list[Ask] = []
        self.at_once: list[Any] = []
        self.answers = Answers(reader, self)

    def emit(self, message: Message) -> None:
        assert isinstance(message, Ask)
        self.asked.append(message)
        if self.at_once:
            self.pipe.send(message.number, self.at_once.pop(0))


@pytest.fixture
def harness() -> Iterator[Harness]:
    made = Harness()
    yield made
    made.pipe.close()


LARGE = [[run, [[step, step / 7] for step in range(1000)]] for run in range(300)]


def test_an_answer_arrives(harness: Harness) -> None:
    harness.at_once = [{"runs": [[3, float("inf")]], "known": None}]

    answer = harness.answers.ask("mine.curves", {"series": "loss"})

    assert answer.wait() and answer.arrived
    assert answer.value == {"runs": [[3, float("inf")]], "known": None}
    assert harness.asked == [Ask(1, "mine.curves", {"series": "loss"})]


def test_a_question_does_not_wait(harness: Harness) -> None:
    answer = harness.answers.ask("topic")

    assert not answer.arrived and answer.value is None
    harness.pipe.send(1, "late")
    assert answer.arrived and answer.value == "late"


def test_an_answer_larger_than_the_pipe_arrives(harness: Harness) -> None:
    answer = harness.answers.ask("topic")
    sending = threading.Thread(target=harness.pipe.send, args=(1, LARGE))
    sending.start()

    assert answer.wait() and answer.value == LARGE
    sending.join(10)


def test_a_worker_that_is_gone_is_not_waited_for(harness: Harness) -> None:
    harness.pipe.close()

    assert not harness.answers.ask("topic").wait()
    assert not harness.answers.ask("topic").wait()
    assert len(harness.asked) == 1
    assert not no_worker("topic").wait()


def test_a_worker_that_dies_within_an_answer_counts_as_gone(harness: Harness) -> None:
    os.write(harness.pipe._descriptor, b"\0\0\1\0half of it")
    harness.pipe.close()

    assert not harness.answers.ask("topic").wait()


def test_a_run_that_stops_anyway_ends_its_wait_for_an_answer(harness: Harness) -> None:
    reasons = iter([False, True])

    assert not harness.answers.ask("topic").wait(enough=lambda: next(reasons))


def test_answers_find_their_questions(harness: Harness) -> None:
    first, second = harness.answers.ask("one"), harness.answers.ask("two")
    assert not first.wait(0.0)

    harness.pipe.send(2, "two")
    harness.pipe.send(1, "one")

    assert second.wait() and first.arrived
    assert (first.value, second.value) == ("one", "two")


def test_a_value_that_is_not_plain_is_refused(harness: Harness) -> None:
    with pytest.raises(TypeError):
        harness.pipe.send(1, object())


def test_a_process_that_the_run_forked_asks_nothing(
        harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.answers, "_process", os.getpid() + 1)

    assert not harness.answers.ask("topic").wait()
    assert harness.asked == []


def test_an_unread_answer_is_dropped_at_the_end_of_the_run(harness: Harness) -> None:
    sending = threading.Thread(target=harness.pipe.send, args=(1, LARGE))
    sending.start()
    harness.pipe.close()
    sending.join(10)

    assert not sending.is_alive()
    harness.pipe.send(2, LARGE)                       # nothing is written to a descriptor that may be reused
