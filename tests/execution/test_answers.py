"""A run asks its worker for the peers' curves, and never waits long."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from hyperspace_core.execution import answers
from hyperspace_core.execution.answers import AnswerPipe, Answers, PeerNews, Peers
from hyperspace_core.execution.protocol import Message, PeersWanted


def never() -> bool:
    return False


class Harness:
    """The worker's side: records questions and answers them at once."""

    def __init__(self) -> None:
        self.pipe, reader = AnswerPipe.opened()
        self.asked: list[PeersWanted] = []
        self.at_once: list[Peers] = []
        self.answers = Answers(reader, self)

    def send(self, message: Message) -> None:
        assert isinstance(message, PeersWanted)
        self.asked.append(message)
        if self.at_once:
            self.pipe.send(self.at_once.pop(0))


@pytest.fixture
def harness() -> Iterator[Harness]:
    made = Harness()
    yield made
    made.pipe.close()


def news(run: int, *points: tuple[int, float]) -> PeerNews:
    return PeerNews(run, "completed", list(points))


def test_an_answer_arrives(harness: Harness) -> None:
    answer = Peers(1, ended=[news(3, (1, 0.5))], running=[news(4, (1, float("inf")))])
    harness.at_once = [answer]

    assert harness.answers.ask("loss", never) == answer
    assert harness.asked == [PeersWanted(1, "loss")]


def test_an_answer_larger_than_the_pipe_arrives(harness: Harness) -> None:
    answer = Peers(1, ended=[news(run, *((step, step / 7) for step in range(1000))) for run in range(300)])
    sending = threading.Thread(target=harness.pipe.send, args=(answer,))
    sending.start()

    assert harness.answers.ask("loss", never) == answer
    sending.join(10)


def test_a_worker_that_is_gone_is_not_waited_for(harness: Harness) -> None:
    harness.pipe.close()

    assert harness.answers.ask("loss", never) is None
    assert harness.answers.ask("loss", never) is None
    assert len(harness.asked) == 1


def test_a_worker_that_dies_within_an_answer_counts_as_gone(harness: Harness) -> None:
    os.write(harness.pipe._descriptor, b"\0\0\1\0half of it")
    harness.pipe.close()

    assert harness.answers.ask("loss", never) is None


def test_a_run_that_stops_anyway_ends_its_wait_for_an_answer(harness: Harness) -> None:
    reasons = iter([False, True])

    assert harness.answers.ask("loss", lambda: next(reasons)) is None


def test_a_late_answer_comes_with_the_next_one(
        harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "PATIENCE_S", 0.01)
    assert harness.answers.ask("loss", never) is None
    assert harness.answers.ask("loss", never) is None
    assert [one.number for one in harness.asked] == [1]
    monkeypatch.setattr(answers, "PATIENCE_S", 10.0)

    harness.pipe.send(Peers(1, ended=[news(3, (1, 0.5))], running=[news(4, (2, 0.5))]))
    harness.at_once = [Peers(2, ended=[news(5, (1, 0.5))])]
    answer = harness.answers.ask("loss", never)

    assert [one.number for one in harness.asked] == [1, 2]
    assert answer == Peers(2, ended=[news(3, (1, 0.5)), news(5, (1, 0.5))], running=[news(4, (2, 0.5))])


def test_an_unread_answer_is_dropped_at_the_end_of_the_run(harness: Harness) -> None:
    answer = Peers(1, ended=[news(run, *((step, step / 7) for step in range(1000))) for run in range(300)])
    sending = threading.Thread(target=harness.pipe.send, args=(answer,))
    sending.start()
    harness.pipe.close()
    sending.join(10)

    assert not sending.is_alive()
    harness.pipe.send(answer)                         # nothing is written to a descriptor that may be reused
