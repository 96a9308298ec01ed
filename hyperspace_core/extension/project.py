"""An opened project: its components and tasks, and how configs become objects."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from hyperspace_core import errors
from hyperspace_core.components import Dataset, Model, Preprocessor, Scenario, Scorer, Trainer
from hyperspace_core.config import types
from hyperspace_core.config.build import build_arguments, build_component
from hyperspace_core.config.complete import complete, complete_component, missing
from hyperspace_core.config.jsonfile import read_json
from hyperspace_core.config.migrate import SCENARIO, applied
from hyperspace_core.config.registry import Entry, Registry
from hyperspace_core.config.signature import Signature, default_tree, signature_of, signature_of_method
from hyperspace_core.config.tree import CLASS_NAME, MISSING, Tree, join, match_key, shown
from hyperspace_core.config.walk import ConfigSection, component_sections, own_default, sections
from hyperspace_core.errors import ConfigError, HyperspaceError, ProjectError, TaskError, UnknownClassError
from hyperspace_core.extension import manager, register as registration
from hyperspace_core.extension.manager import LOAD_ERRORS, Extensions, Found
from hyperspace_core.extension.register import Register, Registered
from hyperspace_core.markers import COMPONENTS_GROUP, PROJECTS_GROUP
from hyperspace_core.records.run import Migration
from hyperspace_core.records.task import Task, check_task_name, parse_task
from hyperspace_core.run import Run

# -- Check where a plain settings dict may replace a component --

_STAGES: Mapping[type, str] = {
    Dataset: "hyperspace_load_data",
    Preprocessor: "hyperspace_preprocess",
    Model: "hyperspace_build_model",
    Trainer: "hyperspace_train",
    Scorer: "hyperspace_score",
}


def _family_or_settings(kind: types.Kind) -> type | None:
    """The family of a parameter that takes a component or a plain dict."""
    members = list(types.alternatives(kind))
    if not any(isinstance(member, types.RawDict) for member in members):
        return None
    return next((member.family for member in members if isinstance(member, types.FamilyKind)), None)


# -- Scenarios that wrap a scenario, in config trees and as objects --

@dataclass(frozen=True, kw_only=True)
class Wrapped:
    """A scenario in a tree."""

    path: str
    tree: Tree
    target: type


def wrapped(tree: Tree, registry: Registry, path: str = "scenario") -> list[Wrapped]:
    """The scenario of a tree, the one that it wraps, and so on to the innermost.

    The tree need not be completed. Raises `ConfigError`, `UnknownClassError`.
    """
    name = tree.get(CLASS_NAME)
    if not isinstance(name, str):
        raise ConfigError(f"`{join(path, CLASS_NAME)}`: missing; name the scenario's class")
    try:
        target: type = registry.find(Scenario, name).target
    except UnknownClassError as error:
        raise UnknownClassError(f"`{join(path, CLASS_NAME)}`: {error}") from None
    found = [Wrapped(path=path, tree=tree, target=target)]
    inner = getattr(target, "wraps", None)
    return found if inner is None else found + wrapped(_held(tree, target, inner, path, registry), registry,
                                                       join(path, inner))


def innermost(scenario: Any) -> Any:
    """The innermost wrapped scenario, whose hyper-parameters a run has."""
    inner = getattr(scenario, "wraps", None)
    return scenario if inner is None else innermost(getattr(scenario, inner))


def check_wrapper(one: Wrapped) -> None:
    """Raise `ConfigError` if a completed wrapper does not fit its wrapped scenario."""
    problems = getattr(one.target, "problems_of", None) if getattr(one.target, "wraps", None) else None
    found = [] if problems is None else list(problems(one.tree))
    if found:
        raise ConfigError(*(f"`{join(one.path, parameter)}`: {text}" for parameter, text in found))


def _held(tree: Tree, target: type, inner: str, path: str, registry: Registry) -> Tree:
    """The section of the wrapped scenario, written out, as a name or by default."""
    signature = signature_of(target)
    written = {match_key(key, signature.by_name): value for key, value in tree.items()}
    held = written.get(inner, MISSING)
    if held is MISSING:
        held = default_tree(signature.by_name[inner], join(path, inner), registry.name_of)
    if held is MISSING:
        raise ConfigError(f"`{join(path, inner)}`: {missing(signature, signature.by_name[inner])}")
    if isinstance(held, str):
        return {CLASS_NAME: held}
    if not isinstance(held, Mapping):
        raise ConfigError(f"`{join(path, inner)}`: expected a scenario (a name, or a section with "
                          f"className), found {shown(held)}")
    return dict(held)


@dataclass(frozen=True, kw_only=True)
class Project:
    """An opened project: its components and tasks. Made by `open_project`."""

    name: str
    distribution: str
    version: str
    module: str                    # that the entry point names
    registry: Registry
    tasks: Mapping[str, Task]
    task_errors: Mapping[str, str]         # name → the error of its file
    task_folders: tuple[Path, ...]
    packages: frozenset[str]       # top-level packages that its code came from
    source: Path | None            # folder of the package or module of the entry point
    extensions: Extensions
    migrations: tuple[Migration, ...] = ()             # of stored configs, in the project's order
    same_behaviour: tuple[registration.SameBehaviour, ...] = ()
    new_defaults: tuple[registration.NewDefault, ...] = ()
    metrics: Mapping[str, registration.RegisteredMetric] = field(default_factory=dict)

    def task(self, name: str) -> Task:
        """Raises `TaskError` for a task that does not exist or whose file is broken."""
        found = self.tasks.get(name)
        if found is not None:
            return found
        if name in self.task_errors:
            raise TaskError(self.task_errors[name])
        known = sorted({*self.tasks, *self.task_errors})
        listed = f"Known: {', '.join(known)}." if known else "It has no tasks."
        meant = errors.did_you_mean(name, known) or "."
        raise errors.UnknownTaskError(f"no task '{name}' in project '{self.name}'{meant} {listed}")

    def scenario_signature(self, scenario: Task | Tree) -> Signature:
        """A scenario's hyper-parameters: the signature of the innermost `single_run`."""
        tree = scenario.scenario if isinstance(scenario, Task) else scenario
        return signature_of_method(wrapped(tree, self.registry)[-1].target, "single_run")

    def complete_scenario(self, task: Task) -> Tree:
        """The task's scenario with all defaults. Raises `ConfigError`."""
        try:
            tree = complete_component(Scenario, task.scenario, self.registry, path="scenario")
            for one in wrapped(tree, self.registry):
                self._check_settings(one.tree, signature_of(one.target), one.path)
                check_wrapper(one)
        except ConfigError as error:
            at = f"{task.origin}: " if task.origin else ""
            raise type(error)(*(f"{at}{problem}" for problem in error.problems)) from None
        return tree

    def complete(self, scenario: Task | Tree, tree: Mapping[str, Any]) -> Tree:
        """Hyper-parameters with all defaults. Raises `ConfigError` with all problems."""
        signature = self.scenario_signature(scenario)
        completed = complete(tree, signature, self.registry)
        self._check_settings(completed, signature, "")
        return completed

    def components_of(self, scenario: Tree, config: Mapping[str, Any]) -> dict[str, Entry]:
        """The components in completed trees by path, top down; those of the scenario are below `scenario`."""
        return {section.path: section.entry for section in self.sections(scenario, dict(config))
                if section.entry is not None and not section.below}

    def up_to_date(self, scenario: Tree, config: Tree) -> tuple[Tree, Tree]:
        """The trees of an older run, migrated if they do not fit the present code.

        Raises `ConfigError` if a migration fails.
        """
        if self.migrations:
            try:
                complete_component(Scenario, scenario, self.registry, path="scenario")
                self.complete(scenario, config)
            except ConfigError:
                steps = [step for migration in self.migrations for step in migration.steps]
                return applied(steps, scenario, config)
        return scenario, config

    def sections(self, scenario: Tree, config: Tree, *, written_scenario: Any = MISSING,
                 written: Any = MISSING) -> Iterator[ConfigSection]:
        """The sections of both trees, those of the scenario first; `written`: what the user wrote.

        Raises `ConfigError` where the sections of the config begin, if the scenario's class is unknown.
        """
        yield from component_sections(Scenario, scenario, self.registry, path=SCENARIO,
                                      written=written_scenario)
        yield from sections(config, self.scenario_signature(scenario), self.registry, written)

    def own_default(self, section: ConfigSection, name: str) -> Any:
        """The default that a class gives to a parameter, as a config value; `MISSING` if there is none."""
        return own_default(section.signature, section.signature.by_name[name], self.registry)

    def build_scenario(self, tree: Tree) -> Any:
        """Build the scenario of a completed tree. Raises `ConfigError`."""
        return build_component(Scenario, tree, self.registry, path="scenario")

    def build_arguments(self, scenario: Any, config: Tree, run: Run) -> dict[str, Any]:
        """The arguments of `single_run`: new components, and the run if it takes it."""
        owner: Any = type(scenario)
        inner: Any = type(innermost(scenario))
        arguments = build_arguments(config, signature_of_method(inner, "single_run"), self.registry)
        receiver = signature_of_method(owner, "single_run").run
        return arguments if receiver is None else arguments | {receiver: run}

    def _check_settings(self, tree: Tree, signature: Signature, path: str) -> None:
        """Check the sections without `className` of a completed tree. Raises `ConfigError`."""
        problems = []
        for parameter in signature.parameters:
            section, family = tree.get(parameter.name), _family_or_settings(parameter.kind)
            if family is None or not isinstance(section, dict) or CLASS_NAME in section:
                continue
            hook = _STAGES.get(family)
            own = [entry.name for entry in self.registry.entries(family)
                   if not str(getattr(entry.target, "__module__", "")).startswith("hyperspace_core.")]
            where = join(path, parameter.name)
            if own:
                problems.append(f"`{join(where, CLASS_NAME)}`: missing; choose the {family.__name__}: "
                                f"{', '.join(own[:20])}")
            elif hook is not None and not self.extensions.implements(hook):
                problems.append(f"`{where}`: a plain settings dict needs a hook that receives it, and "
                                f"nothing implements {hook}; implement it, or register a {family.__name__}")
        if problems:
            raise ConfigError(*problems)


