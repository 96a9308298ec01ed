"""Plan a backfill: first the project's migrations, then missing parameters.

This module writes nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hyperspace_core.backfill.today import CurrentSignatures
from hyperspace_core.config.migrate import EVERY, applied, step_text
from hyperspace_core.config.tree import Tree, canonical
from hyperspace_core.errors import ConfigError, UsageError
from hyperspace_core.execution.identity import user_at_host
from hyperspace_core.extension.project import Project
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.logged import MAX_NAME, is_name
from hyperspace_core.records.migration import Migration
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store

ENDED = tuple(state for state in State if state.terminal)
Watch = Callable[[Iterator[RunRecord]], Iterable[RunRecord]]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One step, and the number of runs that it changes."""

    text: str                      # "Forest.max_depth = null"
    runs: int


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A migration, and the runs that it would rewrite."""

    migration: Migration
    declared: bool                 # by the project; else generated from missing parameters
    runs: tuple[int, ...]
    effects: tuple[Effect, ...]


@dataclass(frozen=True, kw_only=True)
class LeftAlone:
    """Runs that do not fit the current code, all for the same cause."""

    cause: str
    runs: int
    last: int                      # id of the newest


@dataclass(frozen=True, kw_only=True)
class BackfillPlan:
    """Planned migrations with their runs, in the order of application."""

    project: str
    looked_at: int                 # runs that have ended
    migrations: tuple[Planned, ...]
    left: tuple[LeftAlone, ...]


def plan_backfill(project: Project, store: Store, *, name: str | None = None,
                  watch: Watch = iter) -> BackfillPlan:
    """Plan the backfill of all finished runs.

    `name`: name of the migration of missing parameters. Raises `UsageError` for a name that another migration
    has, and for a migration of the project that was applied with different steps.
    """
    known = {one.name: one for one in store.migrations(project.name)}
    course = Course(project, known)
    tally = _Tally()
    for record in watch(store.find(RunFilter(project=project.name, states=ENDED), order=ORDER_OLDEST)):
        if record.scenario is not None and record.config is not None:
            tally.looked_at += 1
            _look(record, record.scenario, record.config, course, tally)
    planned = [Planned(migration=migration, declared=True, runs=tuple(tally.declared[migration.name]),
                       effects=_effects(migration.steps, tally.changed[migration.name]))
               for migration in course.declared if tally.declared.get(migration.name)]
    if tally.lacking:
        steps = tuple(sorted(tally.steps.values(), key=lambda step: step["op"] != "rename_class"))
        planned.append(Planned(migration=_named(project, known, steps, name, tally), declared=False,
                               runs=tuple(tally.lacking), effects=_effects(steps, tally.needed)))
    return BackfillPlan(project=project.name, looked_at=tally.looked_at, migrations=tuple(planned),
                        left=tuple(LeftAlone(cause=cause, runs=count, last=tally.last[cause])
                                   for cause, count in tally.causes.most_common()))


class Course:
    """Finds the migrations that a run needs; checks that applied ones are unchanged."""

    def __init__(self, project: Project, known: dict[str, Migration]) -> None:
        self.today = CurrentSignatures(project)
        self.declared = project.migrations
        self._known = known
        for migration in self.declared:
            _check_unchanged(migration, known.get(migration.name))

    def waiting(self, record: RunRecord) -> Iterator[Migration]:
        """The project's migrations that the run still needs."""
        for migration in self.declared:
            if migration.name not in record.migrated and not self._is_newer(record, migration):
                yield migration

    def _is_newer(self, record: RunRecord, migration: Migration) -> bool:
        """Whether a run began after the migration was first applied, on newer code.
        A removed name may have been reused with another meaning.
        """
        known = self._known.get(migration.name)
        if known is None or not known.runs or known.at is None or record.started_at is None:
            return False
        if record.started_at <= known.at or record.scenario is None or record.config is None:
            return False
        return not self.today.problems(record, record.scenario, record.config)


