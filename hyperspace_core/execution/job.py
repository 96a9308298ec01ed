"""A job: the plain values that a process needs to execute one attempt.

It holds no store, no store address and no token: user code has no access to the queue.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from hyperspace_core.config.complete import take_seed
from hyperspace_core.config.tree import Tree
from hyperspace_core.records.info import parts_of
from hyperspace_core.records.run import Claim, Goal, Metric, Rewritten

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project


class RunCode(msgspec.Struct, frozen=True, kw_only=True):
    """The code that a run is executed on."""

    pinned: dict[str, Any] = {}            # by the submission
    folder: str | None = None              # the pinned snapshot, unpacked; None: what is installed here
    note: str = ""                         # why the pinned code is not used
    known: tuple[str, ...] = ()            # snapshots that the store certainly has
    stale: str = ""                        # why the executed code differs from the files on disk


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, as the worker sends it to the process that executes it."""

    run: int
    uid: str
    attempt: int
    project: str
    task: str
    scenario: dict[str, Any] | None        # completed; None where the submission could not
    config: dict[str, Any] | None          # completed hyper-parameters, or None likewise
    submitted: dict[str, Any]              # as the user wrote it
    metric_name: str
    metric_goal: Goal
    seed: int | None
    validated: bool                        # False: submitted where the project is not installed
    tasks_dir: str | None
    no_plugins: tuple[str, ...]
    workdir: str                           # this attempt's directory; its owner makes and removes it
    tags: tuple[str, ...] = ()             # for observers only
    note: str = ""
    parent: int | None = None
    code: RunCode = RunCode()
    earlier: dict[str, Any] = {}           # finished parts of earlier attempts
    search: str | None = None              # uid of the run's search, for plugins


def job_of(claim: Claim, *, tasks_dir: str | Path | None, no_plugins: Collection[str],
           workdir: str | Path, code: RunCode, original: Rewritten | None = None) -> Job:
    """The job of a claimed run; `original`: its scenario and config at the time of the code."""
    record = claim.record
    before = original or record
    return Job(
        run=record.id, uid=record.uid, attempt=claim.lease.attempt, project=record.project, task=record.task,
        scenario=before.scenario, config=before.config, submitted=record.submitted,
        metric_name=record.metric.name, metric_goal=record.metric.goal, seed=record.seed,
        validated=record.validated, tasks_dir=None if tasks_dir is None else str(tasks_dir),
        no_plugins=tuple(no_plugins), workdir=str(workdir), tags=record.tags, note=record.note,
        parent=record.parent, code=code, search=record.search,
        earlier=parts_of(record.info) if claim.lease.attempt > 1 else {})


def job_file(job: Job) -> IO[bytes]:
    """A temporary file with the job, for `read_job` in another process. Raises `OSError`."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(msgspec.msgpack.encode(job))
    file.flush()
    return file


def read_job(descriptor: int) -> Job:
    """The job in a file, which is closed. Raises `msgspec.MsgspecError` where the file has no job."""
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)                       # the descriptor is shared with the process that wrote
        return msgspec.msgpack.decode(file.read(), type=Job)


# -- The plan of a job: the complete trees, metric and seed that it executes --

@dataclass(frozen=True, kw_only=True)
class Plan:
    """A completed job."""

    scenario: Tree                 # completed
    config: Tree                   # completed
    metric: Metric
    seed: int
    differs: bool                  # from the job, so that the record must be updated


def plan_of(job: Job, project: Project) -> Plan:
    """Complete the job with the code that is installed here. Builds nothing.

    The config is completed again where the submission did so: fitting values stay, a newer parameter is
    recorded with its default, and the project's migrations read changed names. Raises `ConfigError` for
    values that do not fit, `TaskError` for a task that is needed and missing.
    """
    if job.scenario is None or job.config is None or job.seed is None:
        return _from_the_task(job, project)
    scenario, known = project.up_to_date(job.scenario, copy.deepcopy(job.config))
    config = project.complete(scenario, known)
    return Plan(scenario=scenario, config=config, seed=job.seed,
                differs=(scenario, config) != (job.scenario, job.config),
                metric=Metric(name=job.metric_name, goal=job.metric_goal))


def _from_the_task(job: Job, project: Project) -> Plan:
    task = project.task(job.task)
    written_there = task if job.scenario is None else replace(task, scenario=job.scenario, origin="")
    scenario = project.complete_scenario(written_there)
    metric = task.metric if job.scenario is None else Metric(name=job.metric_name, goal=job.metric_goal)
    signature = project.scenario_signature(scenario)
    seed, written = take_seed(copy.deepcopy(job.submitted), signature, given=job.seed, task=task.seed)
    return Plan(scenario=scenario, config=project.complete(scenario, written), metric=metric, seed=seed,
                differs=True)
