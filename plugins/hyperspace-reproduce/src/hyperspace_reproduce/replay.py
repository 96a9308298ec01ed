"""Execute past runs again on a temporary store, and compare the results.

The store of the past runs is only read.
"""

from __future__ import annotations

import math
import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperspace_core.errors import Refused, UsageError
from hyperspace_core.plugin import Worker, WorkerOptions, events, info, missing_component, open_store, trees
from hyperspace_core.records import NewRun, NewSearch, Point, RunRecord, State
from hyperspace_core.storage import Searches, new_token

if TYPE_CHECKING:
    from hyperspace_core.plugin import Extensions
    from hyperspace_core.storage import Store

AS_RECORDED = "AsRecorded"     # the pruner that stops a run where its earlier execution was stopped


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A past run, its repetition, and the result of their comparison."""

    before: RunRecord
    now: RunRecord
    verdict: Verdict | None            # None: the repetition has not ended, its worker was stopped


def replay(store: Store, extensions: Extensions, runs: Sequence[tuple[RunRecord, NewRun]],
           options: WorkerOptions, *, tolerance: float = 0.0, ignore: Sequence[str] = (),
           listener: events.Listener = events.log_notices) -> list[Replay]:
    """Execute past runs again by a worker on a temporary store, and compare the results.

    `runs`: each past run, and the run to execute in its place; see `copy_of`. Where a pruner stopped the past
    run, its repetition stops there, too. `store` has the past runs and is only read. `tolerance` and `ignore`
    as in `judge`. `listener` receives the worker's events. Raises `ProjectError`, as a worker does; `Refused`
    for a pruned run where no plugin has pruners.
    """
    if not runs:
        return []
    project = runs[0][1].project
    with (tempfile.TemporaryDirectory(prefix="hyperspace-replay-") as folder,
          open_store(f"sqlite:///{Path(folder) / 'replay.db'}", extensions, project) as temporary):
        copies = [_stopped_again(temporary, extensions, before, run) for before, run in runs]
        numbers = temporary.submit(copies)
        Worker(temporary, project, extensions, options, on_event=listener).run()
        done = [(before, temporary.get(number)) for (before, _), number in zip(runs, numbers, strict=True)]
        return [Replay(before=before, now=now, verdict=None if not now.state.terminal else judge(
                    before, _points(store, before), now, _points(temporary, now), tolerance=tolerance,
                    ignore=ignore)) for before, now in done]


def copy_of(record: RunRecord) -> NewRun:
    """The run to submit that repeats a past one: its completed scenario and config, its seed."""
    return NewRun(uid=new_token(), project=record.project, task=record.task, submitted=record.submitted,
                  scenario=record.scenario, config=record.config, metric=record.metric, seed=record.seed,
                  max_losses=1)


def _stopped_again(temporary: Store, extensions: Extensions, before: RunRecord, run: NewRun) -> NewRun:
    """Assign the run to a search whose pruner stops it at the recorded value."""
    stop = info.pruned_at(before)
    if stop is None:
        return run
    if not any(extensions.implementations("hyperspace_watch_run")):
        raise Refused(f"run {before.id} was pruned, and no installed plugin would stop it again: "
                      f"{missing_component(AS_RECORDED)}")
    pruner = {trees.CLASS_NAME: AS_RECORDED, "values": stop.values, "metric": stop.series,
              "goal": run.metric.goal}
    searches = Searches.of(temporary)
    search = searches.add_search(NewSearch(uid=run.uid, project=run.project, task=run.task, pruner=pruner,
                                           scenario=run.scenario or {}, tuner={}))
    searches.end_search(search, "only holds the recorded stop of a run")
    return replace(run, search=run.uid)


def _points(store: Store, record: RunRecord) -> tuple[Point, ...]:
    """The points that the last attempt of a run logged."""
    return tuple(store.points(record.id)) if record.attempts else ()


# -- Compare two executions: result, metrics and every logged point ----


class Likeness(StrEnum):
    """Similarity of two executions, the strictest first."""

    IDENTICAL = "identical"            # to the last bit
    EQUAL = "equal within tolerance"
    DIVERGED = "diverged"


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The first difference between two executions."""

    where: str                         # "loss, point 3 (step 2)", "metric accuracy"
    before: Any                        # None: missing
    now: Any

    def __str__(self) -> str:
        return f"{self.where}: {_value_text(self.before)} then, {_value_text(self.now)} now"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Result of comparing two executions."""

    likeness: Likeness
    first: Divergence | None = None    # first difference above the tolerance, else within it
    compared: int = 0                  # numbers

    @property
    def same(self) -> bool:
        return self.likeness is not Likeness.DIVERGED


def check_tolerance(tolerance: float) -> None:
    """Raises `UsageError` unless the tolerance is a finite number >= 0."""
    if not 0 <= tolerance < math.inf:
        raise UsageError(f"tolerance: expected a number >= 0, got {tolerance!r}")


def judge(before: RunRecord, old: Sequence[Point], now: RunRecord, new: Sequence[Point], *,
          tolerance: float = 0.0, ignore: Sequence[str] = ()) -> Verdict:
    """Compare two executions: points in order, then metrics, then the result.

    `tolerance`: relative, and absolute below 1. `ignore`: series and metrics to leave out, as in "seconds/*".
    Two NaN are the same.
    """
    old, new = ([point for point in points if not _ignored(point.name, ignore)] for points in (old, new))
    if before.state is not now.state or (now.state is not State.COMPLETED and before.reason != now.reason):
        return Verdict(likeness=Likeness.DIVERGED, first=Divergence(
            where="outcome", before=_ending(before), now=_ending(now)))
    first, count = None, 0
    for where, one, other in _value_pairs(before, old, now, new, ignore):
        count += 1
        if _identical(one, other):
            continue
        if not _close(one, other, tolerance):
            return Verdict(likeness=Likeness.DIVERGED, compared=count,
                           first=Divergence(where=where, before=one, now=other))
        first = first or Divergence(where=where, before=one, now=other)
    return Verdict(likeness=Likeness.EQUAL if first else Likeness.IDENTICAL, first=first, compared=count)


def _ignored(name: str, ignore: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in ignore)


def _value_pairs(before: RunRecord, old: Sequence[Point], now: RunRecord, new: Sequence[Point],
                 ignore: Sequence[str]) -> Iterator[tuple[str, Any, Any]]:
    for number, (one, other) in enumerate(zip_longest(old, new)):
        yield from _point_pairs(number, one, other)
    for name in dict.fromkeys([*before.metrics, *now.metrics]):
        if _ignored(name, ignore):
            continue
        yield f"metric {name}", before.metrics.get(name), now.metrics.get(name)
    yield "result", before.result, now.result


def _point_pairs(number: int, one: Point | None, other: Point | None) -> Iterator[tuple[str, Any, Any]]:
    """Pair two points; a different name or step is a difference."""
    either = one or other
    if either is None:
        return
    step = "" if either.step is None else f" (step {either.step})"
    where = f"{either.name}, point {number + 1}{step}"
    if one is None or other is None or (one.name, one.step) != (other.name, other.step):
        yield where, _named(one), _named(other)
    else:
        yield where, one.value, other.value


def _named(point: Point | None) -> str | None:
    return None if point is None else f"{point.name} at step {point.step} is {point.value!r}"


def _identical(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or struct.pack("d", one) == struct.pack("d", other)
    return type(one) is type(other) and bool(one == other)


def _close(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two numbers agree within the tolerance; False for other values."""
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    if not numbers or isinstance(one, bool) or isinstance(other, bool):
        return False
    return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)


def _ending(record: RunRecord) -> str:
    return f"{record.state}{f' ({record.reason})' if record.reason else ''}"


def _value_text(value: Any) -> str:
    return "nothing" if value is None else value if isinstance(value, str) else repr(value)
