"""Tasks: named problems, each from a JSON file or a registered function."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from hyperspace_core.config.complete import check_seed
from hyperspace_core.config.tree import CLASS_NAME, Tree, copied, match_key, shown, too_deep
from hyperspace_core.errors import ConfigError, TaskError, did_you_mean, nearest
from hyperspace_core.records.run import Goal, Metric

MAX_METRIC_NAME = 200

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_KEYS = ("scenario", "metric", "seed")
_METRIC_KEYS = ("name", "goal")


@dataclass(frozen=True, kw_only=True)
class Task:
    """A scenario with its parameters, the metric that decides, and a seed."""

    name: str
    scenario: Tree                 # as written, without defaults
    metric: Metric = Metric()      # noqa: RUF009 - frozen
    seed: int | None = None        # for runs without a seed of their own
    origin: str = ""               # the file, or who registered it


def check_task_name(name: object) -> str:
    """Normalize a task name. Raises `TaskError` if ambiguous or like an option."""
    plain = unicodedata.normalize("NFC", name) if isinstance(name, str) else ""
    if not _NAME.fullmatch(plain):
        escaped = ascii(name if not isinstance(name, str) or len(name) <= 100 else f"{name[:100]}…")
        raise TaskError(f"task name {escaped}: use 1 to 100 of the characters A-Z a-z 0-9 . _ - and begin "
                        "with a letter or digit")
    return plain


def parse_task(name: str, tree: Any, origin: str = "") -> Task:
    """Parse the content of a task file; old CamelCase keys (`Scenario`) are accepted.

    `origin` is the file's place, for messages. Raises `TaskError` with every problem, one per line. The
    opened project checks later that the scenario exists and that its parameters fit.
    """
    name = check_task_name(name)
    where = origin or f"task '{name}'"
    if not isinstance(tree, Mapping):
        raise TaskError(f"{where}: a task is a JSON object with the key `scenario`, found {shown(tree)}")
    deep = too_deep(tree)
    if deep is not None:
        raise TaskError(f"{where}: nested deeper than 64 levels at {deep}")
    problems: list[str] = []
    given = _by_key(tree, _KEYS, "a task", "", problems)
    scenario = _scenario(given, problems)
    metric = _metric(given.get("metric"), problems)
    seed = _seed(given.get("seed"), problems)
    if problems:
        raise TaskError("\n".join(f"{where}: {problem}" for problem in problems))
    return Task(name=name, scenario=scenario, metric=metric, seed=seed, origin=origin)


def _by_key(section: Mapping[Any, Any], known: tuple[str, ...], what: str, path: str,
            problems: list[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    names = dict.fromkeys(known)
    for key, value in section.items():
        name = match_key(key, names) if isinstance(key, str) else None
        if name is None:
            near = nearest(str(key), known)
            cure = f"did you mean `{path}{near}`?" if near else f"it has {', '.join(f'`{k}`' for k in known)}"
            named = key if isinstance(key, str) and key.isprintable() else ascii(key)
            problems.append(f"`{path}{named}`: {what} has no such key; {cure}")
        elif name in given:
            problems.append(f"`{path}{key}`: the same key as `{path}{name}`; keep one")
        else:
            given[name] = value
    return given


def _scenario(given: Mapping[str, Any], problems: list[str]) -> Tree:
    if "scenario" not in given:
        problems.append("`scenario`: missing; name the scenario's class, as in "
                        '{"scenario": {"className": "Holdout"}}')
        return {}
    scenario = given["scenario"]
    if isinstance(scenario, str):
        return {CLASS_NAME: scenario}
    if not isinstance(scenario, Mapping):
        problems.append(f"`scenario`: expected a section with className, found {shown(scenario)}")
        return {}
    name = scenario.get(CLASS_NAME)
    if not isinstance(name, str):
        problems.append(f"`scenario.{CLASS_NAME}`: missing; name the scenario's class" if name is None else
                        f"`scenario.{CLASS_NAME}`: expected a class name, found {shown(name)}")
        return {}
    tree: Tree = copied(scenario)
    return tree


def _metric(section: Any, problems: list[str]) -> Metric:
    if section is None:
        return Metric()
    if not isinstance(section, Mapping):
        problems.append(f'`metric`: expected {{"name": …, "goal": …}}, found {shown(section)}')
        return Metric()
    given = _by_key(section, _METRIC_KEYS, "a metric", "metric.", problems)
    name, goal = given.get("name", "result"), given.get("goal", "maximize")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_METRIC_NAME or not name.isprintable():
        problems.append(f"`metric.name`: expected 1 to {MAX_METRIC_NAME} printable characters, found "
                        f"{shown(name)}")
        return Metric()
    goals = get_args(Goal)
    if goal not in goals:
        problems.append(f"`metric.goal`: expected {' or '.join(goals)}, found {shown(goal)}"
                        f"{did_you_mean(str(goal), goals)}")
        return Metric()
    return Metric(name=name, goal=goal)


def _seed(value: Any, problems: list[str]) -> int | None:
    if value is None:
        return None
    try:
        return check_seed("`seed`", value)
    except ConfigError as error:
        problems.append(str(error))
        return None
