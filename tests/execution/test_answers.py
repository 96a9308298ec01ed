"""A run asks its worker how the others do, and never waits for one that cannot answer."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from hyperspace_core.execution import answers
from hyperspace_core.execution.answers import AnswerPipe, Answers, PeerNews, Peers
from hyperspace_core.execution.messages import Message, PeersWanted


def never() -> bool:
    return False


class Desk:
    """The worker's side: what was asked, and what is answered to it at once."""

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
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.pipe.close()


def news(run: int, *points: tuple[int, float]) -> PeerNews:
    return PeerNews(run, "completed", list(points))


def test_what_is_answered_arrives(desk: Desk) -> None:
    answer = Peers(1, ended=[news(3, (1, 0.5))], running=[news(4, (1, float("inf")))])
    desk.at_once = [answer]

    assert desk.answers.ask("loss", never) == answer
    assert desk.asked == [PeersWanted(1, "loss")]


def test_an_answer_of_many_megabytes_arrives_though_a_pipe_holds_less(desk: Desk) -> None:
    answer = Peers(1, ended=[news(run, *((step, step / 7) for step in range(1000))) for run in range(300)])
    sending = threading.Thread(target=desk.pipe.send, args=(answer,))
    sending.start()

    assert desk.answers.ask("loss", never) == answer
    sending.join(10)


def test_a_worker_that_is_gone_is_not_waited_for(desk: Desk) -> None:
    desk.pipe.close()

    assert desk.answers.ask("loss", never) is None
    assert desk.answers.ask("loss", never) is None
    assert len(desk.asked) == 1


def test_a_worker_that_goes_in_the_midst_of_an_answer_is_gone(desk: Desk) -> None:
    os.write(desk.pipe._descriptor, b"\0\0\1\0half of it")
    desk.pipe.close()

    assert desk.answers.ask("loss", never) is None


def test_a_run_that_has_other_reasons_to_stop_waits_no_longer(desk: Desk) -> None:
    reasons = iter([False, True])

    assert desk.answers.ask("loss", lambda: next(reasons)) is None


def test_a_slow_worker_is_asked_again_only_once_it_has_answered_and_nothing_is_lost(
        desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "PATIENCE_S", 0.01)
    assert desk.answers.ask("loss", never) is None
    assert desk.answers.ask("loss", never) is None
    assert [one.number for one in desk.asked] == [1]
    monkeypatch.setattr(answers, "PATIENCE_S", 10.0)

    desk.pipe.send(Peers(1, ended=[news(3, (1, 0.5))], running=[news(4, (2, 0.5))]))
    desk.at_once = [Peers(2, ended=[news(5, (1, 0.5))])]
    answer = desk.answers.ask("loss", never)

    assert [one.number for one in desk.asked] == [1, 2]
    assert answer == Peers(2, ended=[news(3, (1, 0.5)), news(5, (1, 0.5))], running=[news(4, (2, 0.5))])


def test_an_answer_that_nobody_reads_is_given_up_when_the_run_has_ended(desk: Desk) -> None:
    answer = Peers(1, ended=[news(run, *((step, step / 7) for step in range(1000))) for run in range(300)])
    sending = threading.Thread(target=desk.pipe.send, args=(answer,))
    sending.start()
    desk.pipe.close()
    sending.join(10)

    assert not sending.is_alive()
    desk.pipe.send(answer)                         # nor is anything written where another file may be by now
