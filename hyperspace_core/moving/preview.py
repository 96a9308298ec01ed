"""Preview of a copy, without writing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hyperspace_core.moving.copying import RUNS_AT_ONCE
from hyperspace_core.moving.order import known_records, parents_first
from hyperspace_core.moving.portrait import batches
from hyperspace_core.moving.searches import named
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a copy would do now."""

    runs: dict[str, int]               # project -> runs that would be copied
    waiting: int                       # of these: queued here, so they arrive PAUSED
    artifacts: int                     # artifacts of these runs
    bytes: int                         # size of their contents, each content once
    there: int                         # runs that are already there, identical or not
    running: tuple[int, ...]           # ids of runs that would be left out
    searches: int                      # searches of these runs, which would be copied, too


def preview(source: Store, target: Store | None, where: RunFilter | None = None) -> Preview:
    """Count what a copy would bring; `target` is None where it does not exist."""
    runs: Counter[str] = Counter()
    contents: dict[str, int] = {}
    waiting = artifacts = there = 0
    running, searches = [], set()
    for batch in batches(parents_first(source, where or RunFilter()), RUNS_AT_ONCE):
        searches |= {search.uid for project, uids in named(batch).items()
                     for search in source.searches(project, uids=uids)}
        known = {} if target is None else known_records(target, batch)
        for record in batch:
            if record.state is State.RUNNING:
                running.append(record.id)
            elif record.uid in known and not _gives_way(known[record.uid], record):
                there += 1
            else:
                runs[record.project] += 1
                waiting += record.state is State.QUEUED
                for attempt in record.attempts:
                    found = source.artifacts(record.id, attempt=attempt.number)
                    artifacts += len(found)
                    contents |= {artifact.digest: artifact.size for artifact in found}
    return Preview(runs=dict(runs), waiting=waiting, artifacts=artifacts, bytes=sum(contents.values()),
                   there=there, running=tuple(running), searches=len(searches))


def _gives_way(found: RunRecord, record: RunRecord) -> bool:
    """Whether `Store.restore` would replace the run."""
    untried = found.state in (State.QUEUED, State.PAUSED) and not found.attempts
    return untried and (record.state.terminal or bool(record.attempts))
