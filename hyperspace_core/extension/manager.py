"""The plugins of one process, and the calls of their hooks.

Entry points are not loaded by pluggy, which stops at the first broken plugin, keeps it half registered, and
uses the file system's order. Here a broken plugin is left out completely and its cause is kept;
`require_whole` raises it.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import pluggy

from hyperspace_core import hookspecs
from hyperspace_core.errors import ProjectError, UsageError, did_you_mean, error_line, nearest
from hyperspace_core.extension.features import RETIRED, moved_to
from hyperspace_core.extension.installed import InstalledPoint, entry_points
from hyperspace_core.markers import COMPONENTS_GROUP, PLUGINS_GROUP, PROJECT_NAME

# -- Register a plugin in a plugin manager: completely, or not at all --

ONE_BY_ONE = frozenset({
    "hyperspace_register", "hyperspace_storage", "hyperspace_commands", "hyperspace_study",
    "hyperspace_capture",
    "hyperspace_run_started", "hyperspace_run_finished", "hyperspace_worker_changed",
    "hyperspace_offer_run", "hyperspace_watch_run", "hyperspace_answer",
})
"""Hooks whose implementations are called one by one, so that they cannot be wrapped."""


class PluginManager(pluggy.PluginManager):
    """Skips most names of a module: a manager is built for each study, and pluggy's look takes its time."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        if name.startswith("__"):
            return None
        if isinstance(plugin, ModuleType):
            here = vars(plugin).get(name)
            if not isinstance(here, (FunctionType, MethodType)):
                return None
        return super().parse_hookimpl_opts(plugin, name)


def admit(manager: pluggy.PluginManager, plugin: Any, name: str) -> None:
    """Register a plugin, or remove it completely and raise `ProjectError`."""
    try:
        _check(manager, plugin)
        manager.register(plugin, name=name)
        manager.check_pending()
    except LOAD_ERRORS as error:
        evict(manager, plugin)
        if isinstance(error, ProjectError):
            raise
        refused = isinstance(error, pluggy.PluginValidationError)      # pluggy's text has several lines
        raise ProjectError(" ".join(str(error).split()) if refused else error_line(error)) from error


def evict(manager: pluggy.PluginManager, plugin: Any) -> None:
    """Remove a plugin, also one that was registered only in part."""
    if manager.is_registered(plugin):
        manager.unregister(plugin)
    for name, caller in list(vars(manager.hook).items()):
        if isinstance(caller, pluggy.HookCaller) and not caller.has_spec() and not caller.get_hookimpls():
            delattr(manager.hook, name)


def implemented(manager: pluggy.PluginManager, plugin: Any) -> Iterator[tuple[str, Any]]:
    """The hooks that a plugin implements, with pluggy's options of each."""
    for name in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, name)
        if options is not None:
            yield options.get("specname") or name, options


def _check(manager: pluggy.PluginManager, plugin: Any) -> None:
    """Refuse mistakes that pluggy accepts silently or reports without a cure."""
    if isinstance(plugin, type):
        raise ProjectError(f"it is the class {plugin.__name__}; name a module or an object instead")
    specified = [name for name in vars(manager.hook) if getattr(manager.hook, name).has_spec()]
    hooks = dict(implemented(manager, plugin))
    for name, options in hooks.items():
        if name not in specified and not options.get("optionalhook"):
            near = nearest(name, specified)
            raise ProjectError(f"it implements {name}, which this version of hyperspace does not have"
                               + (f"; did you mean {near}?" if near else ""))
        if name in ONE_BY_ONE and (options.get("wrapper") or options.get("hookwrapper")):
            raise ProjectError(f"it wraps {name}, whose implementations are called one by one; only the "
                               "stages, hyperspace_execute, _seed and _fingerprint can be wrapped")
    bare = [name for name in specified if name not in hooks and callable(getattr(plugin, name, None))]
    if bare:
        raise ProjectError(f"its {bare[0]} is not marked as a hook; write @hookimpl above it")
    if not hooks:
        raise ProjectError("it implements no hook; write @hookimpl above functions named hyperspace_…")


# -- Core's own plugins, as strings that are imported when a manager is built --

