"""The top-level packages and modules of a project's own code, and their folders."""

from __future__ import annotations

import importlib.machinery
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from hyperspace_core.capture.loaded import CORE, in_place, until_next_import

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project

_NOT_CODE = {CORE, "__main__", "__mp_main__", "sitecustomize", "usercustomize"}
_IMPORT = re.compile(rb"^[ \t]*(?:from[ \t]+([A-Za-z_]\w*)|import[ \t]+([A-Za-z_][\w., \t]*))", re.MULTILINE)
_FRAMEWORK = "hyperspace-"     # the distributions of the framework's own plugins


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A top-level package with its folders, or a module of one file."""

    name: str
    folders: tuple[str, ...] = ()
    file: str | None = None
    own: bool                      # part of the project itself, even if installed

    @property
    def root(self) -> Path:
        """The folder that is on `sys.path`."""
        return Path(self.file or self.folders[0]).parent


def code_units(project: Project) -> list[Unit]:
    """The project's own packages, then other packages in use, not installed.

    Left out are the standard library, installed packages, the framework and its plugins, which are recorded
    by version, and modules that this process loads for itself, such as a notebook's.
    """
    own, plugins = _own(project), _framework_plugins(project)
    tops = own | project.packages                  # the latter include packages that add components
    key = ("units", *sorted(own), "", *sorted(tops), "", *sorted(plugins))
    return until_next_import(key, lambda: _units(own, tops, plugins))


def _units(own: Collection[str], tops: Collection[str], plugins: Collection[str]) -> list[Unit]:
    loaded: dict[str, list[ModuleType]] = {}
    for name, module in list(sys.modules.items()):
        loaded.setdefault(name.partition(".")[0], []).append(module)
    found: dict[str, Unit | None] = {}
    waiting = sorted(tops)
    while waiting:
        name = waiting.pop()
        if name in found or name in _NOT_CODE or (name in plugins and name not in own):
            continue
        top = sys.modules.get(name) or _not_loaded(name)
        unit = found[name] = None if top is None else _unit(name, top, own=name in own)
        if top is not None and unit is not None:
            waiting += {used for one in loaded.get(name, [top]) for used in _used_by(one)}
    return sorted(filter(None, found.values()), key=lambda unit: (not unit.own, unit.name))


def _used_by(module: ModuleType) -> set[str]:
    """The top-level packages that a module imports or takes names from."""
    names = {value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
             for value in list(vars(module).values())}
    return {name.partition(".")[0] for name in names if isinstance(name, str)} | _imported_by(module)


def _imported_by(module: ModuleType) -> set[str]:
    """The top-level packages that a module imports, also inside functions."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not file.endswith(".py"):
        return set()
    try:
        source = Path(file).read_bytes()
    except OSError:
        return set()
    listed = (one for found in _IMPORT.finditer(source) for one in (found[1] or found[2]).decode().split(","))
    return {name.replace(".", " ").split()[0] for name in listed if name.strip(" \t.")}


def _not_loaded(name: str) -> ModuleType | None:
    """The module that an import would load, not executed; None for none."""
    if name in sys.stdlib_module_names or not name.isidentifier():
        return None
    spec = importlib.machinery.PathFinder.find_spec(name)
    if spec is None or spec.loader is None or spec.origin is None:     # or a plain folder of that name
        return None
    module = ModuleType(name)
    module.__file__ = spec.origin
    return module


def _unit(name: str, module: ModuleType, *, own: bool) -> Unit | None:
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        if not own and (not in_place(file) or _is_hidden(file)):
            return None
        path = Path(file)
        if path.stem == "__init__":
            return Unit(name=name, folders=(str(path.parent),), own=own)
        return Unit(name=name, file=file, own=own)
    places = [place for place in getattr(module, "__path__", ()) if isinstance(place, str)]
    folders = tuple(place for place in places if own or (in_place(place) and not _is_hidden(place)))
    return Unit(name=name, folders=folders, own=own) if folders else None


@lru_cache(maxsize=4096)
def _is_hidden(file: str) -> bool:
    """Whether a file is in a hidden folder, as modules of editors are."""
    return any(part.startswith(".") and part != ".." for part in Path(file).parts)


def _own(project: Project) -> frozenset[str]:
    top = project.module.partition(".")[0]
    return frozenset({top}) | (_of_distribution(project.distribution) & project.packages)


@lru_cache(maxsize=64)
def _of_distribution(name: str) -> frozenset[str]:
    from hyperspace_core.capture.packages import top_level_names

    return top_level_names(name)


def _framework_plugins(project: Project) -> set[str]:
    extensions = project.extensions
    named = (plugin.name for plugin in extensions.loaded if plugin.distribution.startswith(_FRAMEWORK))
    plugins = (extensions.manager.get_plugin(name) for name in named)
    return {str(getattr(plugin, "__name__", "")).partition(".")[0] for plugin in plugins}
