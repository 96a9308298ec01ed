"""The plan of a job: the complete trees, metric and seed that it executes."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hyperspace_core.config.seeds import choose_seed, without_seed
from hyperspace_core.config.tree import Tree
from hyperspace_core.execution.job import Job
from hyperspace_core.records.run import Metric

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project



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
