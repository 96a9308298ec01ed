"""Classes of a notebook: registered with a study, their sources, and what they need.

Runs of this process execute them; queued runs need them in the package: see `promote`.
"""

from __future__ import annotations

import ast
import builtins
import linecache
import symtable
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hyperspace_core.errors import ConfigError, RegistrationError, UsageError
from hyperspace_core.plugin import Entry, family_of
from hyperspace_core.records import NewRun, RunRecord

if TYPE_CHECKING:
    from hyperspace_core.plugin import ConfigSection
    from hyperspace_core.study import Study

# -- Find source and imports of classes of a notebook or the running script ----

DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def source_of(target: Any) -> str | None:
    """Source of a top-level class or function, with decorators.

    Of several definitions the last one counts. None if there is none.
    """
    wanted = target.__qualname__
    found = None
    for text, tree in _texts(sys.modules.get(target.__module__)):
        for node in tree.body:
            if isinstance(node, DEFINITIONS) and node.name == wanted:
                found = statement(text, node)
    return found


def imports(module: ModuleType) -> dict[str, str]:
    """Name → an import statement of that name only, from the cells of a module."""
    found: dict[str, str] = {}
    for _, tree in _texts(module):
        for node in tree.body:
            found |= imports_of(node)
    return found


def imports_of(node: ast.stmt) -> dict[str, str]:
    """Name → import of that name only; empty for other statements and `import *`."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return {}
    if isinstance(node, ast.ImportFrom) and (node.module == "__future__" or node.level):
        return {}
    found = {}
    for alias in node.names:
        if isinstance(node, ast.Import):
            found[alias.asname or alias.name.partition(".")[0]] = ast.unparse(ast.Import([alias]))
        elif alias.name != "*":
            found[alias.asname or alias.name] = ast.unparse(ast.ImportFrom(node.module, [alias], 0))
    return found


def statement(text: str, node: ast.stmt) -> str:
    """The source lines of a statement, with its decorators."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(one.lineno for one in decorators)])
    return "\n".join(text.splitlines()[first - 1:node.end_lineno])


def _texts(module: ModuleType | None) -> Iterator[tuple[str, ast.Module]]:
    """Yield the module's file, or the cells in order of execution."""
    file = getattr(module, "__file__", None)
    if file:
        linecache.checkcache(file)
        texts = ["".join(linecache.getlines(file))]
    else:                          # cached sources that are not files
        texts = ["".join(linecache.getlines(name)) for name in list(linecache.cache)
                 if not Path(name).exists() and not name.startswith("<frozen")]
    for text in texts:
        try:
            yield text, ast.parse(text)
        except (SyntaxError, ValueError):          # a cached text may not be Python
            continue


# -- Find the global names that a definition needs in its module ----

def global_names(source: str) -> list[str]:
    """Names that a definition looks up in its module, in order, without built-ins."""
    tree = ast.parse(source)
    own = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    table = symtable.symtable(source, "<definition>", "exec")
    found = dict.fromkeys([*_looked_up(table), *_in_texts(tree)])
    return [name for name in found if name not in own and not hasattr(builtins, name)]


def literal(value: Any) -> str | None:
    """The literal of a constant; None for other values."""
    text = repr(value)
    try:
        again = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return text if type(again) is type(value) and again == value else None


def bound_names(tree: ast.Module) -> dict[str, ast.stmt]:
    """Name → the top-level statement of a module that binds it."""
    found: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = node
        else:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    found[inner.id] = node
    return found


def same(value: Any, other: Any) -> bool:
    """Whether two values are the same object or equal constants."""
    return value is other or (literal(value) is not None and literal(value) == literal(other))


def defined_here(value: Any, namespace: Mapping[str, Any]) -> bool:
    """Whether a class or function was defined in the module of this namespace."""
    return getattr(value, "__module__", None) == namespace.get("__name__") and hasattr(value, "__qualname__")


def _looked_up(table: symtable.SymbolTable) -> Iterator[str]:
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_global() or (top and symbol.is_referenced() and not symbol.is_assigned()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _looked_up(inner)


def _in_texts(tree: ast.Module) -> Iterator[str]:
    """Yield the names in annotations that are strings."""
    annotations = [getattr(node, name, None) for node in ast.walk(tree) for name in ("annotation", "returns")]
    for annotation in annotations:
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                inner = ast.parse(annotation.value, mode="eval")
            except SyntaxError:
                continue
            yield from (node.id for node in ast.walk(inner) if isinstance(node, ast.Name))


# -- Extract a notebook class with the imports, helpers and constants it needs ----

SELF = "register"              # the decorator `@study.register`, dropped: the module has no study


@dataclass(kw_only=True)
class Piece:
    """Statements to add to a module, in order."""

    imports: dict[str, str] = field(default_factory=dict)          # name → statement
    definitions: dict[str, str] = field(default_factory=dict)      # name → source; dependencies first

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.imports) | frozenset(self.definitions)

    def text(self) -> str:
        """The text of a module with only this piece."""
        return inserted("", self)


