"""Grids: configs with alternatives; counted first, then expanded lazily.

A list means alternatives where the parameter's type is not itself a sequence; `{"each": [a, b]}` means
alternatives anywhere. A section with `each` and more keys (or with a list of class names) offers classes, and
each class takes the other keys that are its parameters: `{"each": ["Forest", "Support"], "trees": [50, 100]}`
is three configs.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hyperspace_core.config import tree as trees, types
from hyperspace_core.config.jsonfile import parse_value
from hyperspace_core.config.registry import Registry, fits
from hyperspace_core.config.signature import Parameter, Signature, signature_of
from hyperspace_core.config.tree import CLASS_NAME, EACH, Tree, join, match_key, merge, shown
from hyperspace_core.errors import ConfigError, did_you_mean
from hyperspace_core.ranges import each

# -- Sums and products of values: counted without expansion, expanded lazily --

@dataclass(frozen=True)
class Leaf:
    value: Any
    size: int = 1

    def configs(self) -> Iterator[Any]:
        yield self.value


@dataclass(frozen=True)
class Sum:
    """Alternatives, one after the other."""

    nodes: tuple[Node, ...]

    @property
    def size(self) -> int:
        return sum(node.size for node in self.nodes)

    def configs(self) -> Iterator[Any]:
        for node in self.nodes:
            yield from node.configs()


@dataclass(frozen=True)
class Product:
    """All combinations of the items of a section, or of a list (`keys` is None)."""

    keys: tuple[Any, ...] | None
    nodes: tuple[Node, ...]

    @property
    def size(self) -> int:
        return math.prod(node.size for node in self.nodes)

    def configs(self) -> Iterator[Any]:
        for values in self._combinations(0):
            yield values if self.keys is None else dict(zip(self.keys, values, strict=True))

    def _combinations(self, index: int) -> Iterator[list[Any]]:
        if index == len(self.nodes):
            yield []
            return
        for value in self.nodes[index].configs():
            for rest in self._combinations(index + 1):
                yield [value, *rest]


Node = Leaf | Sum | Product


def grid_size(grid: Mapping[str, Any], signature: Signature, registry: Registry) -> int:
    """The number of configs that `iter_grid` gives. Raises `ConfigError` like it."""
    return _node(grid, signature, registry).size


def iter_grid(grid: Mapping[str, Any], signature: Signature, registry: Registry) -> Iterator[Tree]:
    """Iterate over all combinations, not yet completed; the first key varies slowest.

    Raises `ConfigError` for an empty list of alternatives, at once and not in the middle.
    """
    node = _node(grid, signature, registry)
    return (copy.deepcopy(config) for config in node.configs())


def _node(grid: Mapping[str, Any], signature: Signature, registry: Registry) -> Node:
    if not isinstance(grid, Mapping):
        raise ConfigError(f"grid: expected a dict of hyper-parameters, found {type(grid).__name__}")
    deep = trees.too_deep(grid)
    if deep is not None:
        raise ConfigError(f"grid: nested deeper than 64 levels at {deep}")
    if EACH in grid and EACH not in signature.by_name:
        raise ConfigError("grid: `each` needs a parameter before it, as in `classifier.each`")
    return _Reading(registry).section(grid, signature, None, "")


@dataclass(frozen=True)
class _Reading:
    """Reads a grid by its parameters' types; completion refuses what fits no type."""

    registry: Registry

    def section(self, grid: Mapping[str, Any], signature: Signature | None, base: Any, path: str) -> Node:
        """The product of a section's keys; `base` is the default it changes, as a tree."""
        nodes = []
        known = {} if signature is None else signature.by_name
        for key, value in grid.items():
            parameter = known.get(match_key(key, known) or "") if isinstance(key, str) else None
            if parameter is None:
                nodes.append(Leaf(value) if key == CLASS_NAME else self.untyped(value, join(path, key)))
            else:
                default = self.default(parameter, base)
                nodes.append(self.value(value, parameter.kind, default, join(path, key)))
        return Product(tuple(grid), tuple(nodes))

    def value(self, value: Any, kind: types.Kind, base: Any, path: str) -> Node:
        if isinstance(value, Mapping):
            return self.mapping(value, kind, base, path)
        if not isinstance(value, list | tuple):
            return Leaf(value)
        if types.is_sequence(kind, base):
            return self.sequence(value, kind, path)
        return self.alternatives(value, kind, base, path)

    def alternatives(self, values: Any, kind: types.Kind, base: Any, path: str) -> Node:
        if not isinstance(values, list | tuple):
            raise ConfigError(f"`{join(path, EACH)}`: expected a list of alternatives, found {values!r}")
        if not values:
            raise ConfigError(f"`{path}`: an empty list of alternatives leaves nothing to run")
        # inside alternatives, a list can only be a value
        return Sum(tuple(self.sequence(value, kind, path) if isinstance(value, list | tuple) else
                         self.value(value, kind, base, path) for value in values))

    def sequence(self, values: list[Any] | tuple[Any, ...], kind: types.Kind, path: str) -> Node:
        """A list that is a value; its items may be sections with alternatives in them."""
        inner = _member(kind, list(values), self.registry)
        kinds: tuple[types.Kind, ...] = ()
        if isinstance(inner, types.ListOf | types.TupleOf):
            kinds = types.item_kinds(inner, len(values))
        if len(kinds) != len(values):
            kinds = (types.AnyValue(),) * len(values)
        nodes = []
        for index, (value, item) in enumerate(zip(values, kinds, strict=True)):
            here = join(path, index)
            if isinstance(value, list | tuple):
                if not types.is_sequence(item) and not isinstance(item, types.AnyValue):
                    raise ConfigError(f"`{here}`: a list inside a list; alternatives of a list parameter "
                                      'are written {"each": [[…], […]]}')
                nodes.append(self.sequence(value, item, here))
            else:
                nodes.append(self.value(value, item, None, here))
        return Product(None, tuple(nodes))

    def mapping(self, value: Mapping[str, Any], kind: types.Kind, base: Any, path: str) -> Node:
        if set(value) == {EACH}:
            return self.alternatives(value[EACH], kind, base, path)
        family = types.component_kind(kind)
        if family is None:
            return self.plain_mapping(value, _member(kind, dict(value), self.registry), base, path)
        offered = value.get(CLASS_NAME, value.get(EACH))
        if isinstance(offered, list | tuple):
            rest = {key: inner for key, inner in value.items() if key not in (CLASS_NAME, EACH)}
            return self.classes(offered, rest, family, base, path)
        if CLASS_NAME not in value and any(isinstance(one, types.RawDict | types.DictOf)
                                           for one in types.alternatives(kind)):
            return self.untyped(value, path)               # a plain dict in the place of a component
        kept = base if isinstance(base, dict) and value.get(CLASS_NAME, base.get(CLASS_NAME)) == base.get(
            CLASS_NAME) else None
        return self.section(value, self.signature_for(value, family, base), kept, path)

    def plain_mapping(self, value: Mapping[str, Any], kind: types.Kind | None, base: Any, path: str) -> Node:
        match kind:
            case types.Nested(target=target) | types.LazyOf(kind=types.Nested(target=target)):
                return self.section(value, signature_of(target), base, path)
            case types.DictOf(item=item):
                bases = base if isinstance(base, dict) else {}
                return Product(tuple(value), tuple(
                    self.value(inner, item, bases.get(key), join(path, key)) for key, inner in value.items()))
            case _:
                return self.untyped(value, path)

    def untyped(self, value: Any, path: str) -> Node:
        """A value of unknown type: only `each` marks alternatives."""
        if isinstance(value, Mapping):
            if set(value) == {EACH} and isinstance(value[EACH], list | tuple):
                return self.alternatives(value[EACH], types.RawDict(), None, path)
            return Product(tuple(value), tuple(self.untyped(v, join(path, k)) for k, v in value.items()))
        if isinstance(value, list | tuple):
            return Product(None, tuple(self.untyped(v, join(path, i)) for i, v in enumerate(value)))
        return Leaf(value)

    def classes(self, offered: Any, rest: Tree, family: types.FamilyKind, base: Any, path: str) -> Node:
        """Alternative components; each takes the other keys that are its parameters."""
        if not offered:
            raise ConfigError(f"`{path}`: an empty list of alternatives leaves nothing to run")
        used: set[str] = set()
        known: set[str] = set()
        nodes = []
        for one in offered:
            own = dict(one) if isinstance(one, Mapping) else {CLASS_NAME: one}
            signature = self.signature_for(own, family, base)
            names = signature.by_name if signature is not None else {}
            shared = {key: value for key, value in rest.items() if match_key(key, names) and key not in own}
            used |= set(shared)
            known |= set(names)
            bare = not isinstance(one, Mapping) and not shared
            nodes.append(Leaf(one) if bare else self.value(own | shared, family, base, path))
        unused = next((key for key in rest if key not in used), None)
        if unused is not None:
            raise ConfigError(f"`{join(path, unused)}`: none of the alternatives has such a parameter"
                              f"{did_you_mean(unused, known)}")
        return Sum(tuple(nodes))

    def signature_for(self, section: Mapping[str, Any], family: types.FamilyKind,
                      base: Any) -> Signature | None:
        name = section.get(CLASS_NAME) or (base.get(CLASS_NAME) if isinstance(base, dict) else None)
        name = name or family.base.__name__
        entry = self.registry.get(family.family, name, below=family.base)
        return None if entry is None else signature_of(entry.target)

    def default(self, parameter: Parameter, base: Any) -> Any:
        if isinstance(base, dict) and parameter.name in base:
            return base[parameter.name]
        tree = self.registry.default_of(parameter)
        return None if tree is trees.MISSING else tree


