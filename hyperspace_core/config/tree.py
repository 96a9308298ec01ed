"""Pure functions on config trees: dicts of JSON values, with *sections* inside."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, TypeGuard

from hyperspace_core.errors import ConfigError

Tree = dict[str, Any]

CLASS_NAME = "className"
EACH = "each"                  # in a grid: marks alternatives
LEAVES = frozenset({str, int, float, bool, type(None)})      # types of values without items
MAX_DEPTH = 64                 # the same limit for files, configs and every store
LOWEST, HIGHEST = -(2**63), 2**63 - 1


class Missing(Enum):
    """The type of `MISSING`: "there is none", where None is a value of its own."""

    MISSING = "MISSING"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = Missing.MISSING


class Unquoted(str):
    """A number, true, false or null on a command line; where a parameter takes text, the text itself.

    `version=2024` is the text "2024" for a `str` and the number for an `int`: completion knows which.
    """

    value: Any

    def __new__(cls, text: str, value: Any) -> Unquoted:
        made = super().__new__(cls, text)
        made.value = value
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Unquoted, (str(self), self.value)


@dataclass(frozen=True)
class Difference:
    """One leaf that differs; `old` or `new` is `MISSING` where one side lacks it."""

    path: str
    old: Any
    new: Any


def snake_case(key: str) -> str:
    """`"TrainingSchedule"` → `"training_schedule"`, `"HTTPServer"` → `"http_server"`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", key)
    return spaced.lower()


def is_camel(key: str) -> bool:
    """Whether `key` may be an old CamelCase spelling; `C` and `URL` are not."""
    return key[:1].isupper() and any(letter.islower() for letter in key)


def match_key(key: str, known: Mapping[str, Any]) -> str | None:
    """The name in `known` that `key` means, as it is or in snake_case; else None."""
    if key in known:
        return key
    plain = snake_case(key) if is_camel(key) else None
    return plain if plain in known else None


def join(path: str, key: object) -> str:
    """The dotted path of `key` below `path`."""
    return f"{path}.{key}" if path else str(key)


def merge(base: Mapping[str, Any], change: Mapping[str, Any], *, path: str = "",
          in_grid: bool = False) -> Tree:
    """`base` overlaid with `change`; both are left unchanged, the result is a copy.

    A changed `className`, or a component's bare name, replaces the whole section; a section without
    `className` or with the same one keeps what it does not mention. Lists are replaced whole, but a section
    of item numbers (`{"0": {"units": 64}}`, from `layers.0.units=64`) changes those items. An old CamelCase
    key changes its snake_case equivalent. `in_grid`: alternatives (`{"each": [1, 2]}`) replace the old value.
    Raises `ConfigError` where a section would silently replace a value or the reverse.
    """
    merged = copy.deepcopy(dict(base))
    spellings = {snake_case(key): key for key in merged if is_camel(key)}
    for key, new in change.items():
        name = match_key(key, merged) or spellings.get(snake_case(key), key)
        old = merged.get(name, MISSING)
        merged[name] = _merged(old, new, join(path, key), in_grid=in_grid)
    return merged


def _merged(old: Any, new: Any, path: str, *, in_grid: bool) -> Any:
    if old is MISSING or old is None or unwrapped(new) is None or (in_grid and _offers(new)):
        return copy.deepcopy(new)
    if isinstance(new, dict):
        if isinstance(old, str):                   # a component's bare name
            old = {CLASS_NAME: old}
        if _replaces(old, new):
            return copy.deepcopy(new)
        if _numbers_items(new):
            if isinstance(old, list):
                return _with_items(old, new, path, in_grid=in_grid)
            # a list as the only alternative
            if in_grid and _offers(old) and [type(one) for one in old[EACH]] == [list]:
                return {EACH: [_with_items(old[EACH][0], new, path, in_grid=True)]}
        if isinstance(old, dict):
            return merge(old, new, path=path, in_grid=in_grid)
        raise ConfigError(f"`{path}`: cannot replace a value by a section; found {shown(old)} where "
                          f"the change has a section with {_keys(new)}")
    if isinstance(old, dict) and not (isinstance(new, str) and (CLASS_NAME in old or not old)):
        raise ConfigError(f"`{path}`: cannot replace a section by a value; found a section with "
                          f"{_keys(old)} where the change has {shown(new)}")
    return copy.deepcopy(new)


def _numbers_items(change: Mapping[str, Any]) -> bool:
    return bool(change) and all(isinstance(key, str) and key.isascii() and key.isdigit() for key in change)


def _offers(value: Any) -> bool:
    """Whether a value holds alternatives in a grid."""
    return isinstance(value, dict) and isinstance(value.get(EACH), list)


