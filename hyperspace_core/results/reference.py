"""Determine the reference for a task from its runs and the current code.

For the problem, and for each class, the current code is the reference if some run has it, else the newest run
is. So editing a class does not hide all runs at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from hyperspace_core.config.tree import Tree, canonical
from hyperspace_core.records.run import Metric, RunRecord
from hyperspace_core.results.datasets import DataRule
from hyperspace_core.results.parts import Key, Part, Parts, Sameness, Traits
from hyperspace_core.results.today import Today
from hyperspace_core.results.yardstick import Yardstick

Known = Sequence[tuple[Parts, Parts]]      # recorded and current parts of runs; the newest last


def yardstick(runs: Iterable[Traits], today: Today | None = None, *, newest: bool = True) -> Yardstick:
    """Determine the reference for runs of one task.

    `newest=False`: the current code is the reference, even if no run has it.
    """
    by_age = sorted(runs, key=lambda run: run.record.id)
    sameness = Sameness() if today is None else today.sameness
    problem, metric = _problem(by_age, today, newest)
    known = [(parts, {} if today is None else today.parts(record, parts))
             for record, parts in _made_of(by_age)]
    stick = Yardstick(problem=problem, problem_text=None if problem is None else canonical(problem),
                      metric=metric, sameness=sameness, code=_code(known, sameness, newest),
                      hooks=_hooks(known, sameness, newest))
    return replace(stick, data=DataRule.of([run for run in by_age if not stick.against(run)]))


def agree(runs: Sequence[Traits]) -> bool:
    """Whether the runs agree, so that the current code is not needed."""
    if len({(run.record.metric, run.problem) for run in runs if run.problem is not None}) > 1:
        return False
    seen: dict[Key, str] = {}
    hooks = set()
    for _, parts in _made_of(runs):
        hooks.add(tuple(sorted((path, part.fingerprint) for path, part in parts.items() if part.is_hook)))
        for part in parts.values():
            if part.fingerprint and seen.setdefault(part.key, part.fingerprint) != part.fingerprint:
                return False
    return len(hooks) <= 1


def _made_of(by_age: Iterable[Traits]) -> list[tuple[RunRecord, Parts]]:
    """The different sets of parts, each with its newest run."""
    newest: dict[int, tuple[RunRecord, Parts]] = {}
    for run in by_age:
        if run.parts is not None:
            newest.pop(id(run.parts), None)
            newest[id(run.parts)] = run.record, run.parts
    return list(newest.values())


def _problem(by_age: Sequence[Traits], today: Today | None,
             newest: bool) -> tuple[Tree | None, Metric | None]:
    known = [run for run in by_age if run.problem is not None]
    if not known:
        return None, None
    scenario, metric = known[-1].record.scenario, known[-1].record.metric
    now = None if today is None else today.problem(known[-1].record.task)
    if now is not None:
        text = canonical(now[0])
        if not newest or any(run.problem == text for run in known):
            scenario = now[0]
        if not newest or any(run.record.metric == now[1] for run in known):
            metric = now[1]
    return scenario, metric


def _code(known: Known, sameness: Sameness, newest: bool) -> dict[Key, Part]:
    """Class → the part with the reference fingerprint."""
    counts: dict[Key, Part] = {}
    now: dict[Key, Part] = {}
    had: set[tuple[Key, str]] = set()
    for parts, current in known:
        for path, part in parts.items():
            if part.is_hook or not part.fingerprint:
                continue
            counts[part.key] = part
            had.add((part.key, sameness.of(part.fingerprint)))
            if path in current and current[path].fingerprint:
                now[part.key] = current[path]
    wanted = {key: part for key, part in now.items()
              if not newest or (key, sameness.of(part.fingerprint)) in had}
    return counts | wanted


def _hooks(known: Known, sameness: Sameness, newest: bool) -> dict[str, Part]:
    """Hook → the reference part; its fingerprint is empty if there is no such hook."""
    counts: dict[str, Part] = {}
    for path in {path for both in known for parts in both for path, part in parts.items() if part.is_hook}:
        none = Part(path=path, name="", fingerprint="")
        had = {sameness.of(parts.get(path, none).fingerprint) for parts, _ in known}
        now = next((current.get(path, none) for _, current in reversed(known) if current), None)
        asked = now is not None and (not newest or sameness.of(now.fingerprint) in had)
        counts[path] = now if now is not None and asked else known[-1][0].get(path, none)
    return counts
