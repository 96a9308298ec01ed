"""Scenarios to be wrapped; this file becomes the module `lab.wrapped` of the test project."""

import os
import random
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

from hyperspace_core.components import Component, Dataset, Scenario
from hyperspace_core.run import Run


class Learner(Component):
    """Counts its calls."""

    rate: float
    used: int


@dataclass
class Counting(Learner):
    rate: float = 1.0

    def __post_init__(self) -> None:
        self.used = 0


@dataclass
class Numbers(Dataset):
    fold: int = 0
    series: str = "a"
    train_from: int | None = None
    test_from: int = 0
    test_until: int = 0

    def every_series(self) -> list[str]:
        return ["a", "General Motors", "b"]

    def load(self) -> list[object]:
        return [self.fold, self.series]


@dataclass
class Trial(Scenario):
    """Scores by seed and fold; fails where a file says so."""

    dataset: Numbers
    folder: str = ""

    def single_run(self, run: Run, learner: Learner = Counting(),  # noqa: B008
                   stumble: str = "") -> dict[str, float]:
        run.stages.load_data(self.dataset)
        learner.used += 1
        run.log_scalar("loss", learner.used, 1)
        run.info["seen"] = [self.dataset.fold, self.dataset.series]
        run.log_artifact(b"weights", "model.bin")
        if self.folder:
            name = f"{self.dataset.fold}-{run.seed}-{run.attempt}"
            (Path(self.folder) / name).write_text(str(os.getpid()))
        how, _, fold = stumble.partition(",")
        if fold == str(self.dataset.fold) and run.attempt == 1:
            stumbles(how, run)
        return {"score": run.seed + 10 * self.dataset.fold + learner.rate, "drawn": random.random()}


def stumbles(how: str, run: Run) -> None:
    if how == "raise":
        raise ValueError("on purpose")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "wait":
        threading.Event().wait()
    if how == "polite":
        while not run.should_stop():
            threading.Event().wait(0.01)


def plain(seed: int = 0, rate: float = 0.5) -> float:
    """A function, with the seed as a hyper-parameter."""
    return seed + rate
