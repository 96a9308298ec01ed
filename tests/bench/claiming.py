"""Claim runs from one queue by several processes; each run must be claimed once."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

Claim = Callable[[], int | None]

CONFIG = {"classifier": {"className": "Forest", "trees": 100, "max_depth": None},
          "scaler": {"className": "Standard", "with_std": True}}


def claims_per_second(opened: Callable[[Any], Claim], place: Any, *, processes: int, runs: int) -> float:
    """Claims a second, from the common start until the queue is empty.

    `opened` returns a function that claims from `place`, where the runs are queued.
    """
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(processes + 1), context.Queue()
    arguments = (opened, place, start, answers)
    claimers = [context.Process(target=_claimer, args=arguments) for _ in range(processes)]
    for claimer in claimers:
        claimer.start()
    start.wait()
    began = time.monotonic()
    results = [answers.get() for _ in claimers]
    for claimer in claimers:
        claimer.join()
    errors = [error for _, error, _ in results if error]
    counts = Counter(number for taken, _, _ in results for number in taken)
    if errors or len(counts) != runs or set(counts.values()) != {1}:
        raise SystemExit(f"not every run was claimed once: {len(counts)} of {runs}, {errors}")
    last: float = max(ended for _, _, ended in results)
    return runs / (last - began)


def waiting_runs(count: int) -> list[Any]:
    """Runs to submit to a store."""
    from hyperspace_core.records.run import NewRun
    from hyperspace_core.storage import new_token

    return [NewRun(uid=new_token(), project="bench", task="holdout", submitted=CONFIG, config=CONFIG,
                   scenario={"className": "Holdout"}, seed=0) for _ in range(count)]


def claiming(store: Any) -> Claim:
    """Claim from a store, as a worker does."""
    from hyperspace_core.execution.identity import this_process, worker_name
    from hyperspace_core.storage import new_token

    owner = this_process(worker_name())

    def claim() -> int | None:
        taken = store.claim("bench", owner, new_token())
        return None if taken is None else int(taken.record.id)

    return claim


def _claimer(opened: Callable[[Any], Claim], place: Any, start: Any, answers: Any) -> None:
    """Claim in one process until the queue is empty."""
    taken: list[int] = []
    try:
        claim = opened(place)
        start.wait()
        while (number := claim()) is not None:
            taken.append(number)
        answers.put((taken, "", time.monotonic()))
    except Exception as error:
        answers.put((taken, f"{type(error).__name__}: {error}", time.monotonic()))