def installed_projects() -> list[Found]:
    """The installed projects, by name; none is imported."""
    return manager.find(PROJECTS_GROUP)


def open_project(name: str, extensions: Extensions | None = None, *,
                 tasks_dir: str | Path | None = None) -> Project:
    """Import an installed project and call all registrations.

    `extensions`: the plugins that take part, from `build_manager`; a new manager of all that are installed.
    `tasks_dir`: a folder with more task files; they replace the project's tasks of the same name. The
    project's hooks are active in `extensions` from now on. Raises `ProjectError` for a project that is not
    installed or cannot be imported, `RegistrationError` for an invalid registration, `TaskError` for a
    `tasks_dir` that is no folder. A plugin that fails to register is reported as broken and left out.
    """
    folder = None if tasks_dir is None else Path(tasks_dir)
    if folder is not None and not folder.is_dir():
        raise TaskError(f"{folder}: there is no such folder of task files")
    extensions = extensions or manager.build_manager()
    found = _installed(name)
    _imported(found, extensions)
    try:
        contents = _registered(found, extensions)
    except BaseException:
        extensions.detach_project()
        raise
    for broken in extensions.broken:
        contents.registry.note(str(broken))
    shelf = _shelf(contents, folder)
    top = found.module.partition(".")[0]
    return Project(
        name=name, distribution=found.distribution, version=found.version, module=found.module,
        registry=contents.registry, tasks=shelf.tasks, task_errors=shelf.errors,
        task_folders=tuple(contents.task_folders) + (() if folder is None else (folder,)),
        packages=frozenset(contents.packages - {"hyperspace_core"} | {top}), source=_folder_of(top),
        extensions=extensions, migrations=tuple(contents.migrations.values()),
        same_behaviour=tuple(contents.same_behaviour), new_defaults=tuple(contents.new_defaults),
        metrics=dict(contents.metrics))


