"""Write a class of a notebook into the package, and verify it in a fresh process."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING

from hyperspace_core.errors import HyperspaceError, Refused, UsageError
from hyperspace_core.plugin import WorkerOptions, trees as trees_
from hyperspace_core.records import ORDER_NEWEST, RunFilter, RunRecord, State
from hyperspace_reproduce.notebook import (
    Piece,
    bound_names,
    classes_of,
    inserted,
    label_of,
    piece_of,
    source_text,
)
from hyperspace_reproduce.replay import Verdict, copy_of, replay

if TYPE_CHECKING:
    from hyperspace_core.plugin import Project
    from hyperspace_core.study import Study


@dataclass(frozen=True, kw_only=True, repr=False)
class Promotion:
    """Result of a promotion: the file, and the run that verified it."""

    name: str
    shown: str                     # the file, as the user named it
    file: Path
    registered_in: Path | None     # the file with the new line that registers the module
    proof: RunRecord               # the notebook's run that was executed again
    verdict: Verdict

    def __repr__(self) -> str:
        line = f", registered in {self.registered_in.name}" if self.registered_in else ""
        return (f"<{self.name} is in {self.shown}{line}; in a fresh process it gave what run {self.proof.id} "
                f"gave: {self.verdict.likeness}, {self.verdict.compared} numbers compared>")


def promote(study: Study, target: type, path: str, *, tolerance: float = 0.0) -> Promotion:
    """Write a registered class into the project: `promote(Mine, "pkg/x.py")`.

    It is appended to the module, which is created if missing, with the imports, helpers and constants that it
    needs; a new module is added to `hyperspace_register`. Then its last run in this process is executed in a
    fresh process. If the results differ by more than the `tolerance` (see `reproduce`), everything is undone.
    Nothing is overwritten. Raises `UsageError`, `Refused`, `HyperspaceError`.
    """
    classes = classes_of(study)
    entry = classes.entry_of(target)
    if entry is None:
        shown = getattr(target, "__name__", repr(target))
        raise UsageError(f"promote({shown}): not a class of this notebook; register it with "
                         f"study.register({shown}) and run it first")
    place = target_in(study.project, path)
    run = _last_run(study, entry.name, source_text(target))
    piece = _piece(target, place)
    before, text = text_of(place.file)
    try:
        after = inserted(text, piece).encode()
    except UsageError as error:
        raise UsageError(f"{place.shown}: {error}") from None
    changes = [Change(file=place.file, before=before, after=after)]
    if not is_registered(study.project, place.module):
        changes.append(registration(study.project, place.module))
    verdict = _proved(study, run, changes, tolerance, place)
    classes.replace(entry, _brought_up(study, place, piece, changes, target.__name__))
    return Promotion(name=entry.name, shown=place.shown, file=place.file, proof=run, verdict=verdict,
                     registered_in=changes[1].file if len(changes) > 1 else None)


def _piece(target: type, place: Target) -> Piece:
    module = sys.modules.get(place.module)
    if module is None and place.file.exists():
        module = importlib.import_module(place.module)
    return piece_of(target, None if module is None else vars(module))


def _last_run(study: Study, name: str, source: str) -> RunRecord:
    """Find the newest completed run of the current class. Raises `Refused`."""
    wanted = RunFilter(project=study.name, states=(State.COMPLETED,))
    for record in study.store.find(wanted, order=ORDER_NEWEST):
        trees = trees_.flatten({"scenario": record.scenario or {}, "config": record.config or {}})
        if not any(path.endswith(trees_.CLASS_NAME) and value == name for path, value in trees.items()):
            continue
        kept = [one for one in study.store.artifacts(record.id) if one.name == label_of(name)]
        if not kept:
            continue
        with study.store.open_artifact(kept[0]) as file:
            if file.read().decode("utf-8", "replace") == source:
                return record
        raise Refused(f"{name}: was edited since run {record.id}; run it again with study.run to get a "
                      "result to compare with")
    raise Refused(f"{name}: no completed run of this class to compare with; run it with study.run first")


def _proved(study: Study, run: RunRecord, changes: Sequence[Change], tolerance: float,
            place: Target) -> Verdict:
    """Write the changes and verify them in a fresh process; undo on failure."""
    for change in changes:
        change.write()
    try:
        return _verified(study, run, tolerance, place)
    except BaseException as error:
        left = [str(change.file) for change in reversed(changes) if not change.undo()]
        state = f"; {', '.join(left)} was edited meanwhile and is not restored" if left else (
            "; the package is as it was before")
        if isinstance(error, HyperspaceError):
            raise HyperspaceError(f"{error}{state}") from error
        raise


def _verified(study: Study, run: RunRecord, tolerance: float, place: Target) -> Verdict:
    """Execute the run again in a fresh process. Raises `HyperspaceError` if it differs."""
    options = WorkerOptions(isolation="spawn", drain=True, code="current", no_plugins=study.no_plugins,
                            tasks_dir=study.tasks_dir)
    (found,) = replay(study.store, study.extensions, [(run, copy_of(run))], options, tolerance=tolerance,
                      listener=lambda event: None)
    if found.verdict is None:
        raise HyperspaceError(f"{place.shown}: run {run.id} was not executed again: its worker was stopped")
    if not found.verdict.same:
        reason = f" ({found.now.reason})" if found.now.reason else ""
        raise HyperspaceError(f"{place.shown}: in a fresh process the class does not give what run {run.id} "
                              f"gave: {found.verdict.first}{reason}; likely cause: a name that has another "
                              "value in the notebook")
    return found.verdict


def _brought_up(study: Study, place: Target, piece: Piece, changes: Sequence[Change], name: str) -> type:
    """Import the promoted class without reloading other definitions."""
    importlib.invalidate_caches()
    if place.module not in sys.modules:
        importlib.import_module(place.module)
    else:
        _Part(place.module, place.file, piece.names).exec_module(sys.modules[place.module])
    for change in changes[1:]:
        entry = study.project.module
        _Part(entry, change.file, frozenset({"hyperspace_register"})).exec_module(sys.modules[entry])
    found: type = getattr(sys.modules[place.module], name)
    return found


class _Part(SourceFileLoader):
    """Loads only the statements of a module's file that bind given names.
    All other objects of the module are unchanged.
    """

    def __init__(self, module: str, file: Path, names: frozenset[str]) -> None:
        super().__init__(module, str(file))
        self._names = names

    def get_code(self, fullname: str) -> CodeType:
        tree = ast.parse(Path(self.path).read_bytes())
        wanted = {id(node) for name, node in bound_names(tree).items() if name in self._names}
        tree.body = [node for node in tree.body if id(node) in wanted or _is_future(node)]
        return self.source_to_code(tree, self.path)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


# -- The module for a promoted class, and its registration ----


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