def _member(kind: types.Kind, value: Any, registry: Registry) -> types.Kind | None:
    """The kind inside Optional, or a union's first member that takes such a value."""
    match kind:
        case types.OptionalOf(kind=inner):
            return _member(inner, value, registry)
        case types.UnionOf(kinds=kinds):
            fitting = next((inner for inner in kinds if fits(inner, value, registry)), None)
            lists, sections = (types.ListOf, types.TupleOf), (types.Nested, types.DictOf, types.RawDict)
            wanted = lists if isinstance(value, list) else sections
            return fitting or next((inner for inner in kinds if isinstance(inner, wanted)), None)
        case _:
            return kind


# -- Read config overrides of a command line: `trees=200`, `model=Forest,Support` --

_OPENING, _CLOSING = "[{", "]}"


def parse_assignments(texts: Iterable[str]) -> Tree:
    """`["model=Forest", "model.trees=200"]` → a config. Raises `ConfigError`."""
    return _tree(texts, parse_value)


def parse_grid(texts: Iterable[str]) -> Tree:
    """`["classifier=Forest,Support", "lr=[0.1, 0.2]"]` → a grid.

    A comma separates alternatives, but not inside brackets or quotes. A JSON list means alternatives where
    the parameter is not itself a list. `classifier.trees=50,100` applies to classifiers with `trees`.
    Raises `ConfigError`.
    """
    return _tree(texts, _alternatives)


