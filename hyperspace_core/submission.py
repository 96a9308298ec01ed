"""Turn user input into runs: validate, complete, seed. Stores nothing."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hyperspace_core.config.overrides import grid_size, iter_grid
from hyperspace_core.config.seeds import LIMIT, check_seed, choose_seed, without_seed
from hyperspace_core.config.tree import MAX_DEPTH, Tree, merge, shown, too_deep, unwrapped
from hyperspace_core.errors import ConfigError, UsageError
from hyperspace_core.execution.identity import user_at_host
from hyperspace_core.extension.project import Project
from hyperspace_core.records.logged import MAX_NAME, is_name
from hyperspace_core.records.migration import Rewritten
from hyperspace_core.records.run import Metric, NewRun, RunRecord
from hyperspace_core.records.task import Task, check_task_name

BATCH = 1000                       # runs that are planned or stored in one step


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """Options of a submission. Raises `UsageError` and `ConfigError`."""

    repeats: int = 1
    seed: int | None = None
    priority: int = 0              # higher goes first
    tags: Collection[str] = ()     # a single text is one tag
    note: str = ""
    retries: int = 0               # number of retries of a run whose code fails

    def __post_init__(self) -> None:
        checked = {
            "repeats": _whole("repeats", self.repeats, least=1),
            "retries": _whole("retries", self.retries, least=0),
            "priority": _whole("priority", self.priority),
            "seed": None if self.seed is None else check_seed("seed", self.seed),
            "tags": tuple(dict.fromkeys([self.tags] if isinstance(self.tags, str) else self.tags)),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        for tag in self.tags:
            check_tag(tag)
        if not isinstance(self.note, str):
            raise UsageError(f"note: expected text, got {shown(self.note)}")


def check_tag(tag: object) -> None:
    """Raises `UsageError` unless 1 to MAX_NAME printable characters, stripped."""
    if not isinstance(tag, str):
        raise UsageError(f"tags: expected text, got {shown(tag)}")
    if not is_name(tag) or tag != tag.strip():
        raise UsageError(f"tag {tag[:40]!a}: a tag is 1 to {MAX_NAME} printable characters, "
                         "without blanks around it")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The problem of a submission: a task, now or as a past run had it."""

    task: str
    scenario: Tree                 # completed with defaults
    metric: Metric
    seed: int | None               # the task's seed


def problem_of_task(project: Project, name: str) -> Problem:
    """The problem of a task. Raises `TaskError`, or `ConfigError` (its scenario)."""
    task = project.task(name)
    return Problem(task=task.name, scenario=project.complete_scenario(task), metric=task.metric,
                   seed=task.seed)


def problem_of_run(record: RunRecord) -> Problem:
    """The problem of a past run; later changes of the task file do not apply."""
    if record.scenario is None:
        raise ConfigError(f"run {record.id} never started and its project was not installed where it was "
                          "submitted, so its scenario is unknown; submit the task again")
    return Problem(task=record.task, scenario=record.scenario, metric=record.metric, seed=record.seed)


def plan(project: Project, problem: Problem, config: Mapping[str, Any] | None, wishes: Wishes,
         *, parent: int | None = None) -> list[NewRun]:
    """Plan the runs of one config; repeat i has seed + i, for paired repeats.

    Raises `ConfigError` with every problem of the config.
    """
    written = _as_tree(config)
    signature = project.scenario_signature(problem.scenario)
    first = choose_seed(written, given=wishes.seed, task=problem.seed)
    completed = project.complete(problem.scenario, without_seed(written, signature, first))
    seeds = _seeds(first, wishes)
    runs = _repeated(project.name, problem.task, written, wishes, seeds)
    return [replace(run, scenario=problem.scenario, metric=problem.metric, parent=parent,
                    config=without_seed(completed, signature, seed))
            for run, seed in zip(runs, seeds, strict=True)]


def plan_unseen(project: str, name: str, task: Task | None, config: Mapping[str, Any] | None,
                wishes: Wishes) -> list[NewRun]:
    """Plan the runs of one config without the project: a worker completes it.

    `task` is the content of its file, if available. Else a worker looks it up by name, with its seed if the
    run has none; only repeats need a first seed now, so that they differ. Raises `TaskError` for an invalid
    task name.
    """
    written = _as_tree(config)
    open_still = task is None and wishes.seed is None and written.get("seed") is None and wishes.repeats == 1
    seeds: Sequence[int | None] = [None]
    if not open_still:
        own = None if task is None else task.seed
        seeds = _seeds(choose_seed(written, given=wishes.seed, task=own), wishes)
    runs = _repeated(project, check_task_name(name), written, wishes, seeds)
    return [replace(run, validated=False, scenario=None if task is None else task.scenario,
                    metric=Metric() if task is None else task.metric) for run in runs]


def _seeds(first: int, wishes: Wishes) -> list[int]:
    return [(first + repeat) % LIMIT for repeat in range(wishes.repeats)]


