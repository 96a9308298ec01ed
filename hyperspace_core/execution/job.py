"""A job: all that a process needs to execute one attempt, in names and plain values.

It holds no store, no address of one, no token: the process that runs user code has no way to the queue.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from hyperspace_core.records.run import Claim, Goal


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at one run, as it is handed from the worker to the process that executes it."""

    run: int
    uid: str
    attempt: int
    project: str
    task: str
    scenario: dict[str, Any] | None        # completed; None where the submission could not complete it
    config: dict[str, Any] | None          # completed hyper-parameters, or None likewise
    submitted: dict[str, Any]              # what the user wrote
    metric_name: str
    metric_goal: Goal
    seed: int | None
    validated: bool                        # False: submitted where the project is not installed
    tasks_dir: str | None
    no_plugins: tuple[str, ...]
    workdir: str                           # a directory of this attempt's own; its owner makes and removes it
    tags: tuple[str, ...] = ()             # for observers only
    note: str = ""
    parent: int | None = None


def job_of(claim: Claim, *, tasks_dir: str | Path | None, no_plugins: Collection[str],
           workdir: str | Path) -> Job:
    """The job of a run that has just been claimed."""
    record = claim.record
    return Job(
        run=record.id, uid=record.uid, attempt=claim.lease.attempt, project=record.project, task=record.task,
        scenario=record.scenario, config=record.config, submitted=record.submitted,
        metric_name=record.metric.name, metric_goal=record.metric.goal, seed=record.seed,
        validated=record.validated, tasks_dir=None if tasks_dir is None else str(tasks_dir),
        no_plugins=tuple(no_plugins), workdir=str(workdir), tags=record.tags, note=record.note,
        parent=record.parent,
    )


def encode(job: Job) -> bytes:
    return msgspec.msgpack.encode(job)


def decode(data: bytes) -> Job:
    """Raises `msgspec.MsgspecError` for bytes that are no job."""
    return msgspec.msgpack.decode(data, type=Job)