def piece_of(target: type, there: Mapping[str, Any] | None = None) -> Piece:
    """Collect the class and what it needs, without equal names of module `there`.

    Raises `UsageError` if a source is not found, or a value cannot be written as source.
    """
    module = sys.modules[target.__module__]
    writer = _Writer(module, dict(there or {}), imports(module))
    writer.define(target.__qualname__, target)
    return writer.piece


def inserted(text: str, piece: Piece) -> str:
    """Insert a piece into a module: imports after its own, definitions at the end.

    Raises `UsageError` if the module has one of the names with another value.
    """
    tree = ast.parse(text)
    taken = [name for name in bound_names(tree) if name in piece.names]
    if taken:
        raise UsageError(f"`{taken[0]}` already exists there with another value; nothing was "
                         "overwritten: rename one of them")
    lines = text.splitlines()
    at = _after_imports(tree)
    new = list(dict.fromkeys(piece.imports.values()))
    if new:
        gap = [""] if at and not _is_import_line(tree, at) else []
        lines[at:at] = [*gap, *new] if at or not lines else [*new, ""]
    body = "\n".join(lines).rstrip("\n")
    parts = [body] if body else []
    return "\n\n\n".join([*parts, *piece.definitions.values()]) + "\n"


class _Writer:
    def __init__(self, module: ModuleType, there: dict[str, Any], typed: dict[str, str]) -> None:
        self.piece = Piece()
        self._names, self._there, self._typed = vars(module), there, typed
        self._open: set[str] = set()

    def define(self, name: str, value: Any) -> None:
        source = source_of(value)
        if source is None:
            raise UsageError(f"{name}: its source was not found; define it at the top of a cell (without "
                             "%magics in that cell)")
        source = _without_registration(source)
        self._open.add(name)
        for needed in global_names(source):
            if needed in self._names and needed not in self._open | self.piece.names:
                self._bring(needed, self._names[needed], name)
        self.piece.definitions[name] = source

    def _bring(self, name: str, value: Any, of: str) -> None:
        if name in self._there and same(self._there[name], value):
            return
        written = self._typed.get(name) or _import_of(name, value)
        if defined_here(value, self._names):
            self.define(name, value)
        elif written is not None:
            self.piece.imports[name] = written
        elif literal(value) is not None:
            self.piece.definitions[name] = f"{name} = {literal(value)}"
        else:
            raise UsageError(f"{of} uses `{name}` ({type(value).__name__}), which cannot be written "
                             "from this notebook into a module; pass it as an argument, or load it in "
                             "the class")


