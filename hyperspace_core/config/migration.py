"""Apply migration steps to scenario and config of a run; no value is lost.

A step changes only the parameters that it names, keeps the order of the keys, and is idempotent. A step that
meets an obstacle reports it; then nothing of the migration is applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

from hyperspace_core.config.steps import EVERY
from hyperspace_core.config.tree import CLASS_NAME, MISSING, Tree, canonical, copied, join, shown
from hyperspace_core.errors import ConfigError

SCENARIO, CONFIG = "scenario", "config"
S = TypeVar("S", bound=Tree | None)
C = TypeVar("C", bound=Tree | None)


def applied(steps: Iterable[Mapping[str, Any]], scenario: S, config: C) -> tuple[S, C]:
    """New trees of scenario and config after the steps (see `config.steps`).

    Raises `ConfigError` with the path of an obstacle: the new name exists with another value, or a path leads
    through a value that is not a section.
    """
    trees = {SCENARIO: _fresh(scenario), CONFIG: _fresh(config)}
    for step in steps:
        root = trees[SCENARIO]
        name = root.get(CLASS_NAME) if isinstance(root, dict) else None
        if step.get("scenario") in (None, name):
            _OPS[step["op"]](step, trees)
    return cast("S", trees[SCENARIO]), cast("C", trees[CONFIG])


def _fresh(tree: Any) -> Any:
    """Copy all sections and lists; the values in them are never changed in place."""
    if isinstance(tree, dict):
        return {key: _fresh(inner) for key, inner in tree.items()}
    return [_fresh(inner) for inner in tree] if isinstance(tree, list) else tree


# -- the steps -------------------------------------------------------------------------------------------

def _add(step: Mapping[str, Any], trees: Mapping[str, Any]) -> None:
    for _, section, name in _homes(step, trees):
        if name not in section:
            section[name] = copied(step["value"])


def _rename(step: Mapping[str, Any], trees: Mapping[str, Any]) -> None:
    to = step["to"]
    for path, section, name in _homes(step, trees):
        if name not in section:
            continue
        if to in section:
            _check_same(join(path, name), section[name], join(path, to), section[to])
            del section[name]
            continue
        items = [(to if key == name else key, value) for key, value in section.items()]
        section.clear()
        section.update(items)


def _map_values(step: Mapping[str, Any], trees: Mapping[str, Any]) -> None:
    new_of = {canonical(old): new for old, new in step["values"]}
    for _, section, name in _homes(step, trees):
        if name in section:
            new = new_of.get(canonical(section[name]), MISSING)
            if new is not MISSING:
                section[name] = copied(new)


def _rename_class(step: Mapping[str, Any], trees: Mapping[str, Any]) -> None:
    for _, section in _of_class(step["name"], step.get("within"), trees):
        section[CLASS_NAME] = step["to"]


def _move(step: Mapping[str, Any], trees: Mapping[str, Any]) -> None:
    source, target = step["parameter"], step["to"]
    old = _at(source, trees)
    if old is None or old[1] not in old[0]:
        return
    section, name = old
    new = _at(target, trees, making=True)
    if new is None:
        raise ConfigError(f"`{source}`: cannot be moved to `{target}`: the run has no such tree")
    if new[1] in new[0]:
        _check_same(source, section[name], target, new[0][new[1]])
    else:
        new[0][new[1]] = section[name]
    del section[name]


_OPS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], None]] = {
    "add": _add, "rename": _rename, "move": _move, "map_values": _map_values, "rename_class": _rename_class}


def _check_same(path: str, value: Any, other: str, there: Any) -> None:
    if canonical(value) != canonical(there):
        raise ConfigError(f"`{path}`: cannot become `{other}`, which is {shown(there)} already and not "
                          f"{shown(value)}")


# -- where the steps apply -------------------------------------------------------------------------------

def _homes(step: Mapping[str, Any], trees: Mapping[str, Any]) -> Iterator[tuple[str, Tree, str]]:
    """The sections that a step changes, with path and parameter name."""
    if "of" in step:
        *above, name = step["parameter"].split(".")
        tops = list(_of_class(step["of"], step.get("within"), trees))
    else:
        tree, (*above, name) = _split(step["parameter"])
        tops = [("" if tree == CONFIG else tree, trees[tree])] if isinstance(trees[tree], dict) else []
    for path, section in tops:
        for inner_path, inner in _below(section, above, path):
            yield inner_path, inner, name


def _split(path: str) -> tuple[str, list[str]]:
    head, _, rest = path.partition(".")
    return (head, rest.split(".")) if head in (SCENARIO, CONFIG) and rest else (CONFIG, path.split("."))


def _below(value: Any, parts: list[str], path: str) -> Iterator[tuple[str, Tree]]:
    """The sections at the end of a path; none where a part is missing or None."""
    if not parts:
        if isinstance(value, dict):
            yield path, value
        elif value is not None:
            raise ConfigError(f"`{path}`: expected a section, found {shown(value)}{_cure(value)}")
        return
    part, *rest = parts
    if part == EVERY and isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in list(pairs):
            if isinstance(inner, dict | list):
                yield from _below(inner, rest, join(path, key))
    elif isinstance(value, dict):
        if part in value:
            yield from _below(value[part], rest, join(path, part))
    elif value is not None:
        raise ConfigError(f"`{path}`: expected a section, found {shown(value)}{_cure(value)}")


def _cure(value: Any) -> str:
    return f"; `{EVERY}` means every item of a list" if isinstance(value, list) else ""


def _of_class(name: str, within: str | None, trees: Mapping[str, Any]) -> list[tuple[str, Tree]]:
    found = [one for tree, fills in ((SCENARIO, (SCENARIO,)), (CONFIG, ()))
             for one in _sections(trees[tree], "" if tree == CONFIG else tree, fills)]
    return [(path, section) for path, fills, section in found
            if section.get(CLASS_NAME) == name and (within is None or within in fills)]


def _sections(value: Any, path: str, fills: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...], Tree]]:
    """Every section at any depth; `fills`: names on the way from its component."""
    if isinstance(value, dict):
        yield path, fills, value
        above = () if CLASS_NAME in value else fills
        for key, inner in list(value.items()):
            yield from _sections(inner, join(path, key), (*above, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _sections(inner, join(path, index), fills)


def _at(path: str, trees: Mapping[str, Any], *, making: bool = False) -> tuple[Tree, str] | None:
    """The section in which a path ends, and its last name; `making` creates sections."""
    tree, parts = _split(path)
    section, so_far = trees[tree], "" if tree == CONFIG else tree
    if section is None:
        return None
    for part in parts[:-1]:
        so_far = join(so_far, part)
        if part not in section and making:
            section[part] = {}
        section = section.get(part)
        if section is None and not making:
            return None
        if not isinstance(section, dict):
            raise ConfigError(f"`{path}`: `{so_far}` is {shown(section)} and no section")
    return section, parts[-1]
