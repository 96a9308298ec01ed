"""A job: the plain values that a process needs to execute one attempt.

It holds no store, no store address and no token: user code has no access to the queue.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hyperspace_core.config.complete import choose_seed, without_seed
from hyperspace_core.config.tree import Tree
from hyperspace_core.records.info import parts_of
from hyperspace_core.records.run import Claim, Goal, Metric, Rewritten

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project

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
    code: dict[str, Any] = {}              # pinned by the submission
    code_folder: str | None = None         # the unpacked pinned code, if it is executed
    code_note: str = ""                    # else the reason
    known_sources: tuple[str, ...] = ()    # snapshots that the store certainly has
    stale: str = ""                        # why the executed code differs from the files on disk
    earlier: dict[str, Any] = {}           # finished parts of earlier attempts
    search: str | None = None              # uid of the run's search, for plugins


@dataclass(frozen=True, kw_only=True)
class Base:
    """The code that a run is executed on."""

    folder: Path | None = None             # the pinned snapshot, unpacked; None: what is installed here
    note: str = ""                         # why the pinned code is not used
    known: tuple[str, ...] = ()            # snapshots that the store certainly has
    stale: str = ""                        # why the executed code differs from the files on disk
    original: Rewritten | None = None      # scenario and config of the time of that code


def job_of(claim: Claim, *, tasks_dir: str | Path | None, no_plugins: Collection[str],
           workdir: str | Path, base: Base) -> Job:
    """The job of a claimed run."""
    record = claim.record
    before = base.original or record
    return Job(
        run=record.id, uid=record.uid, attempt=claim.lease.attempt, project=record.project, task=record.task,
        scenario=before.scenario, config=before.config, submitted=record.submitted,
        metric_name=record.metric.name, metric_goal=record.metric.goal, seed=record.seed,
        validated=record.validated, tasks_dir=None if tasks_dir is None else str(tasks_dir),
        no_plugins=tuple(no_plugins), workdir=str(workdir), tags=record.tags, note=record.note,
        parent=record.parent, code=record.code, code_note=base.note, known_sources=base.known,
        stale=base.stale, earlier=parts_of(record.info) if claim.lease.attempt > 1 else {},
        code_folder=None if base.folder is None else str(base.folder), search=record.search,
    )


def encode(job: Job) -> bytes:
    return msgspec.msgpack.encode(job)


def decode(data: bytes) -> Job:
    """Raises `msgspec.MsgspecError` for bytes that are not a job."""
    return msgspec.msgpack.decode(data, type=Job)


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
    written = copy.deepcopy(job.submitted)
    seed = choose_seed(written, given=job.seed, task=task.seed)
    config = project.complete(scenario, without_seed(written, signature, seed))
    return Plan(scenario=scenario, config=without_seed(config, signature, seed), metric=metric, seed=seed,
                differs=True)
