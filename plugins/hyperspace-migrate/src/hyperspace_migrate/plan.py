"""Plan, apply and undo a backfill: first the project's migrations, then missing parameters."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from hyperspace_core.errors import ConfigError, NotFound, Refused, UsageError, did_you_mean
from hyperspace_core.migrations import add, rename_class
from hyperspace_core.plugin import (
    EVERY,
    MAX_NAME,
    ConfigSection,
    Project,
    Tree,
    applied,
    completion,
    is_name,
    trees as trees_,
    user_at_host,
)
from hyperspace_core.records import ORDER_OLDEST, Migration, Rewrite, RunFilter, RunRecord, State, Task
from hyperspace_core.storage import Migrations, Store, migrations_of

SEED = "seed"                  # a parameter of that name receives the run's seed; its default does not count
KEPT = 4096                    # size of the cache
BATCH = 1000                   # runs that are rewritten in one transaction
ENDED = tuple(state for state in State if state.terminal)
Watch = Callable[[Iterator[RunRecord]], Iterable[RunRecord]]
WatchBatches = Callable[[Iterator[Sequence[int]]], Iterable[Sequence[int]]]
Trees = tuple[Tree | None, Tree | None]


# -- Stored trees against the current code ----------------------------------------------------------------

class CurrentSignatures:
    """Checks stored trees against an opened project; caches the results."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._defaults: dict[tuple[Any, str], Any] = {}
        self._problems: dict[str, tuple[str, ...]] = {}

    def sections(self, scenario: Tree, config: Tree, *, written_scenario: Any = trees_.MISSING,
                 written: Any = trees_.MISSING) -> Iterator[ConfigSection]:
        """Yield all sections, those of the scenario first; none for an unknown scenario."""
        with suppress(ConfigError):
            yield from self.project.sections(scenario, config, written_scenario=written_scenario,
                                             written=written)

    def lacking(self, scenario: Tree, config: Tree) -> list[Tree]:
        """Steps that rename old classes, then add missing parameters.

        The value is the default of the class itself, even if a parameter's default is an object with another
        value: only the class's own default keeps the old behaviour.
        """
        renamed: dict[str, Tree] = {}
        added: dict[str, Tree] = {}
        name = self._scenario_name(scenario)
        for section in self.sections(scenario, config):
            entry = section.entry
            if entry is not None and section.called != entry.name:
                step = rename_class(section.called, entry.name, within=self._within(section, section.called))
                renamed.setdefault(trees_.canonical(step), step)
            for parameter, value in self.missing(section):
                step = add(section.parameter(parameter), value, scenario=name) if entry is None else add(
                    section.parameter(parameter), value, of=entry.name,
                    within=self._within(section, entry.name))
                added.setdefault(trees_.canonical(step), step)
        return [*renamed.values(), *added.values()]

    def missing(self, section: ConfigSection) -> Iterator[tuple[str, Any]]:
        """Yield the parameters that a section lacks and that have a default, with the default."""
        for parameter in section.signature.parameters:
            name = parameter.name
            if name in section.given or (name == SEED and not section.path):
                continue
            value = self.default(section, name)
            if value is not trees_.MISSING:
                yield name, value

    def default(self, section: ConfigSection, name: str) -> Any:
        """A parameter's own default as a config value; `MISSING` if there is none."""
        key = section.signature.target, name
        if key not in self._defaults:
            self._defaults[key] = self.project.own_default(section, name)
        return self._defaults[key]

    def problems(self, record: RunRecord, scenario: Tree, config: Tree) -> tuple[str, ...]:
        """Reasons why the trees do not fit the current signatures; empty if they fit."""
        key = trees_.canonical([scenario, config])
        if key not in self._problems:
            if len(self._problems) >= KEPT:
                self._problems.clear()
            self._problems[key] = self._found(record, scenario, config)
        return self._problems[key]

    def _found(self, record: RunRecord, scenario: Tree, config: Tree) -> tuple[str, ...]:
        found: dict[str, None] = {}
        try:
            self.project.complete_scenario(Task(name=record.task, scenario=scenario))
        except ConfigError as error:
            found |= dict.fromkeys(error.problems)
        try:
            signature = self.project.scenario_signature(scenario)
            self.project.complete(scenario, completion.without_seed(config, signature, record.seed or 0))
        except ConfigError as error:
            found |= dict.fromkeys(error.problems)
        return tuple(found)

    def _scenario_name(self, scenario: Tree) -> str | None:
        """Current name of the scenario's class, as used by steps after a renaming."""
        top = next(self.sections(scenario, {}), None)
        return None if top is None or top.entry is None else top.entry.name

    def _within(self, section: ConfigSection, name: str) -> str | None:
        """The parameter that the section fills, if the class name is ambiguous."""
        entries = self.project.registry.entries()
        families = {entry.family for entry in entries if name in (entry.name, *entry.aliases)}
        return section.fills if len(families) > 1 else None




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
    known = migrations_of(store, project.name)
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
        tally.needed.update(trees_.canonical(step) for step in steps)
        tally.steps |= {trees_.canonical(step): step for step in steps}


def path_of_any(text: str) -> str:
    """Replace the list indices in a message by `*`: `layers.*.units`."""
    return re.sub(r"(?<=\.)\d+(?=[.`]|$)", EVERY, text)


