"""When a search ends: a function of its record and its runs alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from hyperspace_core.records.run import Metric, RunRecord
from hyperspace_core.records.search import SearchRecord
from hyperspace_core.records.states import State

NOTHING_LEFT = "nothing is left to try"
HOUR_S = 3600.0


def why_over(search: SearchRecord, runs: Sequence[RunRecord]) -> str | None:
    """The reason why nothing more is proposed, or None; `runs`: those of the search.

    Hours are summed over the attempts' records: the clock is not read.
    """
    budget, metric = search.budget, search.metrics[0]
    if budget.runs is not None and search.proposed >= budget.runs:
        return "its run was proposed" if budget.runs == 1 else f"all {budget.runs:,} runs have been proposed"
    if budget.hours is not None and (spent := hours_of(runs)) >= budget.hours:
        return f"{spent:.3g} of {budget.hours:g} hours are used"
    best = best_of(runs, metric)
    if budget.target is not None and best is not None and _reached(best, budget.target, metric):
        return f"{metric.name} {best.result:.6g} of run {best.id} reaches the target {budget.target:g}"
    if budget.patience is not None and (vain := vain_since(runs, metric)) >= budget.patience:
        return f"no improvement in {vain} runs"
    failed = failing(runs)
    if budget.failures is not None and failed >= budget.failures:
        return f"its last {failed} runs failed, the last one with: {_reason_of(runs)}"
    return None


def hours_of(runs: Sequence[RunRecord]) -> float:
    """Computing hours of all ended attempts."""
    return sum(seconds for run in runs for seconds in _seconds(run)) / HOUR_S


def _seconds(run: RunRecord) -> Iterator[float]:
    for attempt in run.attempts:
        if attempt.started_at is not None and attempt.ended_at is not None:
            yield max(0.0, (attempt.ended_at - attempt.started_at).total_seconds())


def best_of(runs: Sequence[RunRecord], metric: Metric) -> RunRecord | None:
    """The completed run with the best result; the first of equal ones."""
    done = [run for run in runs if _result(run) is not None]
    return min(done, key=lambda run: (_loss(run, metric), run.id), default=None)


def vain_since(runs: Sequence[RunRecord], metric: Metric) -> int:
    """The number of runs that completed or failed since the best was proposed."""
    ended = [run for run in sorted(runs, key=lambda run: run.id)
             if run.state in (State.COMPLETED, State.FAILED)]
    best = best_of(ended, metric)
    return len(ended) if best is None else sum(run.id > best.id for run in ended)


def failing(runs: Sequence[RunRecord]) -> int:
    """The number of runs that failed in a row, up to the last one that ended."""
    ended = sorted((run for run in runs if run.state in (State.COMPLETED, State.FAILED)),
                   key=lambda run: run.id, reverse=True)
    return next((count for count, run in enumerate(ended) if run.state is State.COMPLETED), len(ended))


def improvements(runs: Sequence[RunRecord], metric: Metric) -> list[RunRecord]:
    """The runs that were better than all runs before them, in order."""
    found: list[RunRecord] = []
    for run in sorted(runs, key=lambda run: run.id):
        if _result(run) is not None and (not found or _loss(run, metric) < _loss(found[-1], metric)):
            found.append(run)
    return found


def seconds_apart(runs: Sequence[RunRecord]) -> list[float]:
    """Seconds between the ends of consecutive runs."""
    ends = sorted(run.finished_at for run in runs if run.finished_at is not None)
    return [(later - earlier).total_seconds() for earlier, later in pairwise(ends)]


def _reached(best: RunRecord, target: float, metric: Metric) -> bool:
    return _loss(best, metric) <= (target if metric.goal == "minimize" else -target)


def _loss(run: RunRecord, metric: Metric) -> float:
    result = _result(run)
    if result is None:
        return math.inf
    return result if metric.goal == "minimize" else -result


def _result(run: RunRecord) -> float | None:
    if run.state is not State.COMPLETED or run.result is None or math.isnan(run.result):
        return None
    return run.result


def _reason_of(runs: Sequence[RunRecord]) -> str:
    failed = [run for run in runs if run.state is State.FAILED]
    return max(failed, key=lambda run: run.id).reason or "no reason" if failed else "no reason"
