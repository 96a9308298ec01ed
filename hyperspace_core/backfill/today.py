"""Check stored trees against the current code: missing parameters and problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hyperspace_core.components import Scenario
from hyperspace_core.config.complete import without_seed
from hyperspace_core.config.migrate import SCENARIO, add, rename_class
from hyperspace_core.config.signature import Parameter
from hyperspace_core.config.tree import MISSING, Tree, canonical
from hyperspace_core.config.walk import ConfigSection, component_sections, own_default, sections
from hyperspace_core.errors import ConfigError
from hyperspace_core.extension.project import Project
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.task import Task

SEED = "seed"                  # a parameter of that name receives the run's seed; its default does not count
KEPT = 4096                    # size of the cache


class CurrentSignatures:
    """Checks stored trees against an opened project; caches the results."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._defaults: dict[tuple[Any, str], Any] = {}
        self._problems: dict[str, tuple[str, ...]] = {}

    def sections(self, scenario: Tree, config: Tree, *, written_scenario: Any = MISSING,
                 written: Any = MISSING) -> Iterator[ConfigSection]:
        """Yield all sections, those of the scenario first; none for an unknown scenario."""
        registry = self.project.registry
        yield from component_sections(Scenario, scenario, registry, path=SCENARIO, written=written_scenario)
        try:
            signature = self.project.scenario_signature(scenario)
        except ConfigError:
            return
        yield from sections(config, signature, registry, written)

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
                renamed.setdefault(canonical(step), step)
            for parameter, value in self.missing(section):
                step = add(section.parameter(parameter.name), value, scenario=name) if entry is None else add(
                    section.parameter(parameter.name), value, of=entry.name,
                    within=self._within(section, entry.name))
                added.setdefault(canonical(step), step)
        return [*renamed.values(), *added.values()]

    def missing(self, section: ConfigSection) -> Iterator[tuple[Parameter, Any]]:
        """Yield the missing parameters of a section that have a default."""
        for parameter in section.signature.parameters:
            name = parameter.name
            if name in section.given or (name == SEED and not section.path):
                continue
            value = self.default(section, parameter)
            if value is not MISSING:
                yield parameter, value

    def default(self, section: ConfigSection, parameter: Parameter) -> Any:
        """A parameter's own default as a config value; `MISSING` if there is none."""
        key = section.signature.target, parameter.name
        if key not in self._defaults:
            self._defaults[key] = own_default(section.signature, parameter, self.project.registry)
        return self._defaults[key]

    def problems(self, record: RunRecord, scenario: Tree, config: Tree) -> tuple[str, ...]:
        """Reasons why the trees do not fit the current signatures; empty if they fit."""
        key = canonical([scenario, config])
        if key not in self._problems:
            if len(self._problems) >= KEPT:
                self._problems.clear()
            self._problems[key] = self._judged(record, scenario, config)
        return self._problems[key]

    def _judged(self, record: RunRecord, scenario: Tree, config: Tree) -> tuple[str, ...]:
        problems: list[str] = []
        try:
            self.project.complete_scenario(Task(name=record.task, scenario=scenario))
        except ConfigError as error:
            problems += error.problems
        try:
            signature = self.project.scenario_signature(scenario)
            self.project.complete(scenario, without_seed(config, signature, record.seed or 0))
        except ConfigError as error:
            problems += [one for one in error.problems if one not in problems]
        return tuple(problems)

    def _scenario_name(self, scenario: Mapping[str, Any]) -> str | None:
        """Current name of the scenario's class, as used by steps after a renaming."""
        top = next(component_sections(Scenario, scenario, self.project.registry, path=SCENARIO), None)
        return None if top is None or top.entry is None else top.entry.name

    def _within(self, section: ConfigSection, name: str) -> str | None:
        """The parameter that the section fills, if the class name is ambiguous."""
        entries = self.project.registry.entries()
        families = {entry.family for entry in entries if name in (entry.name, *entry.aliases)}
        return section.fills if len(families) > 1 else None