def _repeated(project: str, task: str, written: Tree, wishes: Wishes,
              seeds: Sequence[int | None]) -> list[NewRun]:
    """The runs of one config, one for each seed."""
    template = NewRun(
        uid="", project=project, task=task, submitted=written, submitted_by=user_at_host(),
        priority=wishes.priority, tags=tuple(wishes.tags), note=wishes.note, max_failures=wishes.retries)
    return [replace(template, uid=uuid.uuid4().hex, seed=seed) for seed in seeds]


def iter_plan(project: Project, problem: Problem, grid: Mapping[str, Any],
              wishes: Wishes) -> Iterator[NewRun]:
    """The runs of a grid, lazily, in its order. `seed` may be a list."""
    signature = project.scenario_signature(problem.scenario)
    # one drawn seed for the whole grid, so that its configs differ in nothing else
    base = wishes.seed if wishes.seed is not None else problem.seed
    alone, seeds = _split_seeds(_as_tree(grid))
    if seeds and wishes.seed is not None:
        raise UsageError(f"seed {wishes.seed} and the grid's `seed` contradict each other; give only one")
    shared = replace(wishes, seed=None if seeds else choose_seed({}, given=base))
    for config in iter_grid(alone, signature, project.catalog):
        for chosen in [{"seed": seed} for seed in seeds] or [{}]:
            yield from plan(project, problem, config | chosen, shared)


def size_of(project: Project, problem: Problem, grid: Mapping[str, Any], wishes: Wishes) -> int:
    """The number of runs that `iter_plan` would yield, without making them."""
    signature = project.scenario_signature(problem.scenario)
    alone, seeds = _split_seeds(_as_tree(grid))
    return grid_size(alone, signature, project.catalog) * max(1, len(seeds)) * wishes.repeats


def checked_plan(project: Project, problem: Problem, grid: Mapping[str, Any], wishes: Wishes,
                 watch: Callable[[Iterator[NewRun]], Iterable[NewRun]] = iter) -> Iterable[NewRun]:
    """The runs of a grid, all validated first; `watch` observes that.

    A large grid is planned twice, so that it need not be held in memory. Raises `ConfigError`.
    """
    if size_of(project, problem, grid, wishes) <= BATCH:
        return list(iter_plan(project, problem, grid, wishes))
    for _ in watch(iter_plan(project, problem, grid, wishes)):
        pass
    return iter_plan(project, problem, grid, wishes)


def plan_rerun(project: Project, record: RunRecord, changes: Mapping[str, Any] | None,
               wishes: Wishes) -> list[NewRun]:
    """Plan a past run again: its config with changes, its scenario and seed.

    Raises `ConfigError`.
    """
    problem = problem_of_run(record)
    changed = _as_tree(changes)
    before = record.config if record.config is not None else record.submitted
    scenario, base = project.up_to_date(problem.scenario, before)
    runs = plan(project, replace(problem, scenario=scenario), merge(base, changed), wishes, parent=record.id)
    # names from before a migration are no longer known
    renamed = bool(record.migrated) or base != before
    written = merge(base if renamed else record.submitted, changed)
    return [replace(run, submitted=written) for run in runs]


def plan_rerun_of_old(record: RunRecord, before: Rewritten | None, changes: Mapping[str, Any] | None,
                      wishes: Wishes) -> list[NewRun]:
    """Plan a past run again on its original code, which will complete and check the config itself. `before`:
    the run's values before migrations rewrote it."""
    changed = _as_tree(changes)
    had = before or record
    base = had.config if had.config is not None else record.submitted
    config = merge(base, {key: value for key, value in changed.items() if key != "seed"})
    seeds = _seeds(choose_seed(changed, given=wishes.seed, task=record.seed), wishes)
    runs = _repeated(record.project, record.task, merge(record.submitted, changed), wishes, seeds)
    return [replace(run, scenario=had.scenario, metric=record.metric, parent=record.id, validated=False,
                    config=config | {"seed": seed} if "seed" in config else config)
            for run, seed in zip(runs, seeds, strict=True)]


def _split_seeds(grid: Tree) -> tuple[Tree, list[int]]:
    if "seed" not in grid:
        return grid, []
    seeds = grid["seed"]
    if isinstance(seeds, dict) and set(seeds) == {"each"}:
        seeds = seeds["each"]
    values = list(seeds) if isinstance(seeds, list | tuple) else [seeds]
    if not values:
        raise ConfigError("`seed`: an empty list of alternatives leaves nothing to run")
    alone = {key: value for key, value in grid.items() if key != "seed"}
    return alone, [check_seed("`seed`", seed) for seed in values]


def _whole(name: str, value: Any, least: int | None = None) -> int:
    number = unwrapped(value)
    if isinstance(number, bool) or not isinstance(number, int) or (least is not None and number < least):
        at_least = "" if least is None else f" >= {least}"
        raise UsageError(f"{name}: expected a whole number{at_least}, got {value!r}")
    return number


def _as_tree(config: Mapping[str, Any] | None) -> Tree:
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise ConfigError(f"config: expected a dict of hyper-parameters, found {type(config).__name__}")
    deep = too_deep(config)                # before the copy, which recurses as deep as the tree
    if deep is not None:
        raise ConfigError(f"config: nested deeper than {MAX_DEPTH} levels at {deep}")
    return copy.deepcopy(dict(config))
