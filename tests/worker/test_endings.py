"""The outcome of an attempt, by report, process end and request."""

from __future__ import annotations

import math

import pytest

from hyperspace_core.execution.protocol import ChildEnded
from hyperspace_core.records.run import Finish
from hyperspace_core.records.states import Outcome
from hyperspace_core.worker.outcome import LateOutcome, Release, RunRequest, back_off_s, settle, vanished

DONE = Finish(outcome=Outcome.COMPLETED, result=0.5, metrics={"accuracy": 0.5})
BROKE = Finish(outcome=Outcome.FAILED, reason="ValueError: no", traceback="...")
INTERRUPTED = Finish(outcome=Outcome.RELEASED, reason="interrupted")


def ended(code: int | None = 0, signal: int | None = None, oom: str | None = None) -> ChildEnded:
    return ChildEnded(exit_code=code, signal=signal, out_of_memory=oom, max_rss_bytes=3 * 2**30)


def test_a_result_is_kept_if_the_process_crashes_later() -> None:
    assert settle(DONE, ended(None, 11), RunRequest.NOTHING, "") is DONE


def test_a_failure_is_kept_and_retried_after_a_back_off() -> None:
    settled = settle(BROKE, ended(), RunRequest.NOTHING, "", failures=2)
    assert isinstance(settled, Finish)
    assert (settled.reason, settled.traceback, settled.retry_after_s) == ("ValueError: no", "...", 4.0)


def test_a_failure_without_retry_has_no_back_off() -> None:
    bad = Finish(outcome=Outcome.FAILED, reason="`a`: missing", retry=False)
    assert settle(bad, ended(), RunRequest.NOTHING, "") is bad


@pytest.mark.parametrize("reported", [None, INTERRUPTED, BROKE])
def test_a_run_asked_to_return_is_released(reported: Finish | None) -> None:
    assert settle(reported, ended(None, 9), RunRequest.RETURN, "paused") == Release(reason="paused")


def test_a_run_asked_to_return_may_still_complete() -> None:
    assert settle(DONE, ended(), RunRequest.RETURN, "paused") is DONE


@pytest.mark.parametrize("reported", [None, INTERRUPTED, BROKE, DONE])
def test_an_accepted_cancel_is_final(reported: Finish | None) -> None:
    settled = settle(reported, ended(None, 9), RunRequest.CANCEL, "cancelled")
    assert isinstance(settled, Finish)
    assert (settled.outcome, settled.reason, settled.retry) == (Outcome.CANCELLED, "cancelled", False)


def test_the_result_of_a_cancelled_run_is_kept() -> None:
    settled = settle(DONE, ended(), RunRequest.CANCEL, "cancelled")
    assert isinstance(settled, Finish)
    assert settled.metrics == {"accuracy": 0.5}


@pytest.mark.parametrize("reported", [None, DONE])
def test_the_outcome_of_a_lost_run_is_only_a_note(reported: Finish | None) -> None:
    settled = settle(reported, ended(None, 9), RunRequest.YIELD, "taken")
    assert isinstance(settled, LateOutcome)
    assert settled.finish == (DONE if reported else Finish(outcome=Outcome.LOST, reason="taken"))


def test_a_run_of_other_code_is_released_and_refused() -> None:
    settled = settle(INTERRUPTED, ended(), RunRequest.NOTHING, "", differs="`classifier`: no Forest")
    assert settled == Release(reason="`classifier`: no Forest", refused=True)


def test_a_run_stopped_from_outside_is_released() -> None:
    assert settle(INTERRUPTED, ended(), RunRequest.NOTHING, "") == Release(
        reason="its process was told to stop (SIGTERM), not by its worker")


def test_a_run_stopped_from_outside_each_time_fails() -> None:
    settled = settle(INTERRUPTED, ended(), RunRequest.NOTHING, "", stops=2)
    assert isinstance(settled, Finish)
    assert (settled.outcome, settled.retry) == (Outcome.FAILED, False)
    assert settled.reason == "its process was told to stop (SIGTERM), not by its worker, 3 times in a row"


@pytest.mark.parametrize(("child", "outcome", "reason"), [
    (ended(0), Outcome.CRASHED,
     ("the process ended with exit code 0 before the scenario returned (os._exit, or a library that ends the "
      "process)")),
    (ended(3), Outcome.CRASHED, "the process ended with exit code 3 before the scenario returned"),
    (ended(None, 11), Outcome.CRASHED, "killed by signal 11 (SIGSEGV)"),
    (ended(None, 9), Outcome.CRASHED,
     "killed by signal 9 (SIGKILL) (often: out of memory) (peak memory 3.0 GiB)"),
    (ended(None, 9, "killed by the kernel: out of memory in its control group (peak RSS 3.2 GB)"),
     Outcome.OUT_OF_MEMORY, "killed by the kernel: out of memory in its control group (peak RSS 3.2 GB)"),
    (ended(None), Outcome.CRASHED, "the run's fork server was killed, and the run with it"),
])
def test_the_end_of_a_vanished_process_is_explained(child: ChildEnded, outcome: Outcome, reason: str) -> None:
    assert vanished(child) == Finish(outcome=outcome, reason=reason)
    settled = settle(None, child, RunRequest.NOTHING, "")
    assert isinstance(settled, Finish)
    assert settled.outcome is outcome


def test_the_retry_back_off_doubles_up_to_a_limit() -> None:
    assert [back_off_s(n) for n in range(4)] == [1.0, 2.0, 4.0, 8.0]
    assert back_off_s(10**6) == 300.0
    assert math.isfinite(back_off_s(10**9))
