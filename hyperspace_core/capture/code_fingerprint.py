"""The section `components`: a code fingerprint of each component of a run.

A fingerprint changes with the code of the class, of its bases and of all project code that they refer to. It
does not change with comments, formatting, docstrings, annotations, other classes, or the defaults of
parameters that a config holds. Other packages count by name only; their versions are recorded elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from hyperspace_core.capture.code_graph import Bindings, Modules, value_of
from hyperspace_core.capture.data_fingerprint import fingerprint
from hyperspace_core.capture.files import FileStamp, stamp_at
from hyperspace_core.capture.project_modules import CORE, code_units
from hyperspace_core.capture.syntax import Imported, Reference
from hyperspace_core.config import types
from hyperspace_core.config.parameters import Parameter
from hyperspace_core.config.signature import default_tree, signature_of, signatures_of
from hyperspace_core.config.tree import MISSING, is_json, shown
from hyperspace_core.run import Absent, Section

if TYPE_CHECKING:
    from hyperspace_core.config.registry import Entry
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project

# -- The project code that a class or function depends on, fingerprinted --

EXTERNAL = "external:"         # prefix of code outside the project, which is recorded by package version
NONE: frozenset[str] = frozenset()

HeldNames = Mapping[tuple[str, str], frozenset[str]]       # (module, class or function) → as in `normal_form`


@dataclass(frozen=True, order=True)
class CodeName:
    """A top-level name of a module; `component`: a config holds some of its defaults."""

    module: str
    name: str
    component: bool = False

    def __str__(self) -> str:
        return f"{self.module}.{self.name}{'()' if self.component else ''}"


@dataclass(frozen=True)
class Reached:
    """A fingerprint, the names that it covers, and the state of the files that it was computed from."""

    fingerprint: str
    files: tuple[tuple[str, FileStamp | None], ...]
    names: frozenset[tuple[str, str]]
    typed: bool                    # it covers a notebook's cells, which may be run again at any time


@dataclass
class Reach:
    """One walk from given roots along all references."""

    modules: Modules
    held: HeldNames = field(default_factory=dict)
    _seen: dict[str, Bindings | None] = field(default_factory=dict)

    def of(self, roots: Iterable[CodeName]) -> Reached:
        """The fingerprint of what the roots reach; each name is visited once."""
        waiting = sorted(set(roots))
        texts: dict[CodeName, str] = {}
        while waiting:
            node = waiting.pop()
            if node in texts:
                continue
            texts[node], targets = self._node(node)
            waiting += [one for one in targets if one not in texts]
        hasher = hashlib.sha256()
        for node, text in sorted(texts.items()):
            part = f"{node}\n{text}".encode("utf-8", "surrogatepass")
            hasher.update(b"%d:%s" % (len(part), part))
        return Reached(f"sha256:{hasher.hexdigest()}", self._files(),
                       frozenset((node.module, node.name) for node in texts), self._reads_cells())

    def has(self, node: CodeName) -> bool:
        module = self._module(node.module)
        return module is not None and node.name in module.names

    def _node(self, node: CodeName) -> tuple[str, set[CodeName]]:
        """A name's text with its references, and their targets in the project."""
        module = self._module(node.module)
        if module is None or node.name not in module.names:
            return "?", set()
        held = self.held.get((node.module, node.name), NONE)
        code = module.code(node.name, held if node.component else None)
        lines, targets = [], set()
        for reference in code.references:
            base = node.component and reference in code.bases
            found = {one if base else _plain(one) for one in self._resolve(module, reference)}
            targets |= {one for one in found if isinstance(one, CodeName)} - {node}
            if found:
                name = ".".join((reference.name, *reference.attributes))
                lines.append(f"{name} = {', '.join(sorted(map(str, found)))}")
        for one in module.names[node.name]:
            if one.imported is not None:           # also defined: `except ImportError: fast = None`
                found = set(map(_plain, self._follow(module, one.imported, (), frozenset())))
                targets |= {other for other in found if isinstance(other, CodeName)} - {node}
                lines.append(f"import {', '.join(sorted(map(str, found)))}")
        return "\n".join([code.text, *sorted(lines)]), targets

    # -- targets of names ------------------------------------------------------------------------------------

    def _resolve(self, module: Bindings, reference: Reference) -> Iterator[CodeName | str]:
        """The targets of a reference; `component` is set for a name that a module itself defines."""
        if reference.imported is not None:
            yield from self._follow(module, reference.imported, reference.attributes, frozenset())
        else:
            yield from self._named(module, reference.name, reference.attributes, frozenset())

    def _named(self, module: Bindings, name: str, attributes: tuple[str, ...],
               trail: frozenset[Any]) -> Iterator[CodeName | str]:
        # a cycle: two modules import it from each other, or a package names its own module
        again = (module.module, name) in trail
        trail |= {(module.module, name)}
        pieces = None if again else module.names.get(name)
        if pieces is not None:
            imports = [piece.imported for piece in pieces if piece.imported is not None]
            if len(imports) < len(pieces):
                yield CodeName(module.module, name, component=True)
            else:
                for imported in imports:
                    yield from self._follow(module, imported, attributes, trail)
            return
        for star in () if again else module.stars:
            yield from self._from(self._absolute(module, star), name, attributes, trail)
        if self._module(f"{module.module}.{name}") is not None:
            yield from self._in(f"{module.module}.{name}", attributes, trail)
        elif "__getattr__" in module.names and len(trail) > 1:
            yield CodeName(module.module, "__getattr__")
        elif not again:
            yield from self._typed(value_of(module.module, name), attributes, trail)

    def _typed(self, value: Any, attributes: tuple[str, ...],
               trail: frozenset[Any]) -> Iterator[CodeName | str]:
        """The targets of a notebook's name that no readable cell defines."""
        if isinstance(value, ModuleType):
            yield from self._in(value.__name__, attributes, trail)
        elif isinstance(getattr(value, "__module__", None), str) and hasattr(value, "__qualname__"):
            yield from self._from(value.__module__, value.__qualname__.partition(".")[0], (), trail)
        elif value is not MISSING:
            yield fingerprint(value)

    def _follow(self, module: Bindings, imported: Imported, attributes: tuple[str, ...],
                trail: frozenset[Any]) -> Iterator[CodeName | str]:
        name = self._absolute(module, imported)
        if imported.attribute is None:
            yield from self._in(name, attributes, trail)
        else:
            yield from self._from(name, imported.attribute, attributes, trail)

    def _from(self, module: str, name: str, attributes: tuple[str, ...],
              trail: frozenset[Any]) -> Iterator[CodeName | str]:
        """The targets of `from module import name`."""
        found = self._module(module)
        if found is not None:
            yield from self._named(found, name, attributes, trail)
        elif self._module(f"{module}.{name}") is not None:         # in a package without an `__init__` file
            yield from self._in(f"{module}.{name}", attributes, trail)
        else:
            yield f"{EXTERNAL}{module}.{name}"

    def _in(self, module: str, attributes: tuple[str, ...],
            trail: frozenset[Any]) -> Iterator[CodeName | str]:
        """The targets of `module.attribute`, or of the whole module."""
        found = self._module(module)
        if found is not None and attributes:
            yield from self._named(found, attributes[0], attributes[1:], trail)
        elif found is not None:
            yield from (CodeName(module, name) for name in found.names)
        elif attributes and self.modules.is_package(module):
            yield from self._in(f"{module}.{attributes[0]}", attributes[1:], trail)
        else:
            yield f"{EXTERNAL}{module}"

    def _absolute(self, module: Bindings, imported: Imported) -> str:
        if not imported.level:
            return imported.module
        parts = module.package.split(".")
        above = parts[:len(parts) - imported.level + 1]
        return ".".join([*above, *([imported.module] if imported.module else [])])

    # -- visited modules and files ---------------------------------------------------------------------------

    def _module(self, name: str) -> Bindings | None:
        if name not in self._seen:
            self._seen[name] = self.modules.find(name)
        return self._seen[name]

    def _reads_cells(self) -> bool:
        return any(found is not None and self.modules.file(name) is None
                   for name, found in self._seen.items())

    def _files(self) -> tuple[tuple[str, FileStamp | None], ...]:
        files = {file for name, found in self._seen.items() if found is not None
                 for file in [self.modules.file(name)] if file is not None}
        return tuple((file, stamp_at(file)) for file in sorted(files))