def _with_items(old: list[Any], new: Mapping[str, Any], path: str, *, in_grid: bool) -> list[Any]:
    merged = copy.deepcopy(old)
    for key, change in new.items():
        if int(key) >= len(old):
            there = f"{len(old)} items, 0 to {len(old) - 1}" if old else "no items"
            raise ConfigError(f"`{join(path, key)}`: the list has {there}; "
                              "write the whole list to lengthen it")
        merged[int(key)] = _merged(old[int(key)], change, join(path, key), in_grid=in_grid)
    return merged


def _replaces(old: Any, new: Mapping[str, Any]) -> bool:
    """Whether a section replaces the old value: its `className` differs."""
    return CLASS_NAME in new and (not isinstance(old, dict) or old.get(CLASS_NAME) != new[CLASS_NAME])


def dropped(base: Mapping[str, Any], change: Mapping[str, Any], *, path: str = "") -> tuple[str, ...]:
    """The paths that `merge` drops because the change names another class."""
    lost: list[str] = []
    for key, new in change.items():
        name = match_key(key, base) or key
        old, here = base.get(name), join(path, key)
        if not isinstance(old, dict):
            continue
        if isinstance(new, str) or (isinstance(new, dict) and _replaces(old, new)):
            kept = new if isinstance(new, dict) else {}
            lost += [join(here, inner) for inner in old if inner != CLASS_NAME and inner not in kept]
        elif isinstance(new, dict):
            lost += dropped(old, new, path=here)
    return tuple(lost)


def _keys(section: Mapping[str, Any]) -> str:
    return ", ".join(f"`{key}`" for key in list(section)[:3]) or "no keys"


def shown(value: Any) -> str:
    """A value for a message: its type and text, at most one line."""
    value = value.value if type(value) is Unquoted else value
    if value is None:
        return "None"
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a broken __repr__ of a user's object must not hide the message
        text = "…"
    text = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '…'}"


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Tree:
    """Dotted path → leaf; `prefix` precedes each path.

    Lists of plain values and empty sections are leaves; lists with sections become `layers.0.units`."""
    flat: Tree = {}
    _lay_flat(flat, tree.items(), f"{prefix}." if prefix else "")
    return flat


def _lay_flat(flat: Tree, items: Iterable[tuple[object, Any]], prefix: str) -> None:
    for key, value in items:
        if type(value) in LEAVES:             # the most frequent case; there may be thousands of configs
            flat[f"{prefix}{key}"] = value
        elif isinstance(value, Mapping) and value:
            _lay_flat(flat, value.items(), f"{prefix}{key}.")
        elif type(value) is list and LEAVES.issuperset(map(type, value)):
            flat[f"{prefix}{key}"] = value.copy()
        elif isinstance(value, list | tuple) and has_section(value):
            _lay_flat(flat, enumerate(value), f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = copy.deepcopy(value)


def has_section(value: Any) -> bool:
    """Whether a value is a section, or a list with one in it."""
    if type(value) in LEAVES:
        return False
    return isinstance(value, Mapping) or (isinstance(value, list | tuple) and any(map(has_section, value)))


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Difference, ...]:
    """The leaves that differ, in order. `1`, `1.0` and `True` differ, NaN is NaN."""
    before, after = flatten(old), flatten(new)
    paths = [*before, *(path for path in after if path not in before)]
    found = (Difference(path, before.get(path, MISSING), after.get(path, MISSING)) for path in paths)
    return tuple(d for d in found if MISSING in (d.old, d.new) or canonical(d.old) != canonical(d.new))


def canonical(tree: Any) -> str:
    """The tree as JSON with sorted keys. Raises `ConfigError` for other values."""
    try:
        return json.dumps(tree, sort_keys=True, separators=(",", ":"), default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"config: {error}") from None


def _plain(value: Any) -> Any:
    plain = unwrapped(value)
    if plain is not value:
        return plain
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Enum):
        return value.name
    raise TypeError(f"{shown(value)} is not a JSON value")