# -- Folders of task files. A broken file is reported when its task is requested --

class TaskShelf:
    """Tasks by name, and errors of files. Names that differ only in case clash."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.errors: dict[str, str] = {}
        self._folded: dict[str, str] = {}      # casefolded name → "name (origin)"

    def add_all(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            if self._claim(task.name, task.origin):
                self.tasks[task.name] = task

    def add_folder(self, folder: Path, *, wins: bool = False) -> None:
        """Read every JSON file. `wins`: a task replaces an earlier one of the same name."""
        for path in sorted(folder.glob("*.json")):
            if path.name.startswith("."):          # an editor's file
                continue
            if wins:
                self._forget(path.stem)
            self._add_file(path)

    def _add_file(self, path: Path) -> None:
        try:
            name = check_task_name(path.stem)
        except TaskError as error:
            self.errors[path.stem] = f"{path}: {error}"
            return
        if not self._claim(name, str(path)):
            return
        try:
            self.tasks[name] = parse_task(name, read_json(path), str(path))
        except TaskError as error:
            self.errors[name] = str(error)

    def _claim(self, name: str, origin: str) -> bool:
        taken = self._folded.get(name.casefold())
        if taken is not None:
            same = name in self.tasks or name in self.errors
            self.tasks.pop(name, None)             # ambiguous: keep neither
            self.errors[name] = (f"two tasks named '{name}': {taken} and {origin}; rename one" if same else
                                 f"task '{name}' ({origin}) and {taken} differ only in case; rename one")
            return False
        self._folded[name.casefold()] = f"{name} ({origin})"
        return True

    def _forget(self, name: str) -> None:
        self._folded.pop(name.casefold(), None)
        for known in [key for key in (*self.tasks, *self.errors) if key.casefold() == name.casefold()]:
            self.tasks.pop(known, None)
            self.errors.pop(known, None)


# -- Open a project: import only this project, then call the registration hooks --

def _installed(name: str) -> Found:
    """The project's entry point; no other project is imported."""
    names = manager.by_name(manager.find(PROJECTS_GROUP))
    found = names.get(name)
    if found is None:
        near = errors.nearest(name, names)
        known = f"Known: {', '.join(names)}." if names else "None is."
        meant = f" Did you mean '{near}'?" if near else ""
        raise ProjectError(f"no project '{name}' is installed. {known}{meant} (A project registers itself "
                           f"under '{PROJECTS_GROUP}'; is it pip-installed?)")
    if len(found) > 1:
        raise ProjectError(f"project '{name}' is {manager.conflict(found)}")
    return found[0]


