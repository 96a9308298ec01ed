"""Convert an assignment to its config, and the config of a past run back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hyperspace_core.config.dimensions import SWITCH, Assignment, Dimension, Entry, Fixed, Shape, holds
from hyperspace_core.config.tree import CLASS_NAME, MISSING, Tree, canonical, copied, join, shown
from hyperspace_core.config.walk import range_text
from hyperspace_core.ranges import Float

Reason = Literal["range", "class", "fixed", "missing", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Outside:
    """One value of a config that the space does not have."""

    path: str
    value: Any                     # `MISSING` where the config lacks the parameter
    reason: Reason
    expected: str = ""

    @property
    def text(self) -> str:
        if self.reason == "missing":
            return f"`{self.path}`: missing"
        if self.reason == "unknown":
            return f"`{self.path}`: {shown(self.value)}, the current classes have no such parameter"
        return f"`{self.path}`: {shown(self.value)}, the space has {self.expected}"


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The assignment of a config; it is complete only where `outside` is empty."""

    assignment: Assignment
    outside: tuple[Outside, ...] = ()

    @property
    def inside(self) -> bool:
        return not self.outside


def class_path(path: str) -> bool:
    """Whether a path is that of a `className`."""
    return path.rpartition(".")[2] == CLASS_NAME


def written(entries: Iterable[Entry], assignment: Mapping[str, Any]) -> Tree:
    """The config with fixed values and assignment written in; not yet completed."""
    tree: Tree = {}
    for entry in entries:
        if not holds(entry.when, assignment):
            continue
        if isinstance(entry, Shape):
            shape = [None] * entry.items if isinstance(entry.items, int) else dict.fromkeys(entry.items)
            _put(tree, entry.path, shape)
            continue
        value = entry.value if isinstance(entry, Fixed) else assignment[entry.path]
        if entry.path.endswith(SWITCH):
            _put(tree, entry.path.removesuffix(SWITCH), {} if value else None)
        elif value is None and class_path(entry.path):
            _put(tree, entry.path.rpartition(".")[0], None)
        else:
            _put(tree, entry.path, copied(value))
    return tree


def _put(tree: Tree, path: str, value: Any) -> None:
    *above, last = path.split(".")
    node: Any = tree
    for key in above:
        at: Any = int(key) if isinstance(node, list) else key
        if isinstance(node, list) or key in node:
            node[at] = {} if node[at] is None else node[at]
        else:
            node[at] = {}
        node = node[at]
    node[int(last) if isinstance(node, list) else last] = value


def placed(entries: Iterable[Entry], config: Mapping[str, Any]) -> Placed:
    """Look up each entry's value in the config; find values the space lacks."""
    placing = _Placing(config)
    for entry in entries:
        if holds(entry.when, placing.assignment):
            placing.entry(entry)
    placing.outside += _rest(config, "", placing.seen)
    return Placed(assignment=placing.assignment, outside=tuple(placing.outside))


class _Placing:
    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.assignment: Assignment = {}
        self.outside: list[Outside] = []
        self.seen: set[str] = set()
        self.broken: tuple[str, ...] = ()      # paths below these are not compared

    def entry(self, entry: Entry) -> None:
        path = entry.path.removesuffix(SWITCH)
        if self.broken and path.startswith(self.broken):
            return
        value = self._class_at(entry) if class_path(path) else value_at(self.config, path)
        opened = isinstance(entry, Shape) or (entry.path.endswith(SWITCH) and value is not None)
        if not opened or value is MISSING:
            self.seen.add(path)
        if value is MISSING:
            self._out(path, value, "missing", "")
        elif isinstance(entry, Dimension):
            self._dimension(entry, value)
        elif isinstance(entry, Fixed):
            if not _same(value, entry.value):
                self._out(path, value, "class" if class_path(path) else "fixed", f"only {shown(entry.value)}")
        else:
            self._shape(entry, value)

    def _dimension(self, entry: Dimension, value: Any) -> None:
        if entry.path.endswith(SWITCH):
            value = value is not None
        if not entry.range.contains(value):
            self._out(entry.path, value, "class" if class_path(entry.path) else "range",
                      range_text(entry.range))
        else:
            self.assignment[entry.path] = float(value) if isinstance(entry.range, Float) else value

    def _shape(self, entry: Shape, value: Any) -> None:
        if isinstance(entry.items, int):
            fits = isinstance(value, list | tuple) and len(value) == entry.items
            expected = f"a list of {entry.items}"
        else:
            fits = isinstance(value, Mapping) and set(value) == set(entry.items)
            expected = f"the keys {', '.join(entry.items)}"
        if not fits:
            self._out(entry.path, value, "fixed", expected)

    def _class_at(self, entry: Entry) -> Any:
        """The current name of the class; None where there is no component."""
        section = value_at(self.config, entry.path.rpartition(".")[0])
        if section is None:
            self.seen.add(entry.path.rpartition(".")[0])
        name = section.get(CLASS_NAME, MISSING) if isinstance(section, Mapping) else section
        aliases = {} if isinstance(entry, Shape) else entry.aliases
        return aliases.get(name, name) if isinstance(name, str) else name

    def _out(self, path: str, value: Any, reason: Reason, expected: str) -> None:
        self.outside.append(Outside(path=path, value=value, reason=reason, expected=expected))
        # parameters of a class that is reported already are not reported again
        here = path.rpartition(".")[0] if class_path(path) else path
        self.seen.add(here)
        self.broken = (*self.broken, f"{here}.")


def value_at(config: Any, path: str) -> Any:
    for key in path.split("."):
        if isinstance(config, Mapping):
            config = config.get(key, MISSING)
        elif isinstance(config, list | tuple) and key.isdigit() and int(key) < len(config):
            config = config[int(key)]
        else:
            return MISSING
    return config


def _same(one: Any, other: Any) -> bool:
    if type(one) is type(other) and one == other and not isinstance(one, list | dict):
        return True
    return canonical(one) == canonical(other)


def _rest(value: Any, path: str, seen: set[str]) -> Iterator[Outside]:
    if path in seen:
        return
    if isinstance(value, Mapping) and (value or not path):
        for key, inner in value.items():
            yield from _rest(inner, join(path, key), seen)
    elif isinstance(value, list | tuple) and value:
        for index, inner in enumerate(value):
            yield from _rest(inner, join(path, index), seen)
    elif path and value != {}:
        yield Outside(path=path, value=value, reason="unknown")