def _plain(target: CodeName | str) -> CodeName | str:
    return target if isinstance(target, str) else CodeName(target.module, target.name)


SECTION = "components"
HOOKS = ("hyperspace_execute", "hyperspace_load_data", "hyperspace_preprocess", "hyperspace_build_model",
         "hyperspace_train", "hyperspace_score", "hyperspace_seed")

DescribedCode = dict[str, str]

_made: WeakKeyDictionary[Extensions, _Fingerprints] = WeakKeyDictionary()


def component_fingerprints(project: Project, scenario: Mapping[str, Any],
                           config: Mapping[str, Any]) -> dict[str, DescribedCode]:
    """Path in the completed trees → class, module and fingerprint.
    The scenario's own are below `scenario`, the project's hooks under `hook:<name>`.
    """
    return _fingerprints(project, project.components_of(dict(scenario), config))


def components_section(project: Project, components: Mapping[str, Entry]) -> Section | Absent:
    """The fingerprints of components, by path, as a section; an error becomes its reason."""
    try:
        return Section(SECTION, dict(_fingerprints(project, components)))
    except Exception as error:  # noqa: BLE001 - must not stop the run
        return Absent(SECTION, f"{type(error).__name__}: {error}")


def _fingerprints(project: Project, components: Mapping[str, Entry]) -> dict[str, DescribedCode]:
    known = _of(project)
    found = {path: known.described(entry.name, entry.target) for path, entry in components.items()}
    return found | known.hooks(project)