def _imported(found: Found, extensions: Extensions) -> None:
    try:
        module = found.load()
        folder = _folder_of(found.module.partition(".")[0])
        extensions.attach_project(module, found, None if folder is None else str(folder))
    except ProjectError as error:
        raise ProjectError(f"project '{found.name}' ({found.source}) cannot be opened: {error}") from error


def _registered(found: Found, extensions: Extensions) -> Registered:
    """Call the registrations; if a plugin fails, start again without it."""
    modules = _companions(found, extensions)
    while True:
        contents = Registered()
        failed = _fill(contents, found, extensions, modules)
        if failed is None:
            return contents
        name, error = failed
        companion = modules.pop(name, None)
        extensions.report_broken(name, error, "" if companion is None else companion[0].source)


def _companions(found: Found, extensions: Extensions) -> dict[str, tuple[Found, ModuleType]]:
    """Other distributions' component modules; those with hooks become plugins."""
    modules: dict[str, tuple[Found, ModuleType]] = {}
    for one in manager.find(COMPONENTS_GROUP):
        if one.name != found.name or one.distribution in extensions.disabled:
            continue
        try:
            module = one.load()
            if isinstance(module, ModuleType) and not any(manager.implemented(extensions.manager, module)):
                modules[one.distribution] = (one, module)
            elif not extensions.manager.is_registered(module):
                extensions.add(module, one, name=one.distribution)
        except ProjectError as error:
            extensions.report_broken(one.distribution, str(error), one.source)
    return modules


def _fill(contents: Registered, found: Found, extensions: Extensions,
          modules: dict[str, tuple[Found, ModuleType]]) -> tuple[str, BaseException] | None:
    """Call all registrations; the plugin that failed and its error, or None."""
    own = f"project {found.name}"
    for name, register in extensions.implementations("hyperspace_register"):
        origin = name if name == own else f"plugin {name}"
        try:
            made = Register(contents, origin=origin, project=found.name)
            register(register=made)
            made.check()
        except LOAD_ERRORS as error:
            if name != own:
                return name, error
            if isinstance(error, HyperspaceError):
                raise
            raise ProjectError(f"project '{found.name}' ({found.source}) cannot be opened: "
                               f"its hyperspace_register failed: {manager.with_place(error)}") from error
    for name, (one, module) in modules.items():
        try:
            made = Register(contents, origin=one.source, project=found.name)
            made.module(module)
            made.check()
        except LOAD_ERRORS as error:
            return name, error
    return None


def _shelf(contents: Registered, tasks_dir: Path | None) -> TaskShelf:
    shelf = TaskShelf()
    shelf.add_all(contents.tasks.values())
    for folder in contents.task_folders:
        shelf.add_folder(folder)
    if tasks_dir is not None:
        shelf.add_folder(tasks_dir, wins=True)
    return shelf


def _folder_of(top: str) -> Path | None:
    """The folder of a top-level package, or the folder that has a top-level module."""
    module = sys.modules.get(top)
    places = list(getattr(module, "__path__", ()))
    if places:
        return Path(places[0])
    file = getattr(module, "__file__", None)
    return Path(file).parent if file else None