def digest(tree: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON, in hex; the same for equal configs only."""
    import hashlib

    return hashlib.sha256(canonical(tree).encode("ascii")).hexdigest()


def unwrapped(value: Any) -> Any:
    """Convert scalars and 0-d arrays of numpy and torch, without importing them; `Unquoted` to its value."""
    if type(value) is Unquoted:
        return value.value
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):
        return value.item()
    return value


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a real number and not a bool; NaN is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole_number(value: object) -> TypeGuard[int]:
    """Whether a value is an int and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def copied(value: Any) -> Any:
    """A copy as JSON would give it: tuples become lists, scalars are unwrapped."""
    if isinstance(value, Mapping):
        return {key: copied(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [copied(inner) for inner in value]
    return copy.deepcopy(unwrapped(value))


def is_json(value: Any) -> bool:
    """Whether JSON (with NaN) can hold the value unchanged; tuples count as lists."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) for key in value) and all(map(is_json, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_json, value))
    return value is None or type(unwrapped(value)) in (bool, int, float, str)


def too_deep(tree: Any) -> str | None:
    """The path of a value nested deeper than 64 levels (or in itself), or None."""
    level: list[tuple[str, Any]] = [("", tree)]
    for _ in range(MAX_DEPTH + 1):
        # a shared value is visited once a level, so that repeated sharing is cheap
        containers = {id(value): (path, value) for path, value in level
                      if isinstance(value, Mapping | list | tuple)}
        if not containers:
            return None
        deepest = next(path for path, _ in containers.values())
        level = [(join(path, key), inner) for path, value in containers.values()
                 for key, inner in (value.items() if isinstance(value, Mapping) else enumerate(value))]
    return ".".join(deepest.split(".")[:3]) + "…"


# -- Tell the leaves that a user wrote in a config from the defaults --

@dataclass(frozen=True)
class WrittenLeaf:
    """One leaf of a completed config, as `flatten` gives it."""

    path: str
    value: Any
    written: bool                  # by the user; else a default


def told_apart(completed: Mapping[str, Any], written: Mapping[str, Any]) -> tuple[WrittenLeaf, ...]:
    """The leaves of a completed config, each with whether the user wrote it."""
    return tuple(_leaves(completed, written, ""))


def _leaves(value: Any, given: Any, path: str) -> Iterator[WrittenLeaf]:
    if isinstance(value, Mapping) and (value or not path):
        if isinstance(given, str):                         # a component's bare name
            given = {CLASS_NAME: given}
        by_name = {match_key(key, value) or key: inner for key, inner in given.items()} \
            if isinstance(given, Mapping) else {}
        for key, inner in value.items():
            yield from _leaves(inner, by_name.get(key, MISSING), join(path, key))
    elif isinstance(value, list) and has_section(value):
        items = given if isinstance(given, list | tuple) else ()
        for index, inner in enumerate(value):
            item = items[index] if index < len(items) else MISSING
            yield from _leaves(inner, item, join(path, index))
    else:
        yield WrittenLeaf(path, value, given is not MISSING)


def without_unquoted(written: Any, completed: Any = MISSING) -> Any:
    """A copy of a written config in JSON values: each `Unquoted`, date or set as it was completed."""
    if isinstance(written, Mapping):
        inside = completed if isinstance(completed, Mapping) else {}
        named = {_key(key): inner for key, inner in written.items()}
        known = {key: match_key(key, inside) for key in named if isinstance(key, str)}
        return {key: without_unquoted(inner, inside.get(known.get(key), MISSING))
                for key, inner in named.items()}
    if isinstance(written, list | tuple):
        items = completed if isinstance(completed, list) and len(completed) == len(written) else ()
        return [without_unquoted(inner, items[index] if items else MISSING)
                for index, inner in enumerate(written)]
    if type(written) not in LEAVES and (type(completed) in LEAVES or isinstance(written, set | frozenset)):
        return copy.deepcopy(written if completed is MISSING else completed)
    return copy.deepcopy(unwrapped(written))


def _key(key: Any) -> Any:
    """The text of a dict's key; one that no config may have stays, and is refused later."""
    if isinstance(key, Enum):
        return key.name
    return json.dumps(key) if isinstance(key, int | float | None) else key


def written_part(completed: Any, written: Any) -> Any:
    """The user's part of a completed config, in its names, or `MISSING`.

    Sections keep their class, also where that is a default.
    """
    if written is MISSING:
        return MISSING
    if isinstance(completed, Mapping) and isinstance(written, Mapping):
        given = {match_key(key, completed) or key: inner for key, inner in written.items()}
        kept = {key: written_part(inner, given.get(key, MISSING)) for key, inner in completed.items()}
        if CLASS_NAME in completed:
            kept[CLASS_NAME] = completed[CLASS_NAME]
        return {key: inner for key, inner in kept.items() if inner is not MISSING}
    if isinstance(completed, Mapping) and isinstance(written, str):
        return completed.get(CLASS_NAME, written)          # a component's bare name
    if isinstance(completed, list) and isinstance(written, list | tuple) and len(completed) == len(written):
        return [written_part(inner, item) for inner, item in zip(completed, written, strict=True)]
    return completed
