"""Time of a proposal after 5,000 trials, compared with a plain Optuna `ask`."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

import optuna
from tools import show

from hyperspace_tuning.samplers.replay import Replay
from hyperspace_tuning.samplers.tuners import GP, NSGAII, TPE, CmaEs, conditional
from hyperspace_tuning.space import Space
from hyperspace_tuning.testing.tuners import conditional_space, drawn_history, flat_space
from hyperspace_tuning.tuner import History, Trial, Tuner

TRIALS = 5000
PROPOSALS = 15
SPACES = {"3 numbers": flat_space, "3 classes": conditional_space}


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = call()
    return 1e3 * (time.perf_counter() - began), found


def proposals(tuner: Tuner, space: Space, history: History) -> tuple[float, float]:
    """Milliseconds of the first proposal (reads the history), median of later ones."""
    rng, times = Random(0), []
    for number in range(1 + PROPOSALS):
        took, assignment = timed(partial(tuner.propose, space, history, rng))
        times.append(took)
        done = Trial(assignment=assignment, state="completed", value=0.5, values={"result": 0.5}, run=number)
        history = replace(history, trials=(*history.trials, done))
    return times[0], statistics.median(times[1:])


def plain(make: Callable[[], optuna.samplers.BaseSampler], space: Space,
          history: History) -> tuple[float, float]:
    """The same for Optuna, with a study in memory."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    model = Replay(space, history.metrics)
    study = optuna.create_study(direction="maximize", sampler=make())

    def suggest() -> optuna.Trial:
        trial = study.ask()
        space.walk(lambda one: model._suggest(trial, one))
        return trial

    filling, _ = timed(lambda: study.add_trials(model._frozen(*pair) for pair in enumerate(history.trials)))
    times = []
    for _ in range(PROPOSALS):
        took, trial = timed(suggest)
        times.append(took)
        study.tell(trial, 0.5)
    return filling + times[0], statistics.median(times)


def main() -> None:
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    rows = []
    for name, make_space in SPACES.items():
        space = make_space()
        history = drawn_history(space, TRIALS, mixed=False)
        group = conditional(space) is not None
        pairs: list[tuple[str, Tuner, Callable[[], optuna.samplers.BaseSampler]]] = [
            ("GP", GP(), lambda: optuna.samplers.TPESampler(seed=0)),       # Optuna's default
            ("TPE", TPE(), lambda group=group: optuna.samplers.TPESampler(
                seed=0, multivariate=True, group=group, constant_liar=True)),
            ("NSGAII", NSGAII(), lambda: optuna.samplers.NSGAIISampler(seed=0, population_size=20))]
        if not group:
            pairs.append(("CmaEs", CmaEs(), lambda: optuna.samplers.CmaEsSampler(seed=0)))
        for label, tuner, sampler in pairs:
            ours, theirs = proposals(tuner, space, history), plain(sampler, space, history)
            figures = (f"{ours[1]:6.1f} ms, Optuna {theirs[1]:6.1f} ms; the first, with the history: "
                       f"{ours[0]:5.0f} ms, Optuna {theirs[0]:5.0f} ms")
            rows.append((f"{label}, {name}", figures))
    show(f"one proposal after {TRIALS:,} trials (median of {PROPOSALS})", rows)


if __name__ == "__main__":
    main()
