"""Components and artifacts of an exported run, in a program that has no store.

Only the project's package and core are needed: the project is opened by its entry point, plugins are left
out unless they are named, and nothing of the queue, the stores, git or the command line is imported.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from hyperspace_core.config.build import build_value
from hyperspace_core.config.complete import complete_value
from hyperspace_core.config.migration import applied
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
from hyperspace_core.production.folder import Exported, read_folder
from hyperspace_core.production.parts import meant, part_at


def load_component(folder: str | Path, name: str | None = None, *, plugins: Collection[str] = ()) -> Any:
    """A component of an exported run, built as the run built it: a new object with each call.

    `name`: its dotted path, such as `"classifier"`, `"layers.0"` or, for the problem's own, `"scenario"` and
    `"scenario.dataset"`. Without it: the one that was named when the run was exported, else the only
    component among the hyper-parameters, else the only one without a default. Of a parameter `Lazy[...]` it
    is the factory. `plugins`: installed plugins that bring components which the run used.

    Parameters that the project has got since the export have their defaults; classes that were renamed are
    found by their aliases, and the project's own migrations are heeded. Raises `HyperspaceError` in one line
    for what cannot be read, found or built, and whatever the component's own constructor raises.
    """
    exported = read_folder(folder)
    project = _opened(exported, plugins)
    try:
        scenario, config = _trees(exported, project)
        path = name or exported.manifest["component"] or meant(project, scenario, config)
        part = part_at(project, scenario, config, path)
        tree = complete_value(part.tree, part.kind, project.catalog, path=part.path)
    except ConfigError as error:
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        cure = _cure(exported, project, plugins if isinstance(error, UnknownClassError) else None)
        raise type(error)(f"{exported.folder}: {error.problems[0]}{more}{cure}") from None
    except HyperspaceError as error:
        raise type(error)(f"{exported.folder}: {error}") from None
    try:
        return build_value(tree, part.kind, project.catalog, part.path)
    except Exception as error:
        error.add_note(f"while `{part.path}` of {exported.folder} was built")
        raise


def load_artifact(folder: str | Path, name: str) -> Path:
    """The file of an artifact of an exported run, known to be what was exported.

    Raises `NotFound` for one that is not there, `HyperspaceError` for one that was changed since.
    """
    return read_folder(folder).path(name)


def _opened(exported: Exported, plugins: Collection[str]) -> Project:
    try:
        return open_project(exported.manifest["project"], _extensions(plugins))
    except HyperspaceError as error:
        then = exported.manifest["versions"]["project"]
        name = " ".join(filter(None, (then.get("distribution"), then.get("version"))))
        cure = f"; it was exported with {name}: install that" if name else ""
        raise type(error)(f"{exported.folder}: {error}{cure}") from None


def _extensions(plugins: Collection[str]) -> Extensions:
    """Core's own plugins, and those that are named."""
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
    """Scenario and config as the project would have them today."""
    scenario, config = exported.manifest["scenario"], exported.manifest["config"]
    for migration in project.migrations:
        if migration.name not in exported.manifest["migrated"]:
            scenario, config = applied(migration.steps, scenario, config)
    return scenario, config


def _cure(exported: Exported, project: Project, plugins: Collection[str] | None) -> str:
    """What to do about a config that the project's code does not fit; `plugins`: where a class is missing."""
    taken_part = exported.manifest["versions"].get("plugins") or ()
    left_out = [] if plugins is None else [name for name in taken_part if name not in plugins]
    of_plugin = f"; where a plugin brings it: plugins=[...] of {', '.join(left_out)}" if left_out else ""
    then = exported.manifest["versions"]["project"].get("version")
    here = "its code has changed since" if then == project.version else f"here is {project.version}"
    return (f" (exported with {project.distribution} {then or 'of an unknown version'}, {here}: install what "
            f"it was exported with, or keep old names as `aliases`{of_plugin})")
