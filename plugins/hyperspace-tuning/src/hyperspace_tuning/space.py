"""A search space: a list of dimensions, each with the choices that it depends on.

A family is a dimension `classifier.className` whose values are class names. The parameters of a class are
dimensions that are active only where their class is chosen. Parents come before their children. An
*assignment* gives every active dimension a value by dotted path, and has no other keys:
`{"classifier.className": "Forest", "classifier.trees": 200}`. `from_signature` builds a space.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from hyperspace_core.errors import ConfigError, did_you_mean
from hyperspace_core.plugin import Tree, range_text, trees
from hyperspace_core.ranges import Choice, Float, Int, Range

# -- Entries ------------------------------------------------------------------------------------------------

SWITCH = "?"                   # `max_depth?` says whether `max_depth` has a value or is None

Assignment = dict[str, Any]
Conditions = tuple[tuple[str, Any], ...]       # (path, value) of each required choice


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One value that is searched."""

    path: str                      # in a config; parameters of two classes may share one
    key: str                       # unique: `classifier[Forest].trees`
    range: Range
    default: Any = trees.MISSING         # lies in the range; `MISSING` where the signature has none
    when: Conditions = ()          # the dimension is active where all of them hold; outermost first
    source: str = ""               # where it was declared: `Forest.trees`, `space=`
    aliases: Mapping[str, str] = field(default_factory=dict)       # of classes: former name → current name


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """One fixed value: a parameter without a range, or one fixed by `space=`."""

    path: str
    key: str
    value: Any
    when: Conditions = ()
    source: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The length of a list, or the keys of a dict, in which values are searched."""

    path: str
    key: str
    items: int | tuple[str, ...]
    when: Conditions = ()
    source: str = ""


Entry = Dimension | Fixed | Shape


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A class that is not searched, and the reason."""

    path: str
    name: str
    reason: str


def holds(when: Conditions, assignment: Mapping[str, Any]) -> bool:
    """Whether the assignment makes all of these choices."""
    return all(path in assignment and assignment[path] == value for path, value in when)


def identity(assignment: Mapping[str, Any]) -> Any:
    """A hashable key, the same for equal assignments only: 1, 1.0 and True differ."""
    return tuple(sorted((path, type(value).__name__, _hashable(value)) for path, value in assignment.items()))


def _hashable(value: Any) -> str:
    return trees.canonical(value) if isinstance(value, list | dict) else repr(value)


def values_in(range_: Range) -> float:
    """The number of values in a range."""
    if isinstance(range_, Choice):
        return len(range_.values)
    if range_.low == range_.high:
        return 1
    if range_.step is None:
        return math.inf
    # rounding must not add or remove a value where a float's step does not divide the range exactly
    slack = 1e-9 if isinstance(range_, Float) else 0
    return math.floor((range_.high - range_.low) / range_.step + slack) + 1


def nearest_value(range_: Int | Float, value: float) -> Any:
    """The nearest value in the range."""
    if range_.step is not None:
        last = int(values_in(range_)) - 1
        index = min(max(round((value - range_.low) / range_.step), 0), last)
        value = range_.low + index * range_.step
    value = min(max(value, range_.low), range_.high)
    return int(value) if isinstance(range_, Int) else float(value)


# -- A space for display ------------------------------------------------------------------------------------

@dataclass(frozen=True, kw_only=True)
class Outline:
    """A line of the tree: a searched or fixed parameter, or a class (no `source`).

    `default` and `value` are `MISSING` where there is none.
    """

    name: str                      # relative to the line above it
    path: str
    searched: bool
    text: str = ""                 # `10 to 1000, log`
    range: Range | None = None
    default: Any = trees.MISSING
    value: Any = trees.MISSING           # the fixed value
    source: str = ""
    children: tuple[Outline, ...] = ()


_Below = Mapping[Conditions, list[Entry]]


def outline_of(entries: Sequence[Entry]) -> tuple[Outline, ...]:
    """The lines of a space, those below a choice as its children."""
    below: dict[Conditions, list[Entry]] = {}
    for entry in entries:
        below.setdefault(entry.when, []).append(entry)
    return _lines((), "", below)


