"""The yardstick for the runs of a task, from the runs themselves and from what the project's code says today.

For the problem, and for each class: what today's code says, as long as some run has it; else what the newest
run has. So a set of runs never vanishes as a whole because a class was edited since.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from hyperspace_core.config.tree import canonical
from hyperspace_core.records.run import Metric, RunRecord, Tree
from hyperspace_core.results.datasets import DataRule
from hyperspace_core.results.parts import Key, Part, Parts, Sameness, parts_of
from hyperspace_core.results.today import Today
from hyperspace_core.results.yardstick import Yardstick

Known = Sequence[tuple[Parts, Parts]]      # of each run what it was made of, and would be today; oldest first


def yardstick(records: Iterable[RunRecord], today: Today | None = None, *, newest: bool = True) -> Yardstick:
    """The reference for these runs, which are of one task.

    `newest=False`: what today's code says counts also where no run has it.
    """
    by_age = sorted(records, key=lambda record: record.id)
    sameness = Sameness() if today is None else today.sameness
    problem, metric = _problem(by_age, today, newest)
    known = [(parts, {} if today is None else today.parts(record, parts))
             for record in by_age if (parts := parts_of(record)) is not None]
    stick = Yardstick(problem=problem, metric=metric, sameness=sameness, code=_code(known, sameness, newest),
                      hooks=_hooks(known, sameness, newest))
    return replace(stick, data=DataRule.of([record for record in by_age if not stick.against(record)]))


def agree(records: Sequence[RunRecord]) -> bool:
    """Whether they differ in nothing that today's code could decide, so that nobody needs to ask it."""
    known = [record for record in records if record.scenario is not None]
    if len({(record.metric, canonical(record.scenario)) for record in known}) > 1:
        return False
    seen: dict[Key, str] = {}
    hooks = set()
    for parts in filter(None, map(parts_of, records)):
        hooks.add(tuple(sorted((path, part.fingerprint) for path, part in parts.items() if part.is_hook)))
        for part in parts.values():
            if part.fingerprint and seen.setdefault(part.key, part.fingerprint) != part.fingerprint:
                return False
    return len(hooks) <= 1


def _problem(by_age: Sequence[RunRecord], today: Today | None,
             newest: bool) -> tuple[Tree | None, Metric | None]:
    known = [record for record in by_age if record.scenario is not None]
    if not known:
        return None, None
    scenario, metric = known[-1].scenario, known[-1].metric
    now = None if today is None else today.problem(known[-1].task)
    if now is not None:
        text = canonical(now[0])
        if not newest or any(canonical(record.scenario) == text for record in known):
            scenario = now[0]
        if not newest or any(record.metric == now[1] for record in known):
            metric = now[1]
    return scenario, metric


def _code(known: Known, sameness: Sameness, newest: bool) -> dict[Key, Part]:
    """Class → the part with the fingerprint that counts."""
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
    """The same of the project's own hooks; a part without a fingerprint where there is none."""
    counts: dict[str, Part] = {}
    for path in {path for both in known for parts in both for path, part in parts.items() if part.is_hook}:
        none = Part(path=path, name="", fingerprint="")
        had = {sameness.of(parts.get(path, none).fingerprint) for parts, _ in known}
        now = next((current.get(path, none) for _, current in reversed(known) if current), None)
        asked = now is not None and (not newest or sameness.of(now.fingerprint) in had)
        counts[path] = now if now is not None and asked else known[-1][0].get(path, none)
    return counts