def _alternatives(text: str) -> Any:
    whole = parse_value(text)
    parts = _split(text)
    if whole is not text or len(parts) == 1:                   # JSON, or a single value
        return whole
    if not all(part.strip() for part in parts):
        raise ConfigError(f'{text}: an empty alternative; remove the extra comma, or write "" for no text')
    return each(*(parse_value(part.strip()) for part in parts))


def _split(text: str) -> list[str]:
    """Split a text at its commas, but not inside brackets or double quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for index, letter in enumerate(text):
        if letter == '"' and text[index - 1:index] != "\\":
            quoted = not quoted
        elif quoted:
            continue
        elif letter in _OPENING:
            depth += 1
        elif letter in _CLOSING:
            depth -= 1
        elif letter == "," and depth <= 0:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def _tree(texts: Iterable[str], read: Callable[[str], Any]) -> Tree:
    assigned: dict[tuple[str, ...], Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        path = tuple(part.strip() for part in name.split("."))
        if not equals or not all(path):
            raise ConfigError(f"{text}: expected name=value, as in classifier.trees=200")
        if path in assigned:
            raise ConfigError(f"`{'.'.join(path)}`: given twice; keep one")
        try:
            assigned[path] = read(value)
        except ConfigError as error:
            raise ConfigError(f"`{'.'.join(path)}`: {error}") from None
    tree: Tree = {}
    # a section comes before the values in it, in any order of the arguments
    for path in sorted(assigned, key=len):
        _put(tree, path, assigned[path])
    return {path[0]: tree[path[0]] for path in assigned}   # the order of the command line


def _put(tree: Tree, path: tuple[str, ...], value: Any) -> None:
    *above, last = path
    for depth, key in enumerate(above, 1):
        if isinstance(tree.get(key), list) and path[depth].isdigit():
            change = value
            for step in reversed(path[depth - 1:]):        # an item of a list that was given earlier
                change = {step: change}
            tree[key] = merge({key: tree[key]}, change, path=".".join(path[:depth - 1]), in_grid=True)[key]
            return
        tree = _section(tree, key, ".".join(path[:depth]), ".".join(path))
    if isinstance(tree.get(last), dict) and isinstance(value, dict):
        tree[last] |= value
    else:
        tree[last] = value


def _section(tree: Tree, key: str, path: str, wanted: str) -> Tree:
    inner = tree.setdefault(key, {})
    if isinstance(inner, str) and type(inner) is not trees.Unquoted:
        inner = tree[key] = {CLASS_NAME: inner}            # a component's bare name
    elif isinstance(inner, list):
        inner = tree[key] = {EACH: inner}
    if not isinstance(inner, dict):
        raise ConfigError(f"`{wanted}`: `{path}` is {shown(inner)} here and has nothing inside it")
    return inner
