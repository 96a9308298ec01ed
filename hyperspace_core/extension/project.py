"""An opened project: its components and tasks, and how configs become objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperspace_core.components import Scenario
from hyperspace_core.config.build import build_arguments, build_component
from hyperspace_core.config.catalog import Catalog
from hyperspace_core.config.complete import complete, complete_component
from hyperspace_core.config.migration import applied
from hyperspace_core.config.schema import Signature, signature_of, signature_of_method
from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import ConfigError, TaskError, UnknownTaskError, did_you_mean
from hyperspace_core.extension.discovery import Found, find
from hyperspace_core.extension.register import Register
from hyperspace_core.extension.settings import misplaced_settings
from hyperspace_core.extension.wrapped import check_wrapper, innermost, wrapped
from hyperspace_core.markers import PROJECTS_GROUP
from hyperspace_core.records.task import Task
from hyperspace_core.run import Run

if TYPE_CHECKING:
    from hyperspace_core.extension.declared import NewDefault, SameBehaviour
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.metrics import RegisteredMetric
    from hyperspace_core.records.migration import Migration

__all__ = ["Project", "Register", "installed_projects", "open_project"]


@dataclass(frozen=True, kw_only=True)
class Project:
    """An opened project: its components and tasks. Made by `open_project`."""

    name: str
    distribution: str
    version: str
    module: str                    # that the entry point names
    catalog: Catalog
    tasks: Mapping[str, Task]
    task_errors: Mapping[str, str]         # name → the error of its file
    task_folders: tuple[Path, ...]
    packages: frozenset[str]       # top-level packages that its code came from
    source: Path | None            # folder of the package or module of the entry point
    extensions: Extensions
    migrations: tuple[Migration, ...] = ()             # of stored configs, in the project's order
    same_behaviour: tuple[SameBehaviour, ...] = ()
    new_defaults: tuple[NewDefault, ...] = ()
    metrics: Mapping[str, RegisteredMetric] = field(default_factory=dict)

    def task(self, name: str) -> Task:
        """Raises `TaskError` for a task that does not exist or whose file is broken."""
        found = self.tasks.get(name)
        if found is not None:
            return found
        if name in self.task_errors:
            raise TaskError(self.task_errors[name])
        known = sorted({*self.tasks, *self.task_errors})
        listed = f"Known: {', '.join(known)}." if known else "It has no tasks."
        meant = did_you_mean(name, known) or "."
        raise UnknownTaskError(f"no task '{name}' in project '{self.name}'{meant} {listed}")

    def scenario_signature(self, scenario: Task | Tree) -> Signature:
        """A scenario's hyper-parameters: the signature of the innermost `single_run`."""
        tree = scenario.scenario if isinstance(scenario, Task) else scenario
        return signature_of_method(wrapped(tree, self.catalog)[-1].target, "single_run")

    def complete_scenario(self, task: Task) -> Tree:
        """The task's scenario with all defaults. Raises `ConfigError`."""
        try:
            tree = complete_component(Scenario, task.scenario, self.catalog, path="scenario")
            for one in wrapped(tree, self.catalog):
                self._check_settings(one.tree, signature_of(one.target), one.path)
                check_wrapper(one)
        except ConfigError as error:
            at = f"{task.origin}: " if task.origin else ""
            raise type(error)(*(f"{at}{problem}" for problem in error.problems)) from None
        return tree

    def complete(self, scenario: Task | Tree, tree: Mapping[str, Any]) -> Tree:
        """Hyper-parameters with all defaults. Raises `ConfigError` with all problems."""
        signature = self.scenario_signature(scenario)
        completed = complete(tree, signature, self.catalog)
        self._check_settings(completed, signature, "")
        return completed

    def up_to_date(self, scenario: Tree, config: Tree) -> tuple[Tree, Tree]:
        """The trees of an older run, migrated if they do not fit the present code.

        Raises `ConfigError` if a migration fails.
        """
        if self.migrations:
            try:
                complete_component(Scenario, scenario, self.catalog, path="scenario")
                self.complete(scenario, config)
            except ConfigError:
                steps = [step for migration in self.migrations for step in migration.steps]
                return applied(steps, scenario, config)
        return scenario, config

    def build_scenario(self, tree: Tree) -> Any:
        """Build the scenario of a completed tree. Raises `ConfigError`."""
        return build_component(Scenario, tree, self.catalog, path="scenario")

    def build_arguments(self, scenario: Any, config: Tree, run: Run) -> dict[str, Any]:
        """The arguments of `single_run`: new components, and the run if it takes it."""
        owner: Any = type(scenario)
        inner: Any = type(innermost(scenario))
        arguments = build_arguments(config, signature_of_method(inner, "single_run"), self.catalog)
        receiver = signature_of_method(owner, "single_run").run
        return arguments if receiver is None else arguments | {receiver: run}

    def _check_settings(self, tree: Tree, signature: Signature, path: str) -> None:
        problems = misplaced_settings(tree, signature, self.catalog, self.extensions, path)
        if problems:
            raise ConfigError(*problems)


def installed_projects() -> list[Found]:
    """The installed projects, by name; none is imported."""
    return find(PROJECTS_GROUP)


def open_project(name: str, extensions: Extensions, *, tasks_dir: str | Path | None = None) -> Project:
    """Import an installed project and call all registrations.

    `tasks_dir`: a folder with more task files; they replace the project's tasks of the same name. The
    project's hooks are active in `extensions` from now on. Raises `ProjectError` for a project that is not
    installed or cannot be imported, `RegistrationError` for an invalid registration, `TaskError` for a
    `tasks_dir` that is no folder. A plugin that fails to register is reported as broken and left out.
    """
    from hyperspace_core.extension.opening import opened

    return opened(name, extensions, None if tasks_dir is None else Path(tasks_dir))
