"""Check past runs against the current signatures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from hyperspace_core.errors import ConfigError, UnknownClassError
from hyperspace_core.plugin import (
    CodeCheck,
    ConfigSection,
    Project,
    Tree,
    applied,
    differing_text,
    same_behaviour_line,
    trees,
    written_today,
)
from hyperspace_core.ranges import Choice, Range
from hyperspace_core.records import ORDER_OLDEST, Outcome, RunFilter, RunRecord, State
from hyperspace_core.storage import Store, migrations_of
from hyperspace_migrate.plan import SEED, Course, CurrentSignatures, path_of_any, step_text

Kind = Literal["default", "parameter", "class", "value", "required", "migration", "lacking", "range", "code",
               "file"]
HINTS = ("lacking", "range", "code", "file")   # kinds that are not errors
LONGEST = 60                   # most characters of a value in a message
_PROBLEM = re.compile(r"`([^`]*)`: (.*)", re.DOTALL)


# -- Defaults that past runs relied on and that have changed since -----------------------------------------

@dataclass(frozen=True)
class Relied:
    """A parameter that a run left to its default, with old and current default."""

    section: ConfigSection
    name: str
    was: Any
    now: Any                       # `MISSING`: it no longer has a default


def changed_defaults(sections: Sequence[ConfigSection], today: CurrentSignatures) -> Iterator[Relied]:
    """Yield the changed defaults of a run's `sections`, which hold submitted values."""
    inside = {section.path: section for section in sections}
    judged: tuple[str, ...] = ()           # sections whose class is no longer the default's
    for section in sections:
        if section.whole or f"{section.path}.".startswith(judged):     # its list is compared as a whole
            continue
        for parameter in section.signature.parameters:
            name = parameter.name
            if name not in section.given or (name == SEED and not section.path):
                continue
            now = section.base.get(name, trees.MISSING)
            if now is trees.MISSING:
                now = today.default(section, name)
            if now is trees.MISSING and not parameter.required:
                continue                   # not representable in a config
            below = inside.get(trees.join(section.path, name))
            if _differs(section.given[name], now, section.written_of(name), below, today):
                judged += () if below is None else (f"{below.path}.",)
                yield Relied(section, name, _named(section.given[name], below),
                             now if now is trees.MISSING else _named(now, below))


def _differs(was: Any, now: Any, written: Any, below: ConfigSection | None, today: CurrentSignatures) -> bool:
    if below is None or now is trees.MISSING:
        return written is trees.MISSING and not same(was, now)
    if isinstance(written, str) or (isinstance(written, Mapping) and trees.CLASS_NAME in written):
        return False
    if below.below or below.entry is None or not isinstance(now, Mapping):
        return written is trees.MISSING and not isinstance(
    now, Mapping)     # a dataclass: its fields are compared
    try:
        return today.project.registry.find(below.entry.family,
                                           str(now.get(trees.CLASS_NAME))) is not below.entry
    except UnknownClassError:
        return True


