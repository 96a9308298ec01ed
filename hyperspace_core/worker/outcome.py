"""Decide the outcome of an attempt from its report, its exit and the requests."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from hyperspace_core.execution.protocol import ChildEnded
from hyperspace_core.records.run import Attempt, Finish
from hyperspace_core.records.states import Outcome

LONGEST_BACK_OFF_S = 300.0
STOPPED = "its process was told to stop (SIGTERM), not by its worker"
MOST_STOPS = 3             # in a row: a run that stops itself is not retried for ever


class RunRequest(IntEnum):
    """What is requested of a running run; the higher one wins."""

    NOTHING = 0
    RETURN = 1                 # end, and go back to the queue (the worker stops, or the run is paused)
    CANCEL = 2
    YIELD = 3                  # end: the run has been taken from this worker


@dataclass(frozen=True, kw_only=True)
class Release:
    """Release the run unused; `refused`: this worker must not claim it again."""

    reason: str
    refused: bool = False


@dataclass(frozen=True, kw_only=True)
class LateOutcome:
    """The late outcome of a run that this worker lost, kept as a note."""

    finish: Finish


AttemptOutcome = Finish | Release | LateOutcome


def settle(reported: Finish | None, ended: ChildEnded, request: RunRequest, why: str, *,
           differs: str | None = None, failures: int = 0, stops: int = 0) -> AttemptOutcome:
    """The outcome of an attempt.

    `reported`: the outcome that its process sent, else None. `why`: the reason of the request. `differs`: why
    the code of this worker does not fit the submission. `failures`: their number so far. `stops`: the number
    of attempts just before this one that were stopped from outside.
    """
    if request is RunRequest.YIELD:
        return LateOutcome(finish=reported or Finish(outcome=Outcome.LOST, reason=why))
    if request is RunRequest.CANCEL:
        finish = reported if reported is not None else Finish(outcome=Outcome.CANCELLED)
        return replace(finish, outcome=Outcome.CANCELLED, reason=why, retry=False)
    if reported is not None and reported.outcome is Outcome.COMPLETED:
        return reported
    back = _given_back(reported, request, why, differs, stops)
    if back is not None:
        return back
    finish = reported if reported is not None else vanished(ended)
    return replace(finish, retry_after_s=back_off_s(failures)) if finish.retry else finish


def stops_before(attempts: Sequence[Attempt]) -> int:
    """How many of the last ended attempts, in a row, were stopped from outside."""
    stops = 0
    for attempt in reversed([each for each in attempts if each.outcome is not None]):
        if (attempt.outcome, attempt.reason) != (Outcome.RELEASED, STOPPED):
            break
        stops += 1
    return stops


def _given_back(report: Finish | None, request: RunRequest, why: str, differs: str | None,
                stops: int) -> AttemptOutcome | None:
    if request is RunRequest.RETURN:
        return Release(reason=why)
    if differs is not None:
        return Release(reason=differs, refused=True)
    if report is not None and report.outcome is Outcome.RELEASED:      # a service manager, or a person
        if stops + 1 < MOST_STOPS:
            return Release(reason=STOPPED)
        return Finish(outcome=Outcome.FAILED, reason=f"{STOPPED}, {MOST_STOPS} times in a row", retry=False)
    return None


def vanished(ended: ChildEnded) -> Finish:
    """The outcome of a process that ended without reporting one."""
    peak = "" if ended.max_rss_bytes is None else f" (peak memory {_gibibytes(ended.max_rss_bytes)})"
    if ended.out_of_memory is not None:
        return Finish(outcome=Outcome.OUT_OF_MEMORY, reason=ended.out_of_memory)
    if ended.signal is None and ended.exit_code is None:
        return Finish(outcome=Outcome.CRASHED,
                      reason="the run's fork server was killed, and the run with it")
    if ended.signal:
        often = f" (often: out of memory){peak}" if ended.signal == signal.SIGKILL else ""
        return Finish(outcome=Outcome.CRASHED, reason=f"killed by signal {signal_name(ended.signal)}{often}")
    how = "" if ended.exit_code else " (os._exit, or a library that ends the process)"
    reason = f"the process ended with exit code {ended.exit_code} before the scenario returned{how}"
    return Finish(outcome=Outcome.CRASHED, reason=reason)


def signal_name(number: int) -> str:
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)


def back_off_s(failures: int) -> float:
    """The retry back-off of a run: 1 s, doubled with each failure."""
    return float(min(LONGEST_BACK_OFF_S, 2.0 ** min(failures, 20)))


def _gibibytes(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
