"""Why something could not be loaded, in one line that says where."""

from __future__ import annotations

import traceback
from types import ModuleType
from typing import Any

MAX_CHARACTERS = 300
# what an import may raise and still be a plugin's or project's own fault; Ctrl-C is nobody's
LOAD_ERRORS = (Exception, SystemExit)


def one_line(error: BaseException) -> str:
    """`ValueError: what it says`, on one line."""
    try:
        said = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - whatever its __str__ does
        said = ""
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"


def why_not_imported(error: BaseException, module: str) -> str:
    """Tells apart: the module itself is missing, something that it needs is missing, its own code fails."""
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        if module == error.name or module.startswith(f"{error.name}."):
            return f"its module '{module}' does not exist"
        return f"it needs the module '{error.name}', which is not installed{_at(error)}"
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}:{error.lineno})"
    return f"{one_line(error)}{_at(error)}"


def with_place(error: BaseException) -> str:
    """`one_line` with the file and line that raised."""
    return f"{one_line(error)}{_at(error)}"


def file_of(plugin: Any) -> str:
    """The source file of a module or of an object's class, where there is one."""
    import sys

    module = plugin if isinstance(plugin, ModuleType) else sys.modules.get(type(plugin).__module__)
    return str(getattr(module, "__file__", None) or "")


def _at(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if not frame.filename.startswith("<frozen")]
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