@dataclass
class _Tally:
    """Counts collected while planning."""

    looked_at: int = 0
    declared: dict[str, list[int]] = field(default_factory=dict)
    changed: dict[str, Counter[str]] = field(default_factory=dict)       # migration -> step -> runs
    lacking: list[int] = field(default_factory=list)
    steps: dict[str, Tree] = field(default_factory=dict)
    needed: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    last: dict[str, int] = field(default_factory=dict)
    histories: set[tuple[str, ...]] = field(default_factory=set)         # migrations, in the order of a run
    before: set[str] = field(default_factory=set)      # migrations of runs with missing parameters

    def tangles(self, name: str) -> bool:
        """Whether adding missing parameters under this name would create a cycle.
        Then neither of two migrations could be undone.
        """
        return any(self.before & {*had[had.index(name) + 1:]} for had in self.histories if name in had)

    def leave(self, record: RunRecord, cause: str) -> None:
        self.causes[cause] += 1
        self.last[cause] = record.id


def _look(record: RunRecord, scenario: Tree, config: Tree, course: Course, tally: _Tally) -> None:
    had = record.migrated
    for migration in course.waiting(record):
        try:
            changed = _changed_by(migration.steps, scenario, config)
        except ConfigError as error:
            tally.leave(record, f"migration '{migration.name}': {error}")
            tally.histories.add(had)
            return
        if changed:
            had += (migration.name,)
            scenario, config = applied(migration.steps, scenario, config)
            tally.declared.setdefault(migration.name, []).append(record.id)
            tally.changed.setdefault(migration.name, Counter()).update(changed)
    tally.histories.add(had)
    steps = course.today.lacking(scenario, config)
    problems = course.today.problems(record, *applied(steps, scenario, config))
    if problems:
        tally.leave(record, path_of_any(problems[0]))
    elif steps:
        tally.lacking.append(record.id)
        tally.before.update(had)
        tally.needed.update(canonical(step) for step in steps)
        tally.steps |= {canonical(step): step for step in steps}


def path_of_any(text: str) -> str:
    """Replace the list indices in a message by `*`: `layers.*.units`."""
    return re.sub(r"(?<=\.)\d+(?=[.`]|$)", EVERY, text)


def _changed_by(steps: Sequence[Tree], scenario: Tree, config: Tree) -> list[str]:
    """The steps that change something, as canonical texts."""
    changed = []
    for step in steps:
        after = applied([step], scenario, config)
        if canonical(after) != canonical((scenario, config)):
            changed.append(canonical(step))
        scenario, config = after
    return changed


def _effects(steps: Iterable[Tree], runs: Counter[str]) -> tuple[Effect, ...]:
    return tuple(Effect(text=step_text(step), runs=runs[canonical(step)]) for step in steps
                 if runs[canonical(step)])


def _check_unchanged(migration: Migration, known: Migration | None) -> None:
    if known is not None and known.runs and canonical(known.steps) != canonical(migration.steps):
        raise UsageError(f"register.migration({migration.name!r}): was applied with other steps; give "
                         "the changed steps another name, or --undo the migration first")


def _named(project: Project, known: dict[str, Migration], steps: tuple[Tree, ...], name: str | None,
           tally: _Tally) -> Migration:
    """The migration of missing parameters; continues an interrupted one."""
    if name is not None and (not is_name(name) or name != name.strip()):
        raise UsageError(f"--name {name[:40]!a}: expected 1 to {MAX_NAME} printable characters without "
                         "blanks around them")
    texts = {canonical(step) for step in steps}
    own = {migration.name for migration in project.migrations}
    for one in known.values():
        if one.runs and one.name not in own and name in (None, one.name) and (
                texts <= {canonical(step) for step in one.steps}) and not tally.tangles(one.name):
            return one
    if name is not None and (name in own or (name in known and known[name].runs)):
        raise UsageError(f"--name {name!r}: another migration has that name; choose a new one")
    return Migration(name=name or _free_name(steps, {*known, *own}), project=project.name, steps=steps,
                     author=user_at_host())


def _free_name(steps: tuple[Tree, ...], taken: set[str]) -> str:
    """An unused name: `add 2026-11-25 Forest.max_depth and 2 more`."""
    first = step_text(steps[0]).partition(" = ")[0]
    more = f" and {len(steps) - 1} more" if len(steps) > 1 else ""
    verb = "add" if steps[0]["op"] == "add" else "rename"
    base = f"{verb} {datetime.now(UTC):%Y-%m-%d} {first}{more}"
    numbered = (f"{base} ({number})" for number in range(2, len(taken) + 3))
    return next(free for free in (base, *numbered) if free not in taken)
