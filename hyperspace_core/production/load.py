"""Load components and artifacts of an exported run, without a store.

This needs only the project's package and core. The project is opened by its entry point, plugins are loaded
only if named, and no module of the queue, the stores, git or the command line is imported.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from hyperspace_core.config.build import build_value
from hyperspace_core.config.complete import complete_value
from hyperspace_core.config.migrate import applied
from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import (
    ConfigError,
    HyperspaceError,
    UnknownClassError,
    UsageError,
    did_you_mean,
)
from hyperspace_core.extension.discovery import find
from hyperspace_core.extension.manager import Extensions, build_manager
from hyperspace_core.extension.project import Project, open_project
from hyperspace_core.markers import PLUGINS_GROUP
from hyperspace_core.production.folder import Exported, meant, part_at, read_folder


def load_component(folder: str | Path, name: str | None = None, *, plugins: Collection[str] = ()) -> Any:
    """Build a component of an exported run: a new object with each call.

    `name`: its dotted path, such as `"classifier"`, `"layers.0"`, `"scenario"` or `"scenario.dataset"`.
    Default: the component named at export, else the only component among the hyper-parameters, else the only
    one without a default. For a parameter `Lazy[...]` the result is the factory. `plugins`: names of
    installed plugins whose components the run used.

    Parameters that are newer than the export get their defaults, renamed classes are found by their aliases,
    and the project's migrations are applied. Raises `HyperspaceError` with a one-line message if a file, path
    or class cannot be read, found or built, and any exception of the component's constructor.
    """
    exported = read_folder(folder)
    project = _opened(exported, plugins)
    try:
        scenario, config = _trees(exported, project)
        path = name or exported.manifest["component"] or meant(project, scenario, config)
        part = part_at(project, scenario, config, path)
        tree = complete_value(part.tree, part.kind, project.registry, path=part.path)
    except ConfigError as error:
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        cure = _cure(exported, project, plugins if isinstance(error, UnknownClassError) else None)
        raise type(error)(f"{exported.folder}: {error.problems[0]}{more}{cure}") from None
    except HyperspaceError as error:
        raise type(error)(f"{exported.folder}: {error}") from None
    try:
        return build_value(tree, part.kind, project.registry, part.path)
    except Exception as error:
        error.add_note(f"while `{part.path}` of {exported.folder} was built")
        raise


def load_artifact(folder: str | Path, name: str) -> Path:
    """The path of an artifact of an exported run; its content is checked.

    Raises `NotFound` for an unknown artifact, `HyperspaceError` for a changed one.
    """
    return read_folder(folder).path(name)


def _opened(exported: Exported, plugins: Collection[str]) -> Project:
    try:
        return open_project(exported.manifest["project"], _extensions(plugins))
    except HyperspaceError as error:
        then = exported.manifest["versions"]["project"]
        name = " ".join(filter(None, (then.get("distribution"), then.get("version"))))
        cure = f"; it was exported with {name}: install this version" if name else ""
        raise type(error)(f"{exported.folder}: {error}{cure}") from None


def _extensions(plugins: Collection[str]) -> Extensions:
    """Load core's own plugins and the named ones."""
    if not plugins:
        return build_manager(discover=False)
    installed = {found.name for found in find(PLUGINS_GROUP)}
    for name in plugins:
        if name not in installed:
            raise UsageError(f"no plugin '{name}' is installed{did_you_mean(name, installed)}")
    extensions = build_manager(disable=installed - set(plugins))
    extensions.require_whole()
    return extensions


def _trees(exported: Exported, project: Project) -> tuple[Tree, Tree]:
    """Scenario and config, with the project's later migrations applied."""
    scenario, config = exported.manifest["scenario"], exported.manifest["config"]
    for migration in project.migrations:
        if migration.name not in exported.manifest["migrated"]:
            scenario, config = applied(migration.steps, scenario, config)
    return scenario, config


def _cure(exported: Exported, project: Project, plugins: Collection[str] | None) -> str:
    """Say how to fix a config that does not fit; `plugins`: for a missing class."""
    used = exported.manifest["versions"].get("plugins") or ()
    left_out = [] if plugins is None else [name for name in used if name not in plugins]
    of_plugin = f"; if a plugin has the class: plugins=[...] of {', '.join(left_out)}" if left_out else ""
    then = exported.manifest["versions"]["project"].get("version")
    here = "its code has changed since" if then == project.version else f"installed is {project.version}"
    return (f" (exported with {project.distribution} {then or 'of an unknown version'}, {here}: install the "
            f"version of the export, or keep old names as `aliases`{of_plugin})")
