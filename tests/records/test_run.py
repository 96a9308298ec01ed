"""The repr of a run's record."""

from __future__ import annotations

import math

import pytest

from hyperspace_core.records.run import Attempt, Metric, RunRecord
from hyperspace_core.records.states import State


def record(state: State, **known: object) -> RunRecord:
    return RunRecord(id=7, uid="u", project="digits", task="holdout", state=state,
                     metric=Metric(name="accuracy"), **known)  # type: ignore[arg-type]


def test_the_repr_of_a_record_is_one_line_with_its_outcome() -> None:
    attempt = Attempt(number=1, provenance={"packages": {"installed": {str(n): "1.0" for n in range(500)}}})

    assert repr(record(State.QUEUED)) == "<run 7 of holdout: QUEUED>"
    assert repr(record(State.COMPLETED, result=0.25, attempts=(attempt,))) == (
        "<run 7 of holdout: COMPLETED, accuracy 0.25>")
    assert repr(record(State.FAILED, reason="ValueError: no")) == "<run 7 of holdout: FAILED, ValueError: no>"


@pytest.mark.parametrize(("state", "result", "finite"), [
    (State.COMPLETED, 0.25, 0.25), (State.COMPLETED, -0.0, -0.0), (State.COMPLETED, None, None),
    (State.COMPLETED, math.nan, None), (State.COMPLETED, math.inf, None), (State.COMPLETED, -math.inf, None),
    (State.FAILED, None, None), (State.RUNNING, 0.25, None),
])
def test_only_a_completed_run_has_a_finite_result(
        state: State, result: float | None, finite: float | None) -> None:
    assert record(state, result=result).finite_result == finite