def _import_of(name: str, value: Any) -> str | None:
    """Import statement for an object without one; None if not importable."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__}" if value.__name__ == name else f"import {value.__name__} as {name}"
    module, called = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if (isinstance(module, str) and isinstance(called, str) and module != "__main__"
            and getattr(sys.modules.get(module), called, None) is value):
        return f"from {module} import {called}" + ("" if called == name else f" as {name}")
    return None


def _without_registration(source: str) -> str:
    """The definition without the decorator `@study.register`."""
    node = ast.parse(source).body[0]
    lines = source.splitlines()
    for decorator in reversed(getattr(node, "decorator_list", [])):
        made = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(made, ast.Attribute) and made.attr == SELF:
            del lines[decorator.lineno - 1:decorator.end_lineno]
    text = "\n".join(lines)
    return statement(text, ast.parse(text).body[0])


def _after_imports(tree: ast.Module) -> int:
    """Number of lines up to the last top-level import, or the docstring."""
    last = 0
    for number, node in enumerate(tree.body):
        is_docstring = (number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                        and isinstance(node.value.value, str))
        if is_docstring or isinstance(node, ast.Import | ast.ImportFrom):
            last = node.end_lineno or last
    return last


def _is_import_line(tree: ast.Module, line: int) -> bool:
    return any(isinstance(node, ast.Import | ast.ImportFrom) and node.end_lineno == line
               for node in tree.body)


# -- The classes that are registered with a study ----

FOLDER = "notebook"            # prefix of the labels of source artifacts
ORIGIN = "this notebook"


def register(study: Study, target: Any = None, *, family: type | None = None, name: str | None = None) -> Any:
    """Register a class or function of a notebook; also as `@study.register`.

    `run` executes it in this process, and its source is kept with the run; a queued run needs `promote`
    first. `family`: for a class that has none. A class defined again replaces the earlier one. Returns the
    class. Raises `RegistrationError`, `UsageError`.
    """
    if target is None:                     # @study.register(name="X")
        return partial(register, study, family=family, name=name)
    classes_of(study).register(target, family, name)
    return target


def classes_of(study: Study) -> NotebookClasses:
    """The notebook classes of a study; the first call adds them to its checks and observers."""
    for check in study.submission_checks:
        if isinstance(check, NotebookClasses):
            return check
    made = NotebookClasses(study)
    study.submission_checks.append(made)
    study.execution_observers.append(made.keep_sources)
    return made


class NotebookClasses:
    """The classes registered with one study, for local runs but not for queued runs.

    As a submission check it refuses runs that use them.
    """

    def __init__(self, study: Study) -> None:
        self._project, self._store = study.project, study.store
        self._entries: dict[tuple[type, str], Entry] = {}

    def __call__(self, run: NewRun) -> None:
        """Raise `ConfigError` if the run uses classes of this notebook."""
        for section in self._used(run):
            raise ConfigError(
                f"`{section.path}`: {section.called} is a class of this notebook, which no worker has; "
                f'study.promote({section.called}, "{self._project.module.partition(".")[0]}/…py") writes it '
                "into the package, or study.run executes it here")

    def keep_sources(self, record: RunRecord) -> None:
        """Store the sources of the notebook classes as artifacts of the first attempt."""
        for section in self._used(record):
            with tempfile.TemporaryDirectory(prefix="hyperspace-") as folder:
                file = Path(folder) / "source.py"
                file.write_text(source_text(section.entry.target if section.entry else object),
                                encoding="utf-8")
                self._store.put_artifact(record.id, 1, label_of(section.called), file)

    def register(self, target: Any, family: type | None = None, name: str | None = None) -> None:
        """Register a class for configs; replaces a notebook class of the same name."""
        found = family or family_of(target)
        if not isinstance(target, type) or found is None:
            shown = getattr(target, "__name__", repr(target))
            raise UsageError(f"register({shown}): expected a class of a family; if it has none, "
                             "name the family: study.register(MyClass, family=Classifier)")
        called = name or target.__name__
        known = self._entries.get((found, called))
        installed = {entry.name: entry for entry in self._project.registry.entries(found)}.get(called)
        if known is None and installed is not None and _is_the_same(installed.target, target):
            return                     # already promoted: the installed class is used
        add = self._project.registry.add if known is None else self._project.registry.replace
        try:
            self._entries[found, called] = add(found, target, name=name, origin=ORIGIN)
        except RegistrationError as error:
            raise RegistrationError(f"{error} (edit an installed class in its file)"
                                    if installed is not None else str(error)) from None

    def entry_of(self, target: type) -> Entry | None:
        """The entry of a registered class; None if it is not registered."""
        return next((entry for entry in self._entries.values() if entry.target is target), None)

    def replace(self, entry: Entry, installed: type) -> None:
        """Replace a notebook class by the installed class."""
        self._project.registry.replace(entry.family, installed, name=entry.name, origin=self._project.name)
        del self._entries[entry.family, entry.name]

    def _used(self, run: NewRun | RunRecord) -> Iterator[ConfigSection]:
        """The sections of a run that use classes of this notebook."""
        known = list(self._entries.values())
        if known:
            for section in self._project.sections(run.scenario or {}, run.config or {}):
                if section.entry in known and not section.below:
                    yield section


def label_of(name: str) -> str:
    """Label of the artifact with the source of a class."""
    return f"{FOLDER}/{name}.py"


def source_text(target: type) -> str:
    """Source of a module with the class, or only the class if that fails."""
    try:
        return piece_of(target).text()
    except UsageError as error:
        return f"# not complete: {error}\n{source_of(target) or ''}\n"


def _is_the_same(installed: Any, target: type) -> bool:
    """Whether both have the same definition."""
    texts = [source_of(one) for one in (installed, target) if isinstance(one, type)]
    if len(texts) < 2 or None in texts:
        return False
    one, other = (_definition(text or "") for text in texts)
    return one == other


def _definition(text: str) -> str:
    node = ast.parse(text).body[0]
    if isinstance(node, ast.ClassDef):             # `@study.register` is only in the notebook
        node.decorator_list = [one for one in node.decorator_list if "register" not in ast.unparse(one)]
    return ast.dump(node)
