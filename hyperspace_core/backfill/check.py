"""Check past runs against the current signatures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from hyperspace_core.backfill.plan import Course, path_of_any
from hyperspace_core.backfill.relied import Relied, changed_defaults, outside, same
from hyperspace_core.config.migrate import applied, step_text
from hyperspace_core.config.tree import CLASS_NAME, MISSING, Tree, match_key
from hyperspace_core.config.walk import ConfigSection
from hyperspace_core.errors import ConfigError
from hyperspace_core.extension.project import Project
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.results.diff import written_earlier, written_today
from hyperspace_core.storage import Store

Kind = Literal["default", "parameter", "class", "value", "required", "migration", "lacking", "range"]
HINTS = ("lacking", "range")   # kinds that are not errors
LONGEST = 60                   # most characters of a value in a message
_PROBLEM = re.compile(r"`([^`]*)`: (.*)", re.DOTALL)


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
        self.known = {one.name: one for one in self.store.migrations(self.project.name)}
        self.course = Course(self.project, self.known)
        self.today = self.course.today

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
            if path.endswith(f".{CLASS_NAME}"):
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
        now = "it has none now" if relied.now is MISSING else f"is {_short(relied.now)} now"
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
    return key != CLASS_NAME and match_key(key, section.signature.by_name) is None


def _place(path: str, by_path: dict[str, ConfigSection]) -> tuple[ConfigSection | None, str]:
    """The section that contains a path, and the parameter in it."""
    while path:
        path, _, name = path.rpartition(".")
        if path in by_path:
            return by_path[path], name
    return None, ""


def _class_or_value(value: Any) -> Any:
    return value.get(CLASS_NAME, value) if isinstance(value, dict) else value


def _plain_values(sections: Iterable[ConfigSection]) -> set[tuple[str, str]]:
    """Path and name of values that are neither sections nor lists.
    In a run that does not fit, only these can be distinguished from defaults.
    """
    return {(section.path, name) for section in sections for name, value in section.given.items()
            if not isinstance(value, dict | list)}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST - 1]}…"