def function_fingerprint(project: Project, function: Any) -> str:
    """The fingerprint of a top-level function; "" where its source is missing."""
    known, node = _of(project), _node(function, component=False)
    if _is_external(known.modules, function):
        return f"{EXTERNAL}{node.module}.{node.name}"
    return known.reached(function, [node]) if Reach(known.modules).has(node) else ""


def covered_names(project: Project) -> frozenset[tuple[str, str]]:
    """The modules' names, as (module, name), whose code is in the fingerprint of a component or hook."""
    known = _of(project)
    prepare_fingerprints(project)
    return frozenset(name for reached in known.reached_ones() for name in reached.names)


def prepare_fingerprints(project: Project) -> None:
    """Compute the fingerprints of all components, so that forks inherit them."""
    known = _of(project)
    for entry in project.registry.entries():
        known.described(entry.name, entry.target)
    known.hooks(project)


def _of(project: Project) -> _Fingerprints:
    known = _made.get(project.extensions)
    if known is None:
        known = _made[project.extensions] = _Fingerprints()
        known.modules.cover({unit.name for unit in code_units(project)})
    return known


class _Fingerprints:
    """Cache of fingerprints, valid while the files are unchanged."""

    def __init__(self) -> None:
        self.modules = Modules()
        self._reached: dict[Any, Reached] = {}

    def described(self, name: str, target: Any) -> DescribedCode:
        module = _module(target.func if isinstance(target, partial) else target)
        return {"class": name, "module": module} | self._fingerprint(target)

    def hooks(self, project: Project) -> dict[str, DescribedCode]:
        """The hooks that the project's own code implements."""
        found: dict[str, DescribedCode] = {}
        for hook in HOOKS:
            every = getattr(project.extensions.manager.hook, hook).get_hookimpls()
            functions = [one.function for one in every
                         if _module(one.function).partition(".")[0] in project.packages]
            if functions:
                roots = [_node(function, component=False) for function in functions]
                found[f"hook:{hook}"] = {
                    "class": ", ".join(sorted(function.__qualname__ for function in functions)),
                    "module": ", ".join(sorted({_module(function) for function in functions})),
                    "fingerprint": self.reached(tuple(roots), roots)}
        return found

    def _fingerprint(self, target: Any) -> DescribedCode:
        if isinstance(target, partial):            # its bound arguments are part of the code
            found = self._fingerprint(target.func)
            bound = fingerprint((found["fingerprint"], target.args, target.keywords))
            return found | {"fingerprint": bound.removeprefix("partial:")}
        node = _node(target, component=True)
        if _is_external(self.modules, target):
            return {"fingerprint": f"{EXTERNAL}{node.module}.{getattr(target, '__qualname__', node.name)}"}
        note = "its source was not found"
        try:
            if Reach(self.modules).has(node):
                roots = [node, *self._held(target)]
                defaults = _unheld(target)
                return {"fingerprint": self.reached(target, roots, held_names(target))} | (
                    {"defaults": defaults} if defaults else {})
        except RecursionError:
            note = "its source is nested too deeply to be read"
        return {"fingerprint": f"unread:{node.module}.{node.name}", "note": note}

    def _held(self, target: Any) -> Iterator[CodeName]:
        """The project's dataclasses and enums among the parameters."""
        for held in _held_by(target):
            if not _is_external(self.modules, held):
                yield _node(held, component=True)

    def reached_ones(self) -> list[Reached]:
        return list(self._reached.values())

    def reached(self, key: Any, roots: Iterable[CodeName], held: HeldNames | None = None) -> str:
        known = self._reached.get(key)
        if known is None or known.typed or any(stamp_at(file) != stamp for file, stamp in known.files):
            known = self._reached[key] = Reach(self.modules, held or {}).of(roots)
        return known.fingerprint


