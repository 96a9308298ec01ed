"""Register a plugin in a plugin manager: completely, or not at all.

pluggy keeps the hooks that it registered before an error, so half a plugin would stay active.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pluggy

from hyperspace_core.errors import ProjectError, nearest
from hyperspace_core.extension.causes import LOAD_ERRORS, one_line

ONE_BY_ONE = frozenset({
    "hyperspace_register", "hyperspace_storage", "hyperspace_commands", "hyperspace_capture",
    "hyperspace_run_started", "hyperspace_run_finished", "hyperspace_worker_changed",
})
"""Hooks whose implementations are called one by one, so that they cannot be wrapped."""


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
        raise ProjectError(" ".join(str(error).split()) if refused else one_line(error)) from error


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