BUILTINS = {
    "stages": "hyperspace_core.stages",
    "scenarios": "hyperspace_core.scenarios",
    "storage": "hyperspace_core.extension.storage",
    "seeds": "hyperspace_core.capture.environment:Seeds",
    "data": "hyperspace_core.capture.data_fingerprint",
    "git": "hyperspace_core.capture.git:GitCapture",
    "packages": "hyperspace_core.capture.environment:PackagesCapture",
    "python": "hyperspace_core.capture.environment:PythonCapture",
    "host": "hyperspace_core.capture.environment:HostCapture",
    "plugins": "hyperspace_core.capture.environment:PluginsCapture",
}


_CORE = "core."                # prefix of a built-in plugin's name; an installed one may have the same
# core registers first, so that a plugin that takes one of its names is the one that fails
_CORE_FIRST = ("hyperspace_register", "hyperspace_storage")


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """An active plugin, or the opened project's own hooks."""

    name: str
    distribution: str
    version: str
    file: str
    hooks: tuple[str, ...] = ()    # that it implements or wraps, by name


@dataclass(frozen=True, kw_only=True)
class Broken:
    """An installed plugin that is left out, and the cause in one line."""

    name: str
    distribution: str
    cause: str

    def __str__(self) -> str:
        return f"plugin '{self.name}' ({self.distribution}) is left out: {self.cause}"


