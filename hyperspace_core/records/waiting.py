"""Queued runs that no living worker can take, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from hyperspace_core.records.run import RunRecord, WorkerInfo


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Queued runs of one task that no living worker can take, and why."""

    task: str
    count: int
    why: str
    runs: tuple[int, ...] = ()     # the first ids


def waiting_runs(queued: Iterable[RunRecord], alive: Sequence[WorkerInfo]) -> list[Waiting]:
    """Group the queued runs that none of these workers can take by task and reason."""
    return group_waiting((record, why) for record, why in waiting_reasons(queued, alive) if why is not None)


def group_waiting(reasons: Iterable[tuple[RunRecord, str]]) -> list[Waiting]:
    """Group waiting runs, each given with its reason, by task and reason."""
    groups: dict[tuple[str, str], list[int]] = {}
    for record, why in reasons:
        groups.setdefault((record.task, why), []).append(record.id)
    return [Waiting(task=task, count=len(ids), why=why, runs=tuple(ids[:10]))
            for (task, why), ids in groups.items()]


def waiting_reasons(queued: Iterable[RunRecord],
                    alive: Sequence[WorkerInfo]) -> Iterator[tuple[RunRecord, str | None]]:
    """Pair each queued run with the reason why no worker can take it, or None."""
    tasks = frozenset(task for worker in alive for task in worker.tasks)
    return ((record, _why(record, alive, tasks)) for record in queued)


def why_no_worker(task: str, tasks: Collection[str], *, some: bool) -> str | None:
    """Why no worker can take runs of the task, or None; `tasks`: those of living workers."""
    if not some:
        return "no worker is running"
    if task not in tasks:
        return f"no worker knows this task; they know {', '.join(sorted(tasks)) or 'none'}"
    return None


def _why(record: RunRecord, alive: Sequence[WorkerInfo], tasks: Collection[str]) -> str | None:
    why = why_no_worker(record.task, tasks, some=bool(alive))
    if why is not None:
        return why
    if all(record.id in worker.refused for worker in alive if record.task in worker.tasks):
        return "the workers' code does not accept them: it is older than their submission"
    return None
