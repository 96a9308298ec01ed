"""A pruner's view of the other runs: what late answers say is not lost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hyperspace_core.execution import answers
from hyperspace_core.execution.answers import Answer
from hyperspace_tuning.pruning import _Known
from hyperspace_tuning.search_curves import CURVES, PeerNews, Peers


class Worker:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.open: list[Answer] = []
        self.at_once: list[Peers] = []

    def ask(self, topic: str, payload: Any = None) -> Answer:
        self.asked.append((topic, payload))
        self.open.append(Answer(lambda timeout_s: True))
        if self.at_once:
            self.answer(self.at_once.pop(0))
        return self.open[-1]

    def answer(self, peers: Peers | None) -> None:
        self.open[-1].arrive(msgspec.to_builtins(peers))


def news(run: int, *points: tuple[int, float]) -> PeerNews:
    return PeerNews(run, "completed", list(points))


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(answers.Answer.wait, "__defaults__", (0.0, lambda: False))
    return Worker()


def test_a_late_answer_comes_with_the_next_one(worker: Worker) -> None:
    known = _Known(worker.ask, "loss", lambda: False)
    assert known.now() == ()
    assert known.now() == ()
    assert worker.asked == [(CURVES, "loss")]      # a slow worker is not asked again

    worker.answer(Peers(ended=[news(3, (1, 0.5))], running=[news(4, (2, 0.5))]))
    worker.at_once = [Peers(ended=[news(5, (1, 0.5))])]

    assert sorted(peer.run for peer in known.now()) == [3, 4, 5]
    assert len(worker.asked) == 2


def test_a_worker_without_an_answer_makes_no_peers_known(worker: Worker) -> None:
    known = _Known(worker.ask, "loss", lambda: False)
    worker.at_once = [Peers(ended=[news(3, (1, 0.5))])]
    assert [peer.run for peer in known.now()] == [3]

    worker.at_once = [Peers(known=False)]
    assert known.now() == ()

    worker.answer(None)
    assert known.now() == ()


def test_a_run_that_is_running_again_counts_once(worker: Worker) -> None:
    known = _Known(worker.ask, "loss", lambda: False)
    worker.at_once = [Peers(ended=[news(3, (1, 0.5))]),
                      Peers(running=[PeerNews(3, "running", [(1, 0.7)])])]
    known.now()

    assert [(peer.run, peer.state) for peer in known.now()] == [(3, "running")]
