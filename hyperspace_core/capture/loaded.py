"""Loaded modules under development: not installed, not standard library."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable, Collection
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

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