class Extensions:
    """Built-in and installed plugins, and the hooks of the opened project."""

    def __init__(self) -> None:
        self.manager = PluginManager(PROJECT_NAME)
        self.manager.add_hookspecs(hookspecs)
        self.disabled: tuple[str, ...] = ()
        self.retired: tuple[str, ...] = ()         # a line for each installed plugin that was replaced
        self.project: Loaded | None = None         # whose hooks are active; one at a time
        self.project_source: str | None = None     # the folder of its code
        self.builtins: list[Any] = []
        self._loaded: dict[str, Loaded] = {}
        self._broken: dict[str, Broken] = {}

    @property
    def hook(self) -> pluggy.HookRelay:
        """Hooks whose errors fail the run and that may be wrapped."""
        return self.manager.hook

    @property
    def loaded(self) -> tuple[Loaded, ...]:
        """The active installed plugins, in the order of loading."""
        return tuple(self._loaded.values())

    @property
    def core(self) -> tuple[Loaded, ...]:
        """Core's own plugins."""
        from hyperspace_core.storage import this_version  # not where a service only loads a component

        itself = Found(name="", group=PLUGINS_GROUP, distribution="hyperspace-core", version=this_version(),
                       value="")
        named = self.manager.list_name_plugin()
        return tuple(self._described(plugin, itself, name.removeprefix(_CORE)) for name, plugin in named
                     if name.startswith(_CORE))

    @property
    def broken(self) -> tuple[Broken, ...]:
        """The installed plugins that are left out because of an error."""
        return tuple(self._broken.values())

    def require_whole(self) -> None:
        """Raise `ProjectError` if a plugin is broken; a worker must not run without it."""
        if self._broken:
            raise ProjectError("\n".join(f"{broken}; fix it, or disable it with --no-plugin {broken.name}"
                                         for broken in self.broken))

    # -- calling hooks one by one ----------------------------------------------------------------------------

    def each(self, name: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Call the implementations of a hook one by one: `(plugin, result or error)`.

        Core's come first, then the plugins in the order of their names; `tryfirst` and `trylast` are
        respected, except that core is always first in registration.
        """
        for plugin, call in self.implementations(name):
            try:
                answer = call(**arguments)
            except LOAD_ERRORS as error:
                answer = error
            yield plugin, answer

    def implementations(self, name: str, *, core: bool = True) -> Iterator[tuple[str, Callable[..., Any]]]:
        """The implementations of a hook, to be called with all its arguments; `core`: core's own too."""
        for one in self._sorted(name):
            if core or not one.plugin_name.startswith(_CORE):
                yield one.plugin_name.removeprefix(_CORE), partial(_called, one)

    def observers(self, name: str, **arguments: Any) -> None:
        """Call every observer; a failure is logged and the others are still called."""
        for plugin, answer in self.each(name, **arguments):
            if isinstance(answer, BaseException):
                logging.getLogger("hyperspace").error(
                    "%s of plugin '%s' failed: %s", name, plugin, error_line(answer), exc_info=answer)

    def implements(self, name: str) -> tuple[str, ...]:
        """The plugins, core's left out, that implement a hook and do not only wrap it."""
        plain = (i for i in self._sorted(name) if not (i.wrapper or i.hookwrapper))
        return tuple(i.plugin_name for i in plain if not i.plugin_name.startswith(_CORE))

    def _sorted(self, name: str) -> list[pluggy.HookImpl]:
        caller: pluggy.HookCaller = getattr(self.manager.hook, name)
        return sorted(caller.get_hookimpls(), key=lambda one: (
            name in _CORE_FIRST and not one.plugin_name.startswith(_CORE), one.trylast - one.tryfirst))

    # -- active plugins --------------------------------------------------------------------------------------

    def add(self, plugin: Any, found: Found, *, name: str | None = None) -> Loaded:
        """Activate an installed plugin. Raises `ProjectError` with the cause."""
        name = found.name if name is None else name
        admit(self.manager, plugin, name)
        self._loaded[name] = self._described(plugin, found, name)
        return self._loaded[name]

    def report_broken(self, name: str, cause: BaseException | str, distribution: str = "") -> None:
        """Deactivate a plugin because one of its hooks failed, and keep the cause."""
        loaded = self._loaded.pop(name, None)
        plugin = self.manager.get_plugin(name)
        if plugin is not None:
            evict(self.manager, plugin)
        text = cause if isinstance(cause, str) else with_place(cause)
        source = f"{loaded.distribution} {loaded.version}".strip() if loaded else distribution
        self._broken[name] = Broken(name=name, distribution=source, cause=text)

    def attach_project(self, plugin: Any, found: Found, source: str | None) -> None:
        """Activate a project's hooks. Raises `ProjectError` if another's are active."""
        if self.project is not None and self.project.name != found.name:
            raise ProjectError(f"project '{self.project.name}' is open already and its hooks are active; "
                               f"open '{found.name}' with another manager: build_manager()")
        if not self.manager.is_registered(plugin):
            if self.project is not None:           # its module was imported anew
                self.detach_project()
            admit(self.manager, plugin, f"project {found.name}")
        self.project, self.project_source = self._described(plugin, found, found.name), source

    def detach_project(self) -> None:
        """Deactivate the hooks of the opened project."""
        plugin = None if self.project is None else self.manager.get_plugin(f"project {self.project.name}")
        if plugin is not None:
            evict(self.manager, plugin)
        self.project, self.project_source = None, None

    def _described(self, plugin: Any, found: Found, name: str) -> Loaded:
        hooks = sorted(hook for hook, _ in implemented(self.manager, plugin))
        return Loaded(name=name, distribution=found.distribution, version=found.version,
                      file=file_of(plugin), hooks=tuple(hooks))


def _called(implementation: pluggy.HookImpl, **arguments: Any) -> Any:
    return implementation.function(*(arguments[name] for name in implementation.argnames))


def build_manager(*, disable: Collection[str] = (), discover: bool = True) -> Extensions:
    """A manager of core's plugins and, unless `discover` is False, installed ones.

    `disable`: installed plugins to leave out. Raises `UsageError` for a name that no installed plugin has; a
    plugin that cannot be loaded is in `.broken`.
    """
    extensions = Extensions()
    for name, place in BUILTINS.items():
        _add_builtin(extensions, name, place)
    installed = find(PLUGINS_GROUP) if discover else []
    extensions.disabled = _checked_names(disable, installed)
    current = [found for found in installed if found.distribution not in RETIRED]
    extensions.retired = tuple(_retired(found) for found in installed if found.distribution in RETIRED)
    for name, found in by_name(current).items():
        if name not in extensions.disabled:
            _add_installed(extensions, name, found)
    return extensions


def _retired(found: Found) -> str:
    return (f"plugin '{found.name}' ({found.source}) is skipped, {RETIRED[found.distribution]} replaces it: "
            f"pip uninstall {found.distribution}")


def _add_builtin(extensions: Extensions, name: str, place: str) -> None:
    plugin = pkgutil.resolve_name(place)
    if isinstance(plugin, type):
        plugin = plugin(extensions) if "__init__" in vars(plugin) else plugin()
    admit(extensions.manager, plugin, f"{_CORE}{name}")
    extensions.builtins.append(plugin)


def _add_installed(extensions: Extensions, name: str, found: list[Found]) -> None:
    if len(found) > 1:
        extensions.report_broken(name, conflict(found), " and ".join(one.source for one in found))
        return
    try:
        extensions.add(found[0].load(), found[0])
    except ProjectError as error:
        extensions.report_broken(name, str(error), found[0].source)


def _checked_names(disable: Collection[str], installed: list[Found]) -> tuple[str, ...]:
    if not disable:
        return ()
    # a package that adds components to a project goes by the name of its distribution
    known = {found.name for found in installed} | {found.distribution for found in find(COMPONENTS_GROUP)}
    for name in disable:
        if name not in known:
            listed = f" Installed: {', '.join(sorted(known))}." if known else " None is installed."
            raise UsageError(f"no plugin '{name}' to leave out{did_you_mean(name, known) or '.'}{listed}")
    return tuple(dict.fromkeys(disable))


# -- The cause of a failed import in one line, with file and line number --

# errors of an import that are a plugin's or project's fault; Ctrl-C is not
LOAD_ERRORS = (Exception, SystemExit)


def why_not_imported(error: BaseException, module: str) -> str:
    """The cause: the module or one that it needs is missing, or its code fails."""
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        if module == error.name or module.startswith(f"{error.name}."):
            return f"its module '{module}' does not exist"
        new = moved_to(error.name)
        cure = "which is not installed" if new is None else f"which is gone; import from {new}"
        return f"it needs the module '{error.name}', {cure}{_at(error)}"
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}:{error.lineno})"
    return with_place(error)


