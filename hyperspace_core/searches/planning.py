"""Turn the user's options for a search into a record; nothing is stored."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hyperspace_core.config.build import build_component
from hyperspace_core.config.complete import choose_seed, complete_component
from hyperspace_core.config.dimensions import Dimension, Entry, Shape
from hyperspace_core.config.leaves import SPACE
from hyperspace_core.config.placing import class_path, written
from hyperspace_core.config.signature import tree_of
from hyperspace_core.config.spacejson import space_tree
from hyperspace_core.config.tree import CLASS_NAME, Tree, shown
from hyperspace_core.errors import (
    ConfigError,
    RegistrationError,
    UnknownClassError,
    UsageError,
    did_you_mean,
)
from hyperspace_core.execution.identity import user_at_host
from hyperspace_core.ranges import Choice
from hyperspace_core.records.run import Metric, NewRun
from hyperspace_core.records.search import Budget, NewSearch
from hyperspace_core.searches.problem import check_searched, searched_space
from hyperspace_core.submission import SubmitOptions, problem_of_task
from hyperspace_core.tuner import Tuner

if TYPE_CHECKING:
    from hyperspace_core.config.registry import Registry
    from hyperspace_core.extension.project import Project


# tuners of plugins that may not be installed
BROUGHT = {"hyperspace-optuna": ("CmaEs", "GP", "NSGAII", "Sampler", "TPE")}


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
    wishes: SubmitOptions = field(default_factory=SubmitOptions)


def plan_search(project: Project, task: str, asked: TuneOptions) -> NewSearch:
    """Plan a search. Raises `TaskError`, `ConfigError` or `UsageError`."""
    problem = problem_of_task(project, task)
    metrics = (problem.metric, *further_metrics(asked.metrics, problem.metric))
    space = space_tree(_as_mapping(asked.space), project.registry.name_of)
    made = searched_space(project, problem.scenario, space)
    chosen = asked.tuner or default_tuner(project.registry, len(metrics))
    tuner = component_tree(project, Tuner, chosen, "tuner")
    built = build_component(Tuner, tuner, project.registry, path="tuner")
    built.check(made, metrics)
    check_searched(made, task)
    if asked.budget == Budget(failures=asked.budget.failures) and not built.ends:
        raise UsageError("tune: give a limit: runs, hours, target or patience")
    sources = related_tasks(project, task, asked.learn_from)
    wishes = asked.wishes
    return NewSearch(
        uid=uuid.uuid4().hex, project=project.name, task=problem.task, scenario=problem.scenario, tuner=tuner,
        metrics=metrics, space=space, budget=asked.budget,
        pruner=_pruner_tree(project, asked.pruner, problem.metric), sources=sources,
        seed=choose_seed({}, given=asked.seed, task=problem.seed),
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
            config = written((one for one in space.entries if isinstance(one, Shape) or one.path in chosen),
                             chosen)
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
        raise ConfigError(f"space: expected a dict of hyper-parameters, found {shown(space)}")
    return dict(space)


def default_tuner(registry: Registry, metrics: int) -> str:
    """The name of the registered tuner with the highest preference."""
    fit = [entry for entry in registry.entries(Tuner) if metrics == 1 or entry.target.several_metrics]
    return max(fit, key=lambda entry: (entry.target.preference, entry.name)).name


def component_tree(project: Project, family: type, asked: Any, path: str) -> Tree:
    """Complete a name, a section or an object. Raises `ConfigError`."""
    if isinstance(asked, family):
        try:
            asked = tree_of(asked, project.registry.name_of)
        except RegistrationError as error:
            raise ConfigError(f"`{path}`: {error}") from None
    try:
        return complete_component(family, asked, project.registry, path=path)
    except UnknownClassError as error:
        raise UnknownClassError(f"{error}{_brought(asked)}") from None


def _brought(asked: Any) -> str:
    """The command that installs the plugin with the missing class, if it is known."""
    name = asked.get(CLASS_NAME) if isinstance(asked, Mapping) else asked
    return "".join(f" `pip install {plugin}` brings {name}."
                   for plugin, names in BROUGHT.items() if name in names)


def further_metrics(asked: Collection[str | Metric], own: Metric) -> tuple[Metric, ...]:
    """`"seconds:minimize"` → a metric; maximized by default. Raises `UsageError`."""
    given = [asked] if isinstance(asked, str | Metric) else asked or ()
    found = {metric.name: metric for metric in map(_metric_of, given) if metric.name != own.name}
    return tuple(found.values())


def _metric_of(asked: str | Metric) -> Metric:
    if isinstance(asked, Metric):
        return asked
    if not isinstance(asked, str):
        raise UsageError(f"metrics: expected names, as in \"seconds:minimize\", found {shown(asked)}")
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
            raise UsageError(f"learn_from: expected names of tasks, found {shown(name)}")
        if name == task:
            raise UsageError(f"tune: task '{task}' learns from its own runs anyway; name another task")
        project.task(name)
    return names


def _pruner_tree(project: Project, asked: Any, metric: Metric) -> Tree | None:
    """The completed pruner, built once as a check. Raises `ConfigError`."""
    if asked is None:
        return None
    from hyperspace_core.pruner import Pruner

    tree = component_tree(project, Pruner, asked, "pruner")
    build_component(Pruner, tree, project.registry, path="pruner").watched(metric)
    return tree
