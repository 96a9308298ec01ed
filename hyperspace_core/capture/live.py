"""Detection of source files that were edited since this process imported them.

Such a file does not describe the running code, unless an autoreloader has reloaded it. Compared are
functions, methods and constants of modules and classes; comments are ignored.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from hyperspace_core.capture.units import code_units
from hyperspace_core.config.tree import MISSING

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project

_checked: dict[str, tuple[int, int]] = {}      # file → its stamp when it last matched the imported code


def edited_since_import(project: Project) -> list[str]:
    """The source files of a project that differ from this process's code."""
    packages = {unit.name for unit in code_units(project)}
    files = {getattr(module, "__file__", None) for name, module in list(sys.modules.items())
             if name.partition(".")[0] in packages}
    paths = sorted(Path(file) for file in files if isinstance(file, str) and file.endswith(".py"))
    return [str(path) for path in paths if not _is_live(path)]


def _is_live(path: Path) -> bool:
    try:
        status = os.stat(path)  # noqa: PTH116 - called for every file before every run
    except OSError:
        return False
    stamp = status.st_mtime_ns, status.st_size
    if _checked.get(str(path)) == stamp:
        return True
    live = _says_what_is_loaded(path)
    if live:
        _checked[str(path)] = stamp
    return live


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
        value = _constant(statement)
        if value is not None and not _agrees(value[1], loaded.get(value[0], MISSING)):
            return False
    return True


def _constant(statement: ast.stmt) -> tuple[str, Any] | None:
    """Name and value of `NAME = 3` and `NAME: int = 3`."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target: ast.expr = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign):
        target = statement.target
    else:
        return None
    if isinstance(target, ast.Name) and isinstance(statement.value, ast.Constant):
        return target.id, statement.value.value
    return None


def _agrees(written: Any, loaded: Any) -> bool:
    """Whether values agree; another type was set by the program and agrees."""
    return loaded is MISSING or type(loaded) is not type(written) or bool(loaded == written)