def with_place(error: BaseException) -> str:
    """`error_line` with the file and line that raised."""
    return f"{error_line(error)}{_at(error)}"


def file_of(plugin: Any) -> str:
    """The source file of a module or of an object's class; "" if there is none."""
    module = plugin if isinstance(plugin, ModuleType) else sys.modules.get(type(plugin).__module__)
    return str(getattr(module, "__file__", None) or "")


def _at(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if not frame.filename.startswith("<frozen")]
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""


# -- Entry points and their distributions; nothing is imported before `load` --

_VALUE = re.compile(r"([\w.]+)\s*(?::\s*([\w.]+))?\s*(?:\[.*\])?")


class Found(InstalledPoint):
    """An entry point, with what can be asked of it."""

    __slots__ = ()

    @property
    def source(self) -> str:
        """The distribution: `name version`."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def module(self) -> str:
        return self.value.partition(":")[0].strip()

    def load(self) -> Any:
        """Import the module or object. Raises `ProjectError` with the cause in one line."""
        parsed = _VALUE.fullmatch(self.value.strip())
        if parsed is None:
            raise ProjectError(f"its entry point {self.value!r} is not of the form 'package.module'")
        name, attribute = parsed.groups()
        try:
            loaded = importlib.import_module(name)
        except LOAD_ERRORS as error:
            raise ProjectError(why_not_imported(error, name)) from error
        for part in filter(None, (attribute or "").split(".")):
            if not hasattr(loaded, part):
                raise ProjectError(f"its module '{name}' has no '{attribute}'")
            loaded = getattr(loaded, part)
        return loaded


def find(group: str) -> list[Found]:
    """All entry points of a group, sorted by name and distribution."""
    found = {Found(*point) for point in entry_points() if point.group == group}
    return sorted(found, key=lambda one: (one.name, one.distribution, one.value))


def by_name(found: Iterable[Found]) -> dict[str, list[Found]]:
    """Group by name; several entry points of one name are a conflict."""
    names: dict[str, list[Found]] = {}
    for one in found:
        names.setdefault(one.name, []).append(one)
    return names


def conflict(found: Iterable[Found]) -> str:
    """The message for several entry points of one name."""
    return f"offered by {' and '.join(one.source for one in found)}; uninstall all but one"
