"""Open a project: import only this project, then call the registration hooks."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

from hyperspace_core.errors import HyperspaceError, ProjectError, TaskError, nearest
from hyperspace_core.extension.admission import implemented
from hyperspace_core.extension.causes import LOAD_ERRORS, with_place
from hyperspace_core.extension.discovery import Found, by_name, conflict, find
from hyperspace_core.extension.manager import Extensions
from hyperspace_core.extension.project import Project
from hyperspace_core.extension.register import Contents, Register
from hyperspace_core.extension.taskfiles import TaskShelf
from hyperspace_core.markers import COMPONENTS_GROUP, PROJECTS_GROUP


def opened(name: str, extensions: Extensions, tasks_dir: Path | None) -> Project:
    """See `open_project`."""
    if tasks_dir is not None and not tasks_dir.is_dir():
        raise TaskError(f"{tasks_dir}: there is no such folder of task files")
    found = _installed(name)
    _imported(found, extensions)
    try:
        contents = _registered(found, extensions)
    except BaseException:
        extensions.detach_project()
        raise
    for broken in extensions.broken:
        contents.catalog.note(str(broken))
    shelf = _shelf(contents, tasks_dir)
    top = found.module.partition(".")[0]
    return Project(
        name=name, distribution=found.distribution, version=found.version, module=found.module,
        catalog=contents.catalog, tasks=shelf.tasks, task_errors=shelf.errors,
        task_folders=tuple(contents.task_folders) + (() if tasks_dir is None else (tasks_dir,)),
        packages=frozenset(contents.packages - {"hyperspace_core"} | {top}), source=_folder_of(top),
        extensions=extensions, migrations=tuple(contents.migrations.values()),
        same_behaviour=tuple(contents.same_behaviour), new_defaults=tuple(contents.new_defaults),
        metrics=dict(contents.metrics))


def _installed(name: str) -> Found:
    """The project's entry point; no other project is imported."""
    names = by_name(find(PROJECTS_GROUP))
    found = names.get(name)
    if found is None:
        near = nearest(name, names)
        known = f"Known: {', '.join(names)}." if names else "None is."
        meant = f" Did you mean '{near}'?" if near else ""
        raise ProjectError(f"no project '{name}' is installed. {known}{meant} (A project registers itself "
                           f"under '{PROJECTS_GROUP}'; is it pip-installed?)")
    if len(found) > 1:
        raise ProjectError(f"project '{name}' is {conflict(found)}")
    return found[0]


def _imported(found: Found, extensions: Extensions) -> None:
    try:
        module = found.load()
        folder = _folder_of(found.module.partition(".")[0])
        extensions.attach_project(module, found, None if folder is None else str(folder))
    except ProjectError as error:
        raise ProjectError(f"project '{found.name}' ({found.source}) cannot be opened: {error}") from error


def _registered(found: Found, extensions: Extensions) -> Contents:
    """Call the registrations; if a plugin fails, start again without it."""
    modules = _companions(found, extensions)
    while True:
        contents = Contents()
        failed = _fill(contents, found, extensions, modules)
        if failed is None:
            return contents
        name, error = failed
        companion = modules.pop(name, None)
        extensions.report_broken(name, error, "" if companion is None else companion[0].source)


def _companions(found: Found, extensions: Extensions) -> dict[str, tuple[Found, ModuleType]]:
    """Other distributions' component modules; those with hooks become plugins."""
    modules: dict[str, tuple[Found, ModuleType]] = {}
    for one in find(COMPONENTS_GROUP):
        if one.name != found.name or one.distribution in extensions.disabled:
            continue
        try:
            module = one.load()
            if isinstance(module, ModuleType) and not any(implemented(extensions.manager, module)):
                modules[one.distribution] = (one, module)
            elif not extensions.manager.is_registered(module):
                extensions.add(module, one, name=one.distribution)
        except ProjectError as error:
            extensions.report_broken(one.distribution, str(error), one.source)
    return modules


def _fill(contents: Contents, found: Found, extensions: Extensions,
          modules: dict[str, tuple[Found, ModuleType]]) -> tuple[str, BaseException] | None:
    """Call all registrations; the plugin that failed and its error, or None."""
    own = f"project {found.name}"
    for name, register in extensions.implementations("hyperspace_register"):
        origin = name if name == own else f"plugin {name}"
        try:
            register(register=Register(contents, origin=origin, project=found.name))
        except LOAD_ERRORS as error:
            if name != own:
                return name, error
            if isinstance(error, HyperspaceError):
                raise
            raise ProjectError(f"project '{found.name}' ({found.source}) cannot be opened: "
                               f"its hyperspace_register failed: {with_place(error)}") from error
    for name, (one, module) in modules.items():
        try:
            Register(contents, origin=one.source, project=found.name).module(module)
        except LOAD_ERRORS as error:
            return name, error
    return None


def _shelf(contents: Contents, tasks_dir: Path | None) -> TaskShelf:
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
