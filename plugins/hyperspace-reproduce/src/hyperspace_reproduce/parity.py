"""Execute past runs with a rewritten class, and compare the results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from hyperspace_core.errors import ConfigError, NotFound, UnknownClassError, UsageError, did_you_mean
from hyperspace_core.plugin import WorkerOptions, events, trees
from hyperspace_core.records import ORDER_NEWEST, NewRun, RunFilter, RunRecord, State
from hyperspace_reproduce.replay import Replay, Verdict, check_tolerance, copy_of, replay

if TYPE_CHECKING:
    from hyperspace_core.study import Study

LAST = 20


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A past run and its replay. `verdict` is None if the config did not fit."""

    before: RunRecord
    run: NewRun | None = None
    now: RunRecord | None = None
    verdict: Verdict | None = None
    problem: str = ""

    @property
    def same(self) -> bool:
        return self.verdict is not None and self.verdict.same


def parity(study: Study, old: str, new: str, *, task: str | None = None, last: int = LAST,
           tolerance: float = 0.0, slots: int = 1,
           listener: events.Listener = events.log_notices) -> list[Pair]:
    """Execute the last completed runs of class `old` again, with `new` in its place.

    Current code, same parameters and seed; nothing is stored. Raises as `planned`, and `ProjectError`.
    """
    check_tolerance(tolerance)
    pairs = planned(study, old, new, task=task, last=last)
    options = WorkerOptions(drain=True, slots=slots, code="current", no_plugins=study.no_plugins,
                            tasks_dir=study.tasks_dir)
    runs = [(pair.before, pair.run) for pair in pairs if pair.run is not None]
    done = {one.before.id: one for one in replay(study.store, study.extensions, runs, options,
                                                 tolerance=tolerance, listener=listener)}
    return [pair if pair.run is None else _judged(pair, done[pair.before.id]) for pair in pairs]


def planned(study: Study, old: str, new: str, *, task: str | None = None, last: int = LAST) -> list[Pair]:
    """The runs for `parity`, newest first; `problem` is set if a config does not fit.

    Raises `UnknownClassError` for a class that the project does not have, `NotFound` if no run used the old
    one, `UsageError`.
    """
    if last < 1:
        raise UsageError(f"last: expected a whole number >= 1, got {last}")
    _check_class(study, new)
    pairs = [_pair(study, record, old, new) for record in islice(_using(study, old, task), last)]
    if not pairs:
        names = _names(study)
        meant = "" if old in names else did_you_mean(old, names)
        raise NotFound(f"no completed run{f' of {task}' if task else ''} used a class '{old}'{meant}")
    return pairs


def _pair(study: Study, record: RunRecord, old: str, new: str) -> Pair:
    try:
        return Pair(before=record, run=_swapped(study, record, old, new))
    except ConfigError as error:
        return Pair(before=record, problem=str(error).splitlines()[0])


def _judged(pair: Pair, done: Replay) -> Pair:
    if done.verdict is None:
        return replace(pair, problem="was not executed: its worker was stopped")
    return replace(pair, now=done.now, verdict=done.verdict)


def _using(study: Study, name: str, task: str | None) -> Iterator[RunRecord]:
    where = RunFilter(project=study.name, states=(State.COMPLETED,), tasks=() if task is None else (task,))
    for record in study.store.find(where, order=ORDER_NEWEST):
        if record.seed is not None and (_names_in(record.config, name) or _names_in(record.scenario, name)):
            yield record


def _names_in(tree: Any, name: str) -> bool:
    if isinstance(tree, Mapping):
        return tree.get(trees.CLASS_NAME) == name or any(_names_in(inner, name) for inner in tree.values())
    return isinstance(tree, list) and any(_names_in(inner, name) for inner in tree)


def _swapped(study: Study, record: RunRecord, old: str, new: str) -> NewRun:
    """Replace the class. Raises `ConfigError` if the parameters do not fit."""
    run = copy_of(record)
    scenario, config = _renamed(record.scenario, old, new), _renamed(record.config, old, new)
    return replace(run, scenario=scenario, config=study.project.complete(scenario, config))


def _renamed(tree: Any, old: str, new: str) -> Any:
    if isinstance(tree, Mapping):
        inner = {key: _renamed(value, old, new) for key, value in tree.items()}
        return inner | ({trees.CLASS_NAME: new} if tree.get(trees.CLASS_NAME) == old else {})
    return [_renamed(item, old, new) for item in tree] if isinstance(tree, list) else tree


def _names(study: Study) -> list[str]:
    return sorted({entry.name for entry in study.project.registry.entries()})


def _check_class(study: Study, name: str) -> None:
    known = _names(study)
    if name not in known:
        raise UnknownClassError(f"no component '{name}' in project '{study.name}'{did_you_mean(name, known)}")