def _lines(when: Conditions, above: str, below: _Below) -> tuple[Outline, ...]:
    return tuple(_line(entry, above, below) for entry in below.get(when, ()) if not isinstance(entry, Shape))


def _line(entry: Dimension | Fixed, above: str, below: _Below) -> Outline:
    path = entry.path.removesuffix(SWITCH).removesuffix(f".{trees.CLASS_NAME}")
    line = Outline(name=path.removeprefix(f"{above}.") if above else path, path=path,
                   searched=isinstance(entry, Dimension), source=entry.source)
    if isinstance(entry, Fixed):
        return replace(line, value=entry.value)
    line = replace(line, text=range_text(entry.range), range=entry.range, default=entry.default)
    if entry.path.endswith(SWITCH):
        return _switch(entry, line, below)
    return replace(line, children=_classes(entry, path, below))


def _switch(entry: Dimension, line: Outline, below: _Below) -> Outline:
    """One line for an optional number; an optional section has lines below it."""
    inside = (*entry.when, (entry.path, True))
    default = None if entry.default is False else trees.MISSING
    for one in below.get(inside, ()):
        if one.path == line.path and not isinstance(one, Shape):
            inner = _line(one, "", below)
            text = inner.text or str(inner.value)
            return replace(line, text=f"{text}, or None", range=inner.range,
                           default=inner.default if default is trees.MISSING else None)
    return replace(line, text="present, or None", range=None, default=default,
                   children=_lines(inside, line.path, below))


def _classes(entry: Dimension, path: str, below: _Below) -> tuple[Outline, ...]:
    if not isinstance(entry.range, Choice) or not entry.path.endswith(f".{trees.CLASS_NAME}"):
        return ()
    return tuple(Outline(name=str(value), path=path, searched=False,
                         children=_lines((*entry.when, (entry.path, value)), path, below))
                 for value in entry.range.values)


# -- From an assignment to a config, and back ---------------------------------------------------------------

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
            return f"`{self.path}`: {trees.shown(self.value)}, the current classes have no such parameter"
        return f"`{self.path}`: {trees.shown(self.value)}, the space has {self.expected}"


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The assignment of a config; it is complete only where `outside` is empty."""

    assignment: Assignment
    outside: tuple[Outside, ...] = ()

    @property
    def inside(self) -> bool:
        return not self.outside


def class_path(path: str) -> bool:
    """Whether a path is that of a `className`."""
    return path.rpartition(".")[2] == trees.CLASS_NAME


def partial_config(entries: Iterable[Entry], assignment: Mapping[str, Any]) -> Tree:
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
            _put(tree, entry.path, trees.copied(value))
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


def placement_of(entries: Iterable[Entry], config: Mapping[str, Any]) -> Placement:
    """Look up each entry's value in the config; find values the space lacks."""
    placing = _Placing(config)
    for entry in entries:
        if holds(entry.when, placing.assignment):
            placing.entry(entry)
    placing.outside += _rest(config, "", placing.seen)
    return Placement(assignment=placing.assignment, outside=tuple(placing.outside))


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
        if not opened or value is trees.MISSING:
            self.seen.add(path)
        if value is trees.MISSING:
            self._out(path, value, "missing", "")
        elif isinstance(entry, Dimension):
            self._dimension(entry, value)
        elif isinstance(entry, Fixed):
            if not _same(value, entry.value):
                self._out(path, value, "class" if class_path(path)
                          else "fixed", f"only {trees.shown(entry.value)}")
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
        name = section.get(trees.CLASS_NAME, trees.MISSING) if isinstance(section, Mapping) else section
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
            config = config.get(key, trees.MISSING)
        elif isinstance(config, list | tuple) and key.isdigit() and int(key) < len(config):
            config = config[int(key)]
        else:
            return trees.MISSING
    return config


def _same(one: Any, other: Any) -> bool:
    if type(one) is type(other) and one == other and not isinstance(one, list | dict):
        return True
    return trees.canonical(one) == trees.canonical(other)


