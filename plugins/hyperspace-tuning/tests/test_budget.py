"""The end of a search, from its record and its runs alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from hyperspace_core.errors import UsageError
from hyperspace_core.records.run import Attempt, Metric, RunRecord
from hyperspace_core.records.search import Budget, SearchRecord
from hyperspace_core.records.states import State
from hyperspace_tuning.planning import best_of, hours_of, improvements, runs_since_best, why_over

MAXIMIZE, MINIMIZE = Metric(name="score"), Metric(name="score", goal="minimize")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def run(number: int, result: float | None = None, state: State = State.COMPLETED, **fields: Any) -> RunRecord:
    return RunRecord(id=number, uid=str(number), project="p", task="t", state=state, result=result, **fields)


def failed(number: int) -> RunRecord:
    return run(number, state=State.FAILED, reason=f"ValueError: {number}")


def search(metric: Metric = MAXIMIZE, proposed: int = 0, **budget: Any) -> SearchRecord:
    return SearchRecord(id=1, uid="u", project="p", task="t", scenario={}, tuner={}, metrics=(metric,),
                        proposed=proposed, budget=Budget(**budget))


def results(*values: float | None) -> list[RunRecord]:
    return [run(number, value) for number, value in enumerate(values, 1)]


def test_a_search_without_runs_goes_on() -> None:
    assert why_over(search(runs=1, hours=1, target=1, patience=1), []) is None


def test_the_budget_of_runs_counts_all_proposals() -> None:
    assert why_over(search(proposed=2, runs=3), []) is None
    assert why_over(search(proposed=3, runs=3), []) == "all 3 runs have been proposed"
    assert why_over(search(proposed=1, runs=1), []) == "its run was proposed"


@pytest.mark.parametrize(("metric", "values", "reached"), [
    (MAXIMIZE, (0.5, 0.9), True), (MAXIMIZE, (0.5, 0.91), True), (MAXIMIZE, (0.5, 0.89), False),
    (MINIMIZE, (0.95, 0.9), True), (MINIMIZE, (0.95,), False), (MAXIMIZE, (None, float("nan")), False)])
def test_the_target_is_reached_in_the_direction_of_the_metric(
        metric: Metric, values: tuple[float, ...], reached: bool) -> None:
    why = why_over(search(metric, target=0.9), results(*values))
    assert (why is not None) == reached
    if reached:
        assert "reaches the target 0.9" in str(why)


def test_patience_counts_runs_that_have_ended_since_the_best() -> None:
    runs = [*results(0.1, 0.5, 0.3), failed(4), run(5, 0.5), run(6, state=State.RUNNING)]
    assert runs_since_best(runs, MAXIMIZE) == 3
    assert why_over(search(patience=3), runs) == "no improvement in 3 runs"
    assert why_over(search(patience=4), runs) is None
    assert runs_since_best(runs[3:4], MAXIMIZE) == 1


def test_hours_are_summed_over_all_attempts_that_have_ended() -> None:
    def attempt(number: int, minutes: float | None) -> Attempt:
        ended = None if minutes is None else NOON + timedelta(minutes=minutes)
        return Attempt(number=number, started_at=NOON, ended_at=ended)

    runs = [run(1, attempts=(attempt(1, 60), attempt(2, 30))), run(2, attempts=(attempt(1, None),)),
            run(3, attempts=(attempt(1, 30), attempt(2, -500)))]
    assert hours_of(runs) == 2.0
    assert why_over(search(hours=2.5), runs) is None
    assert why_over(search(hours=1.5), runs) == "2 of 1.5 hours are used"


def test_failures_in_a_row_end_a_search_with_the_last_cause() -> None:
    runs = [run(1, 0.5), failed(2), failed(3)]
    assert why_over(search(failures=3), runs) is None
    assert why_over(search(failures=2), runs) == "its last 2 runs failed, the last one with: ValueError: 3"
    assert why_over(search(failures=2), [*runs, run(4, 0.1)]) is None
    assert why_over(search(failures=None), [failed(number) for number in range(100)]) is None


def test_the_best_run_and_the_improvements() -> None:
    runs = results(0.3, 0.1, float("nan"), 0.5, 0.5, None, 0.9)
    assert [found.id for found in improvements(runs, MAXIMIZE)] == [1, 4, 7]
    assert [found.id for found in improvements(runs, MINIMIZE)] == [1, 2]
    best = best_of(runs[:6], MAXIMIZE)
    assert best is not None and best.id == 4               # the first of equal ones
    assert best_of([failed(1), run(2, 1.0, State.RUNNING)], MAXIMIZE) is None
    assert best_of([replace(runs[0], result=-0.0)], MINIMIZE) is not None


@pytest.mark.parametrize(("fields", "said"), [
    ({"runs": 0}, "runs: expected a whole number >= 1, got 0"),
    ({"patience": 1.5}, "patience: expected a whole number >= 1, got 1.5"),
    ({"runs": True}, "runs: expected a whole number >= 1, got True"),
    ({"hours": 0}, "hours: expected more than 0, got 0"),
    ({"hours": float("nan")}, "hours: expected a number, got nan"),
    ({"target": "0.9"}, "target: expected a number, got '0.9'")])
def test_an_invalid_budget_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said.replace(".", r"\.")):
        Budget(**fields)


def test_a_budget_may_be_given_as_numbers_of_numpy() -> None:
    budget = Budget(runs=np.int64(3), target=np.float32(0.5))  # type: ignore[arg-type]
    assert (type(budget.runs), type(budget.target)) == (int, float)


def test_a_budget_in_words() -> None:
    assert str(Budget(runs=1)) == "1 run"
    assert str(Budget(runs=100, hours=8, target=0.99, patience=20)) == (
        "100 runs, or 8 hours of computing, or 0.99 reached, or no improvement in 20 runs")
    assert str(Budget(failures=3)) == "no limit"


@pytest.mark.parametrize("metric", [MAXIMIZE, MINIMIZE])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_a_failure(metric: Metric, value: float) -> None:
    good = replace(run(1, 0.5), metric=metric)
    runs = [good, *(replace(run(number, value), metric=metric) for number in (2, 3, 4))]

    assert best_of(runs, metric) == good
    assert improvements(runs, metric) == [good]
    assert runs_since_best(runs, metric) == 3
    assert why_over(search(metric, target=1e300 if metric is MAXIMIZE else -1e300), runs) is None
    assert why_over(search(metric, patience=3), runs) == "no improvement in 3 runs"
    assert why_over(search(metric, failures=3), runs) == (
        f"its last 3 runs failed, the last one with: result {value}")
