"""The project code that a class or function depends on, fingerprinted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from hyperspace_core.capture.bindings import Bindings
from hyperspace_core.capture.contents import Stamp
from hyperspace_core.capture.fingerprint import fingerprint
from hyperspace_core.capture.modules import Modules, value_of
from hyperspace_core.capture.names import Imported, Reference
from hyperspace_core.config.tree import MISSING

EXTERNAL = "external:"         # prefix of code outside the project, which is recorded by package version


@dataclass(frozen=True, order=True)
class Node:
    """A top-level name of a module; `component`: its defaults are in the config."""

    module: str
    name: str
    component: bool = False

    def __str__(self) -> str:
        return f"{self.module}.{self.name}{'()' if self.component else ''}"


@dataclass(frozen=True)
class Reached:
    """A fingerprint, and the state of the files that it was computed from."""

    fingerprint: str
    files: tuple[tuple[str, Stamp | None], ...]


@dataclass
class Reach:
    """One walk from given roots along all references."""

    modules: Modules
    _seen: dict[str, Bindings | None] = field(default_factory=dict)

    def of(self, roots: Iterable[Node]) -> Reached:
        """The fingerprint of what the roots reach; each name is visited once."""
        waiting = sorted(set(roots))
        texts: dict[Node, str] = {}
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
        return Reached(f"sha256:{hasher.hexdigest()}", self._files())

    def has(self, node: Node) -> bool:
        module = self._module(node.module)
        return module is not None and node.name in module.names

    def _node(self, node: Node) -> tuple[str, set[Node]]:
        """A name's text with its references, and their targets in the project."""
        module = self._module(node.module)
        if module is None or node.name not in module.names:
            return "?", set()
        code = module.code(node.name, component=node.component)
        lines, targets = [], set()
        for reference in code.references:
            base = node.component and reference in code.bases
            found = set(self._resolve(module, reference, component=base))
            targets |= {one for one in found if isinstance(one, Node)} - {node}
            if found:
                name = ".".join((reference.name, *reference.attributes))
                lines.append(f"{name} = {', '.join(sorted(map(str, found)))}")
        for one in module.names[node.name]:
            if one.imported is not None:           # also defined: `except ImportError: fast = None`
                found = set(self._follow(module, one.imported, (), frozenset(), component=False))
                targets |= {other for other in found if isinstance(other, Node)} - {node}
                lines.append(f"import {', '.join(sorted(map(str, found)))}")
        return "\n".join([code.text, *sorted(lines)]), targets

    # -- targets of names ------------------------------------------------------------------------------------

    def _resolve(self, module: Bindings, reference: Reference, *, component: bool) -> Iterator[Node | str]:
        if reference.imported is not None:
            yield from self._follow(module, reference.imported, reference.attributes, frozenset(),
                                    component=component)
        else:
            yield from self._named(module, reference.name, reference.attributes, frozenset(),
                                   component=component)

    def _named(self, module: Bindings, name: str, attributes: tuple[str, ...], trail: frozenset[Any], *,
               component: bool) -> Iterator[Node | str]:
        """The targets of a name in a module."""
        # a cycle: two modules import it from each other, or a package names its own module
        again = (module.module, name) in trail
        trail |= {(module.module, name)}
        pieces = None if again else module.names.get(name)
        if pieces is not None:
            imports = [piece.imported for piece in pieces if piece.imported is not None]
            if len(imports) < len(pieces):
                yield Node(module.module, name, component)
            else:
                for imported in imports:
                    yield from self._follow(module, imported, attributes, trail, component=component)
            return
        for star in () if again else module.stars:
            yield from self._from(self._absolute(module, star), name, attributes, trail, component=component)
        if self._module(f"{module.module}.{name}") is not None:
            yield from self._in(f"{module.module}.{name}", attributes, trail, component=component)
        elif "__getattr__" in module.names and len(trail) > 1:
            yield Node(module.module, "__getattr__")
        elif not again:
            yield from self._typed(value_of(module.module, name), attributes, trail, component=component)

    def _typed(self, value: Any, attributes: tuple[str, ...], trail: frozenset[Any], *,
               component: bool) -> Iterator[Node | str]:
        """The targets of a notebook's name that no readable cell defines."""
        if isinstance(value, ModuleType):
            yield from self._in(value.__name__, attributes, trail, component=component)
        elif isinstance(getattr(value, "__module__", None), str) and hasattr(value, "__qualname__"):
            yield from self._from(value.__module__, value.__qualname__.partition(".")[0], (), trail,
                                  component=component)
        elif value is not MISSING:
            yield fingerprint(value)

    def _follow(self, module: Bindings, imported: Imported, attributes: tuple[str, ...],
                trail: frozenset[Any], *, component: bool) -> Iterator[Node | str]:
        name = self._absolute(module, imported)
        if imported.attribute is None:
            yield from self._in(name, attributes, trail, component=component)
        else:
            yield from self._from(name, imported.attribute, attributes, trail, component=component)

    def _from(self, module: str, name: str, attributes: tuple[str, ...], trail: frozenset[Any], *,
              component: bool) -> Iterator[Node | str]:
        """The targets of `from module import name`."""
        found = self._module(module)
        if found is not None:
            yield from self._named(found, name, attributes, trail, component=component)
        elif self._module(f"{module}.{name}") is not None:         # in a package without an `__init__` file
            yield from self._in(f"{module}.{name}", attributes, trail, component=component)
        else:
            yield f"{EXTERNAL}{module}.{name}"

    def _in(self, module: str, attributes: tuple[str, ...], trail: frozenset[Any], *,
            component: bool) -> Iterator[Node | str]:
        """The targets of `module.attribute`, or of the whole module."""
        found = self._module(module)
        if found is not None and attributes:
            yield from self._named(found, attributes[0], attributes[1:], trail, component=component)
        elif found is not None:
            yield from (Node(module, name) for name in found.names)
        elif attributes and self.modules.is_package(module):
            yield from self._in(f"{module}.{attributes[0]}", attributes[1:], trail, component=component)
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

    def _files(self) -> tuple[tuple[str, Stamp | None], ...]:
        files = {file for name, found in self._seen.items() if found is not None
                 for file in [self.modules.file(name)] if file is not None}
        return tuple((file, self.modules.stamp(file)) for file in sorted(files))