def _module(target: Any) -> str:
    return str(getattr(target, "__module__", "") or "")


def _node(target: Any, *, component: bool) -> CodeName:
    name = getattr(target, "__qualname__", type(target).__qualname__)
    return CodeName(_module(target), name.partition(".")[0], component)


def _is_external(modules: Modules, target: Any) -> bool:
    return not modules.is_own(_module(target))


# -- The defaults of a component that a config holds, and the others --

@lru_cache(maxsize=4096)
def held_names(target: Any) -> HeldNames:
    """The parameters of a component, its bases and nested records whose defaults are in a config.

    A base's constructor that is called without an argument has a default that no config holds.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for one in (target, *_held_by(target)):
        for method, signature in signatures_of(one).items():
            for parameter in signature.parameters:
                if parameter.required or default_tree(parameter, parameter.name) is not MISSING:
                    # a function of a module may be a scenario's `single_run`
                    alone = set() if method == "__init__" else {parameter.name}
                    names = {f"{method}.{parameter.name}"} | alone
                    for owner in _owners(one, parameter):
                        found.setdefault(_key(owner), set()).update(names)
    return {owner: frozenset(names) for owner, names in found.items()}


def _key(target: Any) -> tuple[str, str]:
    node = _node(target, component=True)
    return node.module, node.name


def _owners(target: Any, parameter: Parameter) -> Iterator[Any]:
    """The classes whose code may give the default: of a generated constructor, each class with fields."""
    origin = parameter.origin or target
    yield origin
    if isinstance(origin, type) and "__dataclass_params__" in vars(origin):
        yield from (base for base in origin.__mro__[1:] if "__dataclass_fields__" in vars(base))


@lru_cache(maxsize=4096)
def _unheld(target: Any) -> str:
    """The defaults that only the code has, as text; empty without any."""
    held = held_names(target)
    texts = []
    for owner in target.__mro__ if isinstance(target, type) else ():
        names = held.get(_key(owner), NONE)
        methods = {} if _module(owner).startswith(CORE) else {
            name: vars(owner)[name] for name in ("__init__", "single_run") if name in vars(owner)}
        for method, function in methods.items():
            with contextlib.suppress(TypeError, ValueError):       # written in C
                texts += [f"{owner.__name__}.{one.name} = "
                          f"{repr(one.default) if is_json(one.default) else shown(one.default)}"
                          for one in inspect.signature(function).parameters.values()
                          if one.default is not one.empty and f"{method}.{one.name}" not in names]
    return ", ".join(texts)


@lru_cache(maxsize=4096)
def _held_by(target: Any) -> list[type]:
    found: dict[type, None] = {}
    waiting = [parameter.kind for signature in signatures_of(target).values()
               for parameter in signature.parameters]
    while waiting:
        for held in _types_in(waiting.pop()):
            if held not in found:
                found[held] = None
                is_nested = hasattr(held, "__dataclass_fields__")
                waiting += [one.kind for one in signature_of(held).parameters] if is_nested else []
    return sorted(found, key=lambda one: (one.__module__, one.__qualname__))


def _types_in(kind: types.Kind) -> list[type]:
    return [one.target if isinstance(one, types.Nested) else one.type
            for one in types.kinds_within(kind) if isinstance(one, types.Nested | types.EnumOf)]