def _changed_by(steps: Sequence[Tree], scenario: Tree, config: Tree) -> list[str]:
    """The steps that change something, as canonical texts."""
    changed = []
    for step in steps:
        after = applied([step], scenario, config)
        if trees_.canonical(after) != trees_.canonical((scenario, config)):
            changed.append(trees_.canonical(step))
        scenario, config = after
    return changed


def _effects(steps: Iterable[Tree], runs: Counter[str]) -> tuple[Effect, ...]:
    return tuple(Effect(text=step_text(step), runs=runs[trees_.canonical(step)]) for step in steps
                 if runs[trees_.canonical(step)])


def _check_unchanged(migration: Migration, known: Migration | None) -> None:
    if known is not None and known.runs and trees_.canonical(
        known.steps) != trees_.canonical(migration.steps):
        raise UsageError(f"register.migration({migration.name!r}): was applied with other steps; give "
                         "the changed steps another name, or --undo the migration first")


def _named(project: Project, known: dict[str, Migration], steps: tuple[Tree, ...], name: str | None,
           tally: _Tally) -> Migration:
    """The migration of missing parameters; continues an interrupted one."""
    if name is not None and (not is_name(name) or name != name.strip()):
        raise UsageError(f"--name {name[:40]!a}: expected 1 to {MAX_NAME} printable characters without "
                         "blanks around them")
    texts = {trees_.canonical(step) for step in steps}
    own = {migration.name for migration in project.migrations}
    for one in known.values():
        if one.runs and one.name not in own and name in (None, one.name) and (
                texts <= {trees_.canonical(step) for step in one.steps}) and not tally.tangles(one.name):
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


# -- Apply and undo ---------------------------------------------------------------------------------------



def apply_plan(store: Store, plan: BackfillPlan, *, watch: WatchBatches = iter) -> dict[str, int]:
    """Rewrite the runs of a plan; return their number by migration.

    If the process is killed, each run has a prefix of its migrations, and a new plan covers the rest. Runs
    that have changed since the plan was made are skipped.
    """
    done: Counter[str] = Counter({one.migration.name: 0 for one in plan.migrations})
    author = user_at_host()
    members = [(one, frozenset(one.runs)) for one in plan.migrations]
    for batch in watch(_batches(plan)):
        records = list(store.find(RunFilter(project=plan.project, ids=tuple(batch), states=ENDED),
                                  order=ORDER_OLDEST))
        trees: dict[int, Trees] = {record.id: (record.scenario, record.config) for record in records}
        for planned, runs in members:
            rewrites = [rewrite for record in records if record.id in runs
                        and (rewrite := _rewrite(record, planned, trees)) is not None]
            if rewrites:
                migration = replace(planned.migration, author=planned.migration.author or author)
                done[migration.name] += len(Migrations.of(store).migrate(migration, rewrites))
    return dict(done)


def _batches(plan: BackfillPlan) -> Iterator[Sequence[int]]:
    runs = sorted({run for one in plan.migrations for run in one.runs})
    return (runs[start:start + BATCH] for start in range(0, len(runs), BATCH))


def _rewrite(record: RunRecord, planned: Planned, trees: dict[int, Trees]) -> Rewrite | None:
    """Rewrite a run by one migration; updates `trees` for the next migration."""
    if planned.migration.name in record.migrated:
        return None
    before = trees[record.id]
    try:
        after = applied(planned.migration.steps, *before)
    except ConfigError:                    # it has changed since it was planned
        return None
    if after == before:
        return None
    trees[record.id] = after
    return Rewrite(run=record.id, old_scenario=before[0], old_config=before[1], scenario=after[0],
                   config=after[1])


def undo(store: Store, project: str, name: str, *, dry_run: bool = False) -> list[int]:
    """Restore the runs of a migration exactly; return their ids.

    Raises `NotFound` for a migration that was never applied, `Refused` if a later migration has rewritten one
    of its runs. `dry_run`: only return the ids, or raise.
    """
    known = migrations_of(store, project)
    if name not in known:
        listed = f"; applied: {', '.join(known)}" if known else "; none has been applied"
        raise NotFound(f"no migration '{name}'{did_you_mean(name, known) or listed}")
    return _undoable(store, known[name]) if dry_run else Migrations.of(store).unmigrate(project, name)


def _undoable(store: Store, migration: Migration) -> list[int]:
    runs = []
    for record in store.find(RunFilter(project=migration.project), order=ORDER_OLDEST):
        if migration.name in record.migrated:
            later = record.migrated[record.migrated.index(migration.name) + 1:]
            if later:
                raise Refused(f"migration '{migration.name}': run {record.id} was rewritten by '{later[-1]}' "
                              f"after it; undo '{later[-1]}' first")
            runs.append(record.id)
    return runs


def step_text(step: Mapping[str, Any]) -> str:
    """A step on one line, for display: `Forest.max_depth = null`."""
    of = f"{step['of']}." if "of" in step else ""
    limits = [f"in {step['within']}"] if "within" in step else []
    limits += [f"of {step['scenario']}"] if "scenario" in step else []
    limit = f" ({' '.join(limits)})" if limits else ""
    match step["op"]:
        case "add":
            return f"{of}{step['parameter']} = {_json(step['value'])}{limit}"
        case "rename_class":
            return f"class {step['name']} -> {step['to']}{limit}"
        case "map_values":
            pairs = ", ".join(f"{_json(old)} -> {_json(new)}" for old, new in step["values"])
            return f"{of}{step['parameter']}: {pairs}{limit}"
    return f"{of}{step['parameter']} -> {step['to']}{limit}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
