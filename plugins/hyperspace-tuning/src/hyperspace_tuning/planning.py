"""Plan a search from the user's options, and decide when it ends; nothing is stored."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hyperspace_core.errors import ConfigError, RegistrationError, UsageError, did_you_mean
from hyperspace_core.plugin import (
    SubmitOptions,
    Tree,
    build_component,
    completion,
    problem_of_task,
    signatures,
    trees,
    user_at_host,
)
from hyperspace_core.ranges import Choice
from hyperspace_core.records import Budget, Metric, NewRun, NewSearch, RunRecord, SearchRecord, State
from hyperspace_tuning.history import check_searched, searched_space
from hyperspace_tuning.space import Dimension, Entry, Shape, class_path, partial_config
from hyperspace_tuning.space_parts import SPACE
from hyperspace_tuning.space_spec import space_to_json
from hyperspace_tuning.tuner import Tuner

if TYPE_CHECKING:
    from hyperspace_core.plugin import Project, Registry

@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """The user's options for a search."""

    budget: Budget = field(default_factory=Budget)
    space: Mapping[str, Any] | None = None
    tuner: Any = None              # a name, a section, or a component; None: the preferred installed one
    pruner: Any = None             # likewise; None: no run is stopped early
    metrics: Collection[str | Metric] = ()         # beside the task's own: "seconds:minimize"
    learn_from: Collection[str] = ()               # related tasks
    seed: int | None = None
    run_options: SubmitOptions = field(default_factory=SubmitOptions)


def plan_search(project: Project, task: str, asked: TuneOptions) -> NewSearch:
    """Plan a search. Raises `TaskError`, `ConfigError` or `UsageError`."""
    problem = problem_of_task(project, task)
    metrics = (problem.metric, *further_metrics(asked.metrics, problem.metric))
    space = space_to_json(_as_mapping(asked.space), project.registry.name_of)
    made = searched_space(project, problem.scenario, space)
    chosen = asked.tuner or default_tuner(project.registry, len(metrics))
    tuner = component_tree(project, Tuner, chosen, "tuner")
    built = build_component(Tuner, tuner, project.registry, path="tuner")
    built.check(made, metrics)
    check_searched(made, task)
    if asked.budget == Budget(failures=asked.budget.failures) and not built.ends:
        raise UsageError("tune: give a limit: runs, hours, target or patience")
    sources = related_tasks(project, task, asked.learn_from)
    wishes = asked.run_options
    return NewSearch(
        uid=uuid.uuid4().hex, project=project.name, task=problem.task, scenario=problem.scenario, tuner=tuner,
        metrics=metrics, space=space, budget=asked.budget,
        pruner=_pruner_tree(project, asked.pruner, problem.metric), sources=sources,
        seed=completion.choose_seed({}, given=asked.seed, task=problem.seed),
        priority=wishes.priority, tags=tuple(wishes.tags), note=wishes.note, retries=wishes.retries,
        submitted_by=user_at_host())


def check_named_classes(project: Project, search: NewSearch, check: Callable[[NewRun], object]) -> None:
    """Call `check` with one run for each class that `space=` names; its config has these choices only.

    Raises what `check` raises; a `ConfigError` names `space`.
    """
    space = searched_space(project, search.scenario, search.space)
    for entry in space.entries:
        for name in _named_classes(entry):
            chosen = {**dict(entry.when), entry.path: name}
            entries = (one for one in space.entries if isinstance(one, Shape) or one.path in chosen)
            config = partial_config(entries, chosen)
            run = NewRun(uid=search.uid, project=search.project, task=search.task, submitted=config,
                         scenario=search.scenario, config=config, metric=search.metrics[0], seed=search.seed)
            try:
                check(run)
            except ConfigError as error:
                raise ConfigError(*(f"space: {problem}" for problem in error.problems)) from None


def _named_classes(entry: Entry) -> tuple[Any, ...]:
    """The classes that the user named in an entry of a search space."""
    if isinstance(entry, Shape) or entry.source != SPACE or not class_path(entry.path):
        return ()
    if isinstance(entry, Dimension):
        return entry.range.values if isinstance(entry.range, Choice) else ()
    return (entry.value,)


def _as_mapping(space: Any) -> dict[str, Any]:
    if space is None:
        return {}
    if not isinstance(space, Mapping):
        raise ConfigError(f"space: expected a dict of hyper-parameters, found {trees.shown(space)}")
    return dict(space)


def default_tuner(registry: Registry, metrics: int) -> str:
    """The name of the registered tuner with the highest preference."""
    fit = [entry for entry in registry.entries(Tuner) if metrics == 1 or entry.target.several_metrics]
    return max(fit, key=lambda entry: (entry.target.preference, entry.name)).name


def component_tree(project: Project, family: type, asked: Any, path: str) -> Tree:
    """Complete a name, a section or an object. Raises `ConfigError`."""
    if isinstance(asked, family):
        try:
            asked = signatures.tree_of(asked, project.registry.name_of)
        except RegistrationError as error:
            raise ConfigError(f"`{path}`: {error}") from None
    return completion.complete_component(family, asked, project.registry, path=path)


def further_metrics(asked: Collection[str | Metric], own: Metric) -> tuple[Metric, ...]:
    """`"seconds:minimize"` → a metric; maximized by default. Raises `UsageError`."""
    given = [asked] if isinstance(asked, str | Metric) else asked or ()
    found = {metric.name: metric for metric in map(_metric_of, given) if metric.name != own.name}
    return tuple(found.values())