def _named(value: Any, below: ConfigSection | None) -> Any:
    """The class name of a component; any other value unchanged."""
    return value.get(trees.CLASS_NAME, value) if below is not None and isinstance(value, Mapping) else value


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal: 1 and 1.0 are, 1 and true are not."""
    if one is trees.MISSING or other is trees.MISSING:
        return one is other
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (one, other))
    return bool(one == other) if numbers else trees.canonical(one) == trees.canonical(other)


def outside(section: ConfigSection) -> Iterator[tuple[str, Any, Range]]:
    """Yield the values of a section that lie outside their search ranges."""
    for parameter in section.signature.parameters:
        value, range_ = section.given.get(parameter.name), parameter.range
        if value is None or range_ is None or isinstance(value, Mapping | list):
            continue
        inside = any(same(value, _plain(known)) for known in range_.values) if isinstance(range_, Choice) \
            else range_.contains(value)
        if not inside:
            yield parameter.name, value, range_


def _plain(value: Any) -> Any:
    return getattr(value, "name", value)   # an Enum member's name, as in a config


# -- The check ---------------------------------------------------------------------------------------------

@dataclass(frozen=True, kw_only=True)
class Finding:
    """One change, and the number of runs that it affects."""

    kind: Kind
    where: str                     # "Forest.trees"
    text: str                      # old and new state; `{runs}` stands for the count of runs
    cure: str
    runs: int
    last: int                      # id of the newest

    @property
    def summary(self) -> str:
        """The text with the number of runs filled in."""
        count = f"{self.runs} run{'' if self.runs == 1 else 's'} (last: run {self.last})"
        return self.text.replace("{runs}", count)

    @property
    def line(self) -> str:
        return f"{self.where}: {self.summary}; {self.cure}"


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """Result of a check: `findings` break past runs, `hints` do not."""

    looked_at: int
    findings: tuple[Finding, ...]
    hints: tuple[Finding, ...]


def check_project(project: Project, store: Store, where: RunFilter, *,
                  watch: Callable[[Iterator[RunRecord]], Iterable[RunRecord]] = iter) -> CheckReport:
    """Check the runs of a filter; pending migrations count as applied."""
    check = _Check(project, store)
    for record in watch(store.find(where, order=ORDER_OLDEST)):
        if record.scenario is not None and record.config is not None and not _was_refused(record):
            check.looked_at += 1
            check.look(record, record.scenario, record.config)
    check.look_at_files()
    found = sorted(check.seen.values(), key=lambda one: (one.kind, one.where))
    return CheckReport(looked_at=check.looked_at, hints=tuple(one for one in found if one.kind in HINTS),
                       findings=tuple(one for one in found if one.kind not in HINTS))


@dataclass
class _Check:
    """Checks the runs one by one; keeps one finding for each change."""

    project: Project
    store: Store
    looked_at: int = 0
    seen: dict[tuple[str, str], Finding] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known = migrations_of(self.store, self.project.name)
        self.course = Course(self.project, self.known)
        self.today = self.course.today
        self.code = CodeCheck(self.store, self.project)
        self.newest: RunRecord | None = None

    def look(self, record: RunRecord, scenario: Tree, config: Tree) -> None:
        waiting: list[Tree] = []
        stored = scenario, config
        for migration in self.course.waiting(record):
            try:
                scenario, config = applied(migration.steps, scenario, config)
            except ConfigError as error:
                self.note(record, "migration", migration.name, f"fails for {{runs}}: {error}",
                          "correct its steps, or list another migration before it", once=migration.name)
                return
            waiting += migration.steps
        written = self.written(record, waiting if (scenario, config) != stored else [])
        present = _plain_values(self.today.sections(scenario, config))
        lacking = self.today.lacking(scenario, config)
        scenario, config = applied(lacking, scenario, config)
        task = self.project.tasks.get(record.task)
        sections = list(self.today.sections(
            scenario, config, written=written, written_scenario=scenario if task is None else task.scenario))
        self.look_at_names(record, sections)
        problems = self.today.problems(record, scenario, config)
        self.look_at_problems(record, sections, problems)
        for step in () if problems else lacking:
            self.note(record, "lacking", step_text(step), "is missing in {runs}",
                      "`hyperspace backfill` adds it")
        for relied in changed_defaults(sections, self.today):
            if not problems or (relied.section.path, relied.name) in present:
                self.look_at_default(record, relied, sections[0])
        self.look_at_ranges(record, sections)
        self.look_at_code(replace(record, scenario=scenario, config=config))

    def look_at_code(self, record: RunRecord) -> None:
        self.newest = record
        for own, now in self.code.look(record):
            line = same_behaviour_line(own.declared_as, own.digest, now.digest)
            cure = f"if it behaves the same, declare it: {line}" if line else "`runs show` has the old one"
            self.note(record, "code", own.called, "had other code in {runs}, which comparisons leave out",
                      cure, once=f"{own.called} {own.digest}")

    def look_at_files(self) -> None:
        files = self.code.unseen()
        if files and self.newest is not None:
            self.note(self.newest, "file", "code", f"the classes have the code that they had, but "
                      f"{differing_text(files)}", "`hyperspace reproduce` tells whether a run gives the same")

    def look_at_ranges(self, record: RunRecord, sections: list[ConfigSection]) -> None:
        for section in sections:
            for name, value, range_ in outside(section):
                self.note(record, "range", section.label(name), f"{{runs}} used values outside {range_!r}, "
                          f"such as {_short(value)}", "a search there would not propose them",
                          once=f"{section.label(name)} {range_!r}")

    def written(self, record: RunRecord, waiting: list[Tree]) -> Any:
        """The submitted config, in the current names."""
        if not waiting and not record.migrated and record.scenario is not None and self.project.migrations:
            try:
                self.project.complete(record.scenario, record.submitted)
            except ConfigError:
                steps = [step for migration in self.project.migrations for step in migration.steps]
                return written_earlier(record, steps)
        return written_today(self.store, record, self.known, waiting)

    def look_at_names(self, record: RunRecord, sections: list[ConfigSection]) -> None:
        for section in sections:
            for key in section.given:
                if _is_gone(key, section):
                    of = "" if section.entry is None else f', of="{section.entry.name}"'
                    self.note(record, "parameter", section.label(key), "is gone, but set in {runs}",
                              'declare what replaced it: register.migration("…", '
                              f'rename("{section.parameter(key)}", "…"{of}))')

    def look_at_problems(self, record: RunRecord, sections: list[ConfigSection],
                         problems: Iterable[str]) -> None:
        by_path = {section.path: section for section in sections}
        for problem in problems:
            match = _PROBLEM.match(problem)
            path, text = (match[1], match[2]) if match is not None else ("", problem)
            section, name = _place(path, by_path)
            if section is not None and _is_gone(name, section):
                continue                   # reported already
            if path.endswith(f".{trees.CLASS_NAME}"):
                text = text.partition(". ")[0]
                self.note(record, "class", path_of_any(path), f"{text}, which {{runs}} used",
                          'give its successor aliases = ("…",), or register.migration("…", rename_class(…))',
                          once=text)
                continue
            where = path if section is None else section.label(name)
            if text.startswith("missing"):
                self.note(record, "required", where, "has no default and is missing in {runs}",
                          "give it the default that keeps the old behaviour")
            else:
                self.note(record, "value", where, f"a value is not valid in {{runs}}: {text}",
                          'accept the old values, too, or register.migration("…", map_values(…))', once=where)

    def look_at_default(self, record: RunRecord, relied: Relied, scenario: ConfigSection) -> None:
        section, name = relied.section, relied.name
        owner = section.entry or scenario.entry
        targets = (section.signature.target, None if owner is None else owner.target)
        for declared in self.project.new_defaults:
            if declared.parameter == name and any(map(declared.is_of, targets)) and (
                    same(_class_or_value(declared.old), _class_or_value(relied.was))):
                return
        label = "" if owner is None else owner.name
        if section.below:                  # a dataclass
            label = getattr(section.signature.target, "__name__", label)
        now = "it has none now" if relied.now is trees.MISSING else f"is {_short(relied.now)} now"
        old = repr(relied.was)
        self.note(record, "default", section.label(name),
                  f"the default was {_short(relied.was)} in {{runs}} and {now}",
                  "give the new behaviour its own name, or declare the change: register.new_default("
                  f'{label}, "{name}", old={old if len(old) <= LONGEST else "…"})')

    def note(self, record: RunRecord, kind: Kind, where: str, text: str, cure: str, *,
             once: str = "") -> None:
        key = kind, once or f"{where}: {text}"
        first = self.seen.get(key)
        if first is None:
            self.seen[key] = Finding(kind=kind, where=where, text=text, cure=cure, runs=1, last=record.id)
        elif first.last != record.id:      # one run may have it several times
            self.seen[key] = replace(first, runs=first.runs + 1, last=record.id)


def _was_refused(record: RunRecord) -> bool:
    """Whether the config was rejected: such a run relied on no default."""
    attempt = record.attempt
    return (record.state is State.FAILED and not record.validated and attempt is not None
            and attempt.outcome is Outcome.FAILED and attempt.traceback is None and not attempt.provenance)


def _is_gone(key: str, section: ConfigSection) -> bool:
    return key != trees.CLASS_NAME and trees.match_key(key, section.signature.by_name) is None


def _place(path: str, by_path: dict[str, ConfigSection]) -> tuple[ConfigSection | None, str]:
    """The section that contains a path, and the parameter in it."""
    while path:
        path, _, name = path.rpartition(".")
        if path in by_path:
            return by_path[path], name
    return None, ""


def _class_or_value(value: Any) -> Any:
    return value.get(trees.CLASS_NAME, value) if isinstance(value, dict) else value


def _plain_values(sections: Iterable[ConfigSection]) -> set[tuple[str, str]]:
    """Path and name of values that are neither sections nor lists.
    In a run that does not fit, only these can be distinguished from defaults.
    """
    return {(section.path, name) for section in sections for name, value in section.given.items()
            if not isinstance(value, dict | list)}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST - 1]}…"


def written_earlier(record: RunRecord, steps: Iterable[Tree]) -> Any:
    """Translate `submitted` of a run that was executed with newer names."""
    written = _with_classes(record.submitted, record.config)
    try:                                   # added values were not submitted
        return applied([step for step in steps if step["op"] != "add"], record.scenario, written)[1]
    except ConfigError:
        return record.submitted


def _with_classes(written: Any, completed: Any) -> Any:
    """The submitted config, with the class names of the completed config."""
    if not isinstance(written, Mapping) or not isinstance(completed, Mapping):
        return written
    named = {trees.CLASS_NAME: completed[trees.CLASS_NAME]} if trees.CLASS_NAME in completed else {}
    return named | {key: _with_classes(inner, completed.get(trees.match_key(key, completed) or key))
                    for key, inner in written.items()}
