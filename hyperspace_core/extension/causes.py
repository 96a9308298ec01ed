"""The cause of a failed import in one line, with file and line number."""

from __future__ import annotations

import traceback
from types import ModuleType
from typing import Any

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
        return f"it needs the module '{error.name}', which is not installed{_at(error)}"
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