def _metric_of(asked: str | Metric) -> Metric:
    if isinstance(asked, Metric):
        return asked
    if not isinstance(asked, str):
        raise UsageError(f"metrics: expected names, as in \"seconds:minimize\", found {trees.shown(asked)}")
    name, _, goal = asked.rpartition(":") if ":" in asked else (asked, "", "maximize")
    if not name:
        raise UsageError(f"metric '{asked}': a name is missing, as in \"seconds:minimize\"")
    if goal == "minimize":
        return Metric(name=name, goal="minimize")
    if goal != "maximize":
        raise UsageError(f"metric '{asked}': expected maximize or minimize after the colon, found '{goal}'"
                         f"{did_you_mean(goal, ('maximize', 'minimize'))}")
    return Metric(name=name)


def related_tasks(project: Project, task: str, asked: Iterable[str]) -> tuple[str, ...]:
    """The names of related tasks, checked. Raises `TaskError`, `UsageError`."""
    names = tuple(dict.fromkeys([asked] if isinstance(asked, str) else asked or ()))
    for name in names:
        if not isinstance(name, str):
            raise UsageError(f"learn_from: expected names of tasks, found {trees.shown(name)}")
        if name == task:
            raise UsageError(f"tune: task '{task}' learns from its own runs anyway; name another task")
        project.task(name)
    return names


def _pruner_tree(project: Project, asked: Any, metric: Metric) -> Tree | None:
    """The completed pruner, built once as a check. Raises `ConfigError`."""
    if asked is None:
        return None
    from hyperspace_tuning.pruner import Pruner

    tree = component_tree(project, Pruner, asked, "pruner")
    build_component(Pruner, tree, project.registry, path="pruner").watched(metric)
    return tree


# -- When a search ends: by its record and its runs alone ---------------------------------------------------

NOTHING_LEFT = "nothing is left to try"
HOUR_S = 3600.0


def why_over(search: SearchRecord, runs: Sequence[RunRecord]) -> str | None:
    """The reason why nothing more is proposed, or None; `runs`: those of the search.

    Hours are summed over the attempts' records: the clock is not read.
    """
    budget, metric = search.budget, search.metrics[0]
    if budget.runs is not None and search.proposed >= budget.runs:
        return "its run was proposed" if budget.runs == 1 else f"all {budget.runs:,} runs have been proposed"
    if budget.hours is not None and (spent := hours_of(runs)) >= budget.hours:
        return f"{spent:.3g} of {budget.hours:g} hours are used"
    best = best_of(runs, metric)
    if budget.target is not None and best is not None and _reached(best, budget.target, metric):
        return f"{metric.name} {best.result:.6g} of run {best.id} reaches the target {budget.target:g}"
    if budget.patience is not None and (vain := runs_since_best(runs, metric)) >= budget.patience:
        return f"no improvement in {vain} runs"
    failed = failures_in_a_row(runs)
    if budget.failures is not None and failed >= budget.failures:
        return f"its last {failed} runs failed, the last one with: {_reason_of(runs)}"
    return None


def hours_of(runs: Sequence[RunRecord]) -> float:
    """Computing hours of all ended attempts."""
    return sum(seconds for run in runs for seconds in _seconds(run)) / HOUR_S


def _seconds(run: RunRecord) -> Iterator[float]:
    for attempt in run.attempts:
        if attempt.started_at is not None and attempt.ended_at is not None:
            yield max(0.0, (attempt.ended_at - attempt.started_at).total_seconds())


def best_of(runs: Sequence[RunRecord], metric: Metric) -> RunRecord | None:
    """The completed run with the best result; the first of equal ones."""
    done = [run for run in runs if run.finite_result is not None]
    return min(done, key=lambda run: (_loss(run, metric), run.id), default=None)


def runs_since_best(runs: Sequence[RunRecord], metric: Metric) -> int:
    """The number of runs that completed or failed since the best was proposed."""
    ended = [run for run in sorted(runs, key=lambda run: run.id)
             if run.state in (State.COMPLETED, State.FAILED)]
    best = best_of(ended, metric)
    return len(ended) if best is None else sum(run.id > best.id for run in ended)


def failures_in_a_row(runs: Sequence[RunRecord]) -> int:
    """The number of runs that failed or diverged in a row, up to the last one that ended."""
    ended = sorted((run for run in runs if run.state in (State.COMPLETED, State.FAILED)),
                   key=lambda run: run.id, reverse=True)
    return next((count for count, run in enumerate(ended) if run.finite_result is not None), len(ended))


def improvements(runs: Sequence[RunRecord], metric: Metric) -> list[RunRecord]:
    """The runs that were better than all runs before them, in order."""
    found: list[RunRecord] = []
    for run in sorted(runs, key=lambda run: run.id):
        if run.finite_result is not None and (not found or _loss(run, metric) < _loss(found[-1], metric)):
            found.append(run)
    return found


def seconds_apart(runs: Sequence[RunRecord]) -> list[float]:
    """Seconds between the ends of consecutive runs."""
    ends = sorted(run.finished_at for run in runs if run.finished_at is not None)
    return [(later - earlier).total_seconds() for earlier, later in pairwise(ends)]


def _reached(best: RunRecord, target: float, metric: Metric) -> bool:
    return _loss(best, metric) <= (target if metric.goal == "minimize" else -target)


def _loss(run: RunRecord, metric: Metric) -> float:
    result = run.finite_result
    if result is None:
        return math.inf
    return result if metric.goal == "minimize" else -result


def _reason_of(runs: Sequence[RunRecord]) -> str:
    failed = [run for run in runs if run.state is State.FAILED or (
        run.state is State.COMPLETED and run.finite_result is None)]
    last = max(failed, key=lambda run: run.id, default=None)
    if last is not None and last.state is State.COMPLETED:
        return f"result {last.result}"
    return "no reason" if last is None else last.reason or "no reason"
