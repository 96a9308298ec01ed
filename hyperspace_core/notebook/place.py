"""Find the module for a promoted class, and register the module if necessary."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hyperspace_core.errors import Refused, UsageError

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project


@dataclass(frozen=True, kw_only=True)
class Target:
    """A module of the package; it may not exist yet."""

    file: Path
    module: str
    shown: str                     # as the user named it


@dataclass(frozen=True, kw_only=True)
class Change:
    """New content of a file. `before` is None if the file does not exist."""

    file: Path
    before: bytes | None
    after: bytes

    def write(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        made = self.file.with_name(f".{self.file.name}.new")
        made.write_bytes(self.after)
        made.replace(self.file)

    def undo(self) -> bool:
        """Restore the file. If it was edited since, leave it and return False."""
        if not self.file.exists() or self.file.read_bytes() != self.after:
            return False
        if self.before is None:
            self.file.unlink()
        else:
            self.file.write_bytes(self.before)
        return True


def target_in(project: Project, path: str) -> Target:
    """Find the module of a path like "digits_study/models.py". Raises `UsageError`."""
    top = project.module.partition(".")[0]
    parts = Path(path).parts
    names = [*parts[:-1], Path(path).stem]
    module_file = getattr(sys.modules.get(top), "__file__", None)
    is_package = hasattr(sys.modules.get(top), "__path__")
    fits = (path.endswith(".py") and bool(parts) and parts[0] == (top if is_package else f"{top}.py")
            and (len(parts) > 1) == is_package and all(name.isidentifier() for name in names))
    if not fits or project.source is None or module_file is None:
        right = f"{top}/models.py" if is_package else f"{top}.py"
        raise UsageError(f"promote(…, {path!r}): expected a module of the project's package, as in '{right}'")
    root = project.source.parent if is_package else project.source
    return Target(file=root / path, module=".".join(names), shown=path)


def text_of(file: Path) -> tuple[bytes | None, str]:
    """Bytes and text of a file; None and "" if missing. Raises `UsageError`."""
    if not file.exists():
        return None, ""
    content = file.read_bytes()
    try:
        text = content.decode("utf-8")
        ast.parse(text)
    except (UnicodeDecodeError, SyntaxError) as error:
        raise UsageError(f"{file}: cannot be read as Python ({error}); correct it first") from None
    return content, text


def is_registered(project: Project, module: str) -> bool:
    """Whether the project has registered classes of the module."""
    return any(getattr(entry.target, "__module__", None) == module for entry in project.registry.entries())


def registration(project: Project, module: str) -> Change:
    """Add the module to `hyperspace_register`. Raises `Refused` with the line."""
    line = f'register.module("{module}")'
    file = Path(str(getattr(sys.modules.get(project.module), "__file__", "")))
    before, text = text_of(file)
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == "hyperspace_register":
            last = [one for one in node.body if not isinstance(one, ast.Return)][-1]
            lines = text.splitlines()
            lines.insert(last.end_lineno or last.lineno, " " * last.col_offset + line)
            return Change(file=file, before=before, after=("\n".join(lines) + "\n").encode())
    raise Refused(f"{file}: has no function hyperspace_register; register the module with `{line}` first")