def _rest(value: Any, path: str, seen: set[str]) -> Iterator[Outside]:
    if path in seen:
        return
    if isinstance(value, Mapping) and (value or not path):
        for key, inner in value.items():
            yield from _rest(inner, trees.join(path, key), seen)
    elif isinstance(value, list | tuple) and value:
        for index, inner in enumerate(value):
            yield from _rest(inner, trees.join(path, index), seen)
    elif path and value != {}:
        yield Outside(path=path, value=value, reason="unknown")


# -- The space ----------------------------------------------------------------------------------------------

@dataclass(frozen=True, kw_only=True)
class Space:
    """A search space. A class that is registered later makes another space."""

    entries: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...] = ()
    finish: Callable[[Tree], Tree] = field(default=dict, compare=False, repr=False)
    """Completes the config of an assignment by the signatures that the space was made from."""

    @functools.cached_property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The searched dimensions, parents before their children."""
        return tuple(entry for entry in self.entries if isinstance(entry, Dimension))

    def active(self, assignment: Mapping[str, Any]) -> tuple[Dimension, ...]:
        """The dimensions that are active under the choices of this assignment."""
        return tuple(one for one in self.dimensions if holds(one.when, assignment))

    def walk(self, choose: Callable[[Dimension], Any]) -> Assignment:
        """Build an assignment: `choose` gives each active dimension's value in turn."""
        made: Assignment = {}
        for one in self.dimensions:
            if holds(one.when, made):
                made[one.path] = choose(one)
        return made

    def problems(self, assignment: Mapping[str, Any]) -> tuple[str, ...]:
        """The errors in an assignment, a line each."""
        active = {one.path: one for one in self.active(assignment)}
        found = [f"`{path}`: missing" for path in active if path not in assignment]
        for path, value in assignment.items():
            if path not in active:
                near = did_you_mean(path, active)
                found.append(f"`{path}`: not searched here{near}")
            elif not active[path].range.contains(value):
                found.append(f"`{path}`: {value!r} is outside {active[path].range!r}")
        return tuple(found)

    def contains(self, assignment: Mapping[str, Any]) -> bool:
        """Whether it gives each active dimension a value of its range, and nothing else."""
        return not self.problems(assignment)

    def complete(self, assignment: Mapping[str, Any]) -> Assignment:
        """The assignment with the default of every active dimension that it lacks.

        Raises `ConfigError` for values that the space does not have, and where there is no default.
        """
        filled = self.walk(lambda one: assignment.get(one.path, one.default))
        made = {path: value for path, value in filled.items() if value is not trees.MISSING}
        problems = self.problems({**assignment, **made})
        if problems:
            raise ConfigError(*problems)
        return made

    @functools.cached_property
    def size(self) -> float:
        """The number of assignments; infinite where a real number has no steps."""
        below: dict[Conditions, list[Dimension]] = {}
        for one in self.dimensions:
            below.setdefault(one.when, []).append(one)
        return _size((), below)

    def to_config(self, assignment: Mapping[str, Any]) -> Tree:
        """The completed config of an assignment; missing values get their default.

        Raises `ConfigError` like `complete`.
        """
        return self.finish(partial_config(self.entries, self.complete(assignment)))

    def from_config(self, config: Mapping[str, Any]) -> Placement:
        """The assignment of a completed config, and its values outside the space."""
        return placement_of(self.entries, config)

    def describe(self) -> tuple[Outline, ...]:
        """The space as a tree: ranges, defaults, and the source of each."""
        return outline_of(self.entries)


def _size(when: Conditions, below: Mapping[Conditions, list[Dimension]]) -> float:
    size: float = 1
    for one in below.get(when, ()):
        size *= sum(_sizes(one, when, below))
    return size


def _sizes(one: Dimension, when: Conditions, below: Mapping[Conditions, list[Dimension]]) -> Iterator[float]:
    if isinstance(one.range, Choice):
        for value in one.range.values:
            leads_on = not isinstance(value, list | dict)  # a choice among classes, never among lists
            yield _size((*when, (one.path, value)), below) if leads_on else 1
    else:
        yield values_in(one.range)
