"""Entry points and their distributions. Nothing is imported before `load`."""

from __future__ import annotations

import importlib
import re
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from hyperspace_core.errors import ProjectError
from hyperspace_core.extension.features import moved_to

# -- The cause of a failed import in one line, with file and line number --

MAX_CHARACTERS = 300
# errors of an import that are a plugin's or project's fault; Ctrl-C is not
LOAD_ERRORS = (Exception, SystemExit)


def one_line(error: BaseException) -> str:
    """`ValueError: message`, on one line."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - __str__ of any error may fail
        message = ""
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"


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
    return f"{one_line(error)}{_at(error)}"


def with_place(error: BaseException) -> str:
    """`one_line` with the file and line that raised."""
    return f"{one_line(error)}{_at(error)}"


def file_of(plugin: Any) -> str:
    """The source file of a module or of an object's class; "" if there is none."""
    import sys

    module = plugin if isinstance(plugin, ModuleType) else sys.modules.get(type(plugin).__module__)
    return str(getattr(module, "__file__", None) or "")


def _at(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if not frame.filename.startswith("<frozen")]
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""


_VALUE = re.compile(r"([\w.]+)\s*(?::\s*([\w.]+))?\s*(?:\[.*\])?")


@dataclass(frozen=True, kw_only=True)
class Found:
    """An entry point and its distribution."""

    name: str
    group: str
    distribution: str
    version: str
    value: str                     # "package.module" or "package.module:object"

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
    from importlib_metadata import entry_points

    found = set()
    for point in entry_points(group=group):
        name, version = (point.dist.name, point.dist.version) if point.dist else ("?", "")
        found.add(Found(name=point.name, group=group, value=point.value, distribution=name, version=version))
    return sorted(found, key=lambda one: (one.name, one.distribution, one.value))


def by_name(found: Iterable[Found]) -> dict[str, list[Found]]:
    """Group by name; several entry points of one name are a conflict."""
    names: dict[str, list[Found]] = {}
    for one in found:
        names.setdefault(one.name, []).append(one)
    return names


def conflict(found: Iterable[Found]) -> str:
    """The message for several entry points of one name."""
    sources = " and ".join(one.source for one in found)
    return f"offered by {sources}; uninstall all but one"


def core_version() -> str:
    """The installed version of this framework, or "unknown"."""
    from importlib_metadata import PackageNotFoundError, version

    try:
        return version("hyperspace-core")
    except PackageNotFoundError:                   # a source tree that is not installed
        return "unknown"
