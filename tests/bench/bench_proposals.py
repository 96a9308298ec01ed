"""Time of a proposal with 5,000 past runs, compared with a plain Optuna `ask`.

Ours includes every step of a worker: read changes from the store, send them to the proposer, find comparable
runs and map them to the space, ask TPE, store the run. Optuna uses a study in memory.
"""

from __future__ import annotations

import itertools
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import optuna
from tools import show

from hyperspace_core.clock import SystemClock
from hyperspace_core.execution.identity import this_process
from hyperspace_core.records.run import Finish, RunRecord
from hyperspace_core.records.states import Outcome
from hyperspace_core.storage import new_token
from hyperspace_core.study import Study
from hyperspace_tuning.proposals import Proposals
from hyperspace_tuning.proposer_client import ChildProposer
from hyperspace_tuning.proposer_protocol import OpenProject
from hyperspace_tuning.samplers.replay import Replay
from hyperspace_tuning.sampling import sample
from hyperspace_tuning.study import Search

RUNS = 5000
PROPOSALS = 15


def timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - began)


def filled(study: Study) -> Search:
    """A search in a store with many runs, modelled on real runs."""
    grid = {"classifier": ["Forest", "Linear", "Support"], "scaler": ["Standard", "Unscaled"]}
    done = {names: study.run("holdout", dict(zip(grid, names, strict=True)), echo=False)
            for names in itertools.product(*grid.values())}
    search = study.tune("holdout", runs=1000, tuner="TPE")
    space, rng = search.space(), Random(0)

    def another(number: int) -> RunRecord:
        config = space.config_of(sample(space, rng))
        like = done[config["classifier"]["className"], config["scaler"]["className"]]
        return replace(like, uid=f"past-{number}", config=config, submitted=config, result=rng.random())

    for start in range(0, RUNS, 500):
        study.store.restore([another(number) for number in range(start, start + 500)])
    return search


def ours(study: Study) -> tuple[float, float]:
    """Milliseconds of the first proposal, and the median of later ones."""
    asker = ChildProposer(OpenProject(study.name, None, (), None))
    proposals = Proposals(study.store, study.name, asker, clock=SystemClock(),
                          tell=lambda text, level: logging.warning(text))
    times = []
    for _ in range(1 + PROPOSALS):
        times.append(timed(partial(proposals.after_queue, ("holdout",))))
        claim = study.store.claim(study.name, this_process("bench"), new_token())
        assert claim is not None
        study.store.finish(claim.lease, Finish(outcome=Outcome.COMPLETED, result=0.5, metrics={}))
    proposals.close()
    return times[0], statistics.median(times[1:])


def plain(search: Search) -> tuple[float, float]:
    """The same for Optuna, with the same trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space, history = search.space(), search.seen().history
    model = Replay(space, history.metrics)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(
        seed=0, multivariate=True, group=True, constant_liar=True))

    def suggest() -> None:
        trial = study.ask()
        space.walk(lambda one: model._suggest(trial, one))
        study.tell(trial, 0.5)

    filling = timed(lambda: study.add_trials(model._frozen(*pair) for pair in enumerate(history.trials)))
    times = [timed(suggest) for _ in range(PROPOSALS)]
    return filling + times[0], statistics.median(times)


def main() -> None:
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    with tempfile.TemporaryDirectory() as folder, Study("digits", f"sqlite:///{Path(folder)}/r.db") as study:
        search = filled(study)
        theirs = plain(search)
        mine = ours(study)
        show(f"one proposal of TPE, {RUNS:,} past runs of digits", [
            ("first, hyperspace (opens the project, reads all runs)", f"{mine[0]:8.0f} ms"),
            ("first, Optuna (fills a study in memory)", f"{theirs[0]:8.0f} ms"),
            ("later ones, hyperspace, from the store and back", f"{mine[1]:8.1f} ms"),
            ("later ones, Optuna ask", f"{theirs[1]:8.1f} ms"),
            ("ratio of later ones", f"{mine[1] / theirs[1]:8.2f}")])


if __name__ == "__main__":
    main()
