"""The top-level packages and modules of a project's own code, and their folders."""

from __future__ import annotations

import ast
import importlib.machinery
import os
import re
import sys
import sysconfig
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from hyperspace_core.capture.files import FileStamp, stamp_at
from hyperspace_core.config.tree import MISSING

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project

# -- Loaded modules under development: not installed, not standard library --

_Item = TypeVar("_Item")

CORE = "hyperspace_core"
INSTALLED = {"site-packages", "dist-packages"}     # names of folders for installed packages

_found: dict[tuple[str, ...], tuple[int, Any, list[Any]]] = {}


def loaded_sources(packages: Collection[str]) -> set[Path]:
    """The files of all loaded modules under development.

    Left out are modules of the standard library, of installed packages and of the framework. Modules of the
    top-level `packages` are always included, also where they are installed.
    """
    found = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name == "__main__":
            continue
        top = name.partition(".")[0]
        if top in packages or (top != CORE and in_place(file)):
            found.add(Path(file))
    return found


def in_place(file: str) -> bool:
    """Whether a module's file is outside the folders for installed packages."""
    return not file.startswith(_installed_below(tuple(sys.path)))


@lru_cache(maxsize=8)
def _installed_below(path: tuple[str, ...]) -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {sysconfig.get_path(name) for name in names} | {str(Path(os.__file__).parent)}
    folders |= {entry for entry in path if Path(entry).name in INSTALLED}
    folders |= {os.path.realpath(folder) for folder in folders}
    return tuple(f"{folder}{os.sep}" for folder in sorted(folders))


def loaded_below(top: Path) -> list[str]:
    """The imported source files below a folder, by their real paths."""
    return until_next_import(("below", str(top)), lambda: _loaded_below(f"{top}{os.sep}"))


def _loaded_below(root: str) -> list[str]:
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return sorted(real for real in map(_real_source, files) if real is not None and real.startswith(root))


def until_next_import(key: tuple[str, ...], make: Callable[[], list[_Item]]) -> list[_Item]:
    """The result of `make`, cached under a key until another module is imported.

    There may be thousands of modules, and the result is needed before every run.
    """
    count, newest = len(sys.modules), sys.modules.get(next(reversed(sys.modules)))
    known = _found.get(key)
    if known is None or known[0] != count or known[1] is not newest:
        known = _found[key] = count, newest, make()
    return list(known[2])


@lru_cache(maxsize=1 << 16)
def _real_source(file: str | None) -> str | None:
    """A module's file as git names it; None if installed or not source."""
    if not isinstance(file, str) or not file.endswith(".py") or INSTALLED & set(Path(file).parts):
        return None
    return os.path.realpath(file)


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
    from hyperspace_core.capture.environment import top_level_names

    return top_level_names(name)


def _framework_plugins(project: Project) -> set[str]:
    extensions = project.extensions
    named = (plugin.name for plugin in extensions.loaded if plugin.distribution.startswith(_FRAMEWORK))
    plugins = (extensions.manager.get_plugin(name) for name in named)
    return {str(getattr(plugin, "__name__", "")).partition(".")[0] for plugin in plugins}


# -- Detection of source files that were edited since this process imported them --

_checked: dict[str, FileStamp] = {}      # file → its stamp when it last matched the imported code


def edited_since_import(project: Project) -> list[str]:
    """The source files of a project that differ from this process's code."""
    packages = {unit.name for unit in code_units(project)}
    files = {getattr(module, "__file__", None) for name, module in list(sys.modules.items())
             if name.partition(".")[0] in packages}
    paths = sorted(Path(file) for file in files if isinstance(file, str) and file.endswith(".py"))
    return [str(path) for path in paths if not _is_live(path)]


def _is_live(path: Path) -> bool:
    stamp = stamp_at(path)
    if stamp is None:
        return False
    if _checked.get(str(path)) != stamp and _says_what_is_loaded(path):
        _checked[str(path)] = stamp
    return _checked.get(str(path)) == stamp


def _says_what_is_loaded(path: Path) -> bool:
    modules = [module for module in list(sys.modules.values())
               if isinstance(module, ModuleType) and getattr(module, "__file__", None) == str(path)]
    try:
        source = path.read_bytes()
        tree = ast.parse(source)
        # compiled like an import, but not executed
        code: CodeType = SourceFileLoader("", str(path)).source_to_code(source, str(path))
        standing = dict(_codes(code))
    except (OSError, SyntaxError, ValueError):
        return False
    loaded = [code for module in modules for code in _loaded_codes(module)]
    return (all(standing.get(code.co_qualname) == _shape(code) for code in loaded)
            and all(_same_constants(tree.body, vars(module)) for module in modules))


def _codes(code: CodeType) -> Iterator[tuple[str, Any]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant.co_qualname, _shape(constant)
            yield from _codes(constant)


def _shape(code: CodeType) -> Any:
    """The content of a code object without line numbers."""
    constants = tuple(_shape(one) if isinstance(one, CodeType) else (type(one), one)
                      for one in code.co_consts)
    return (code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_flags,
            code.co_exceptiontable)


def _loaded_codes(module: ModuleType) -> Iterator[CodeType]:
    """The code of a module's functions and methods, as far as they are found by name."""
    for value in list(vars(module).values()):
        for member in list(vars(value).values()) if isinstance(value, type) else [value]:
            function = getattr(member, "__func__", getattr(member, "fget", member))
            if isinstance(function, FunctionType) and function.__code__.co_filename == module.__file__:
                yield function.__code__


def _same_constants(body: list[ast.stmt], loaded: Any) -> bool:
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            inner = loaded.get(statement.name)
            if isinstance(inner, type) and not _same_constants(statement.body, vars(inner)):
                return False
        name, written = _constant(statement) or ("", None)
        value = loaded.get(name, MISSING)
        # a value of another type was set by the program
        if name and value is not MISSING and type(value) is type(written) and value != written:
            return False
    return True


def _constant(statement: ast.stmt) -> tuple[str, Any] | None:
    """Name and value of `NAME = 3` and `NAME: int = 3`."""
    match statement:
        case (ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value))
              | ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=value))):
            return name, value
    return None

