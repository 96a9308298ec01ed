"""Apply migration steps to scenario and config of a run; no value is lost.

A step changes only the parameters that it names, keeps the order of the keys, and is idempotent. A step that
meets an obstacle reports it; then nothing of the migration is applied.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from hyperspace_core.config import tree as config_tree
from hyperspace_core.config.tree import CLASS_NAME, MISSING, Tree, canonical, copied, join, shown
from hyperspace_core.errors import ConfigError, did_you_mean

EVERY = "*"                    # in a path: every item of a list or dict

# op -> its required and its optional fields; all but `value` and `values` are texts
_FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "add": (("parameter", "value"), ("of", "within", "scenario")),
    "rename": (("parameter", "to"), ("of", "within", "scenario")),
    "move": (("parameter", "to"), ("scenario",)),
    "map_values": (("parameter", "values"), ("of", "within", "scenario")),
    "rename_class": (("name", "to"), ("within", "scenario")),
}


def checked_step(step: Any) -> Tree:
    """Check and copy a step. Raises `ConfigError` with the problem in one line."""
    op = step.get("op") if isinstance(step, Mapping) else None
    if not isinstance(step, Mapping) or not isinstance(op, str) or op not in _FIELDS:
        near = did_you_mean(op, _FIELDS) if isinstance(op, str) else ""
        raise ConfigError(f"expected a step with `op`, one of {', '.join(_FIELDS)}; found "
                          f"{shown(step if op is None else op)}{near}")
    needed, possible = _FIELDS[op]
    for field in step:
        if field not in ("op", *needed, *possible):
            raise ConfigError(f"{op}: there is no field {field!r}; it has {', '.join((*needed, *possible))}")
    for field in needed:
        if field not in step:
            raise ConfigError(f"{op}: `{field}` is missing")
    for field in (*needed, *possible):
        if field in step and field not in ("value", "values"):
            _check_text(op, field, step[field])
    if "value" in step:
        _check_value(op, step["value"])
    _CHECKS.get(op, lambda given: None)(step)
    return {key: copied(value) for key, value in step.items()}


def checked_steps(steps: Iterable[Any]) -> tuple[Tree, ...]:
    """Check the steps of a migration. Raises `ConfigError` with a step's number.

    A name that one step removes must not be created by another one: applying the migration twice would then
    differ from applying it once.
    """
    checked: list[Tree] = []
    taken: dict[str, int] = {}
    brought: dict[str, int] = {}
    for number, step in enumerate(steps, 1):
        try:
            one = checked_step(step)
        except ConfigError as error:
            raise ConfigError(f"step {number}: {error}") from None
        checked.append(one)
        for name in _names(one, taken_away=True):
            taken.setdefault(name, number)
        for name in _names(one, taken_away=False):
            brought.setdefault(name, number)
    for name in taken.keys() & brought.keys():
        raise ConfigError(f"step {brought[name]} creates `{json.loads(name)[0]}`, which step {taken[name]} "
                          "removes; write two migrations")
    if not checked:
        raise ConfigError("it has no steps")
    return tuple(checked)


def _check_text(op: str, field: str, text: Any) -> None:
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{op}: `{field}`: expected a name, found {shown(text)}")
    if field == "parameter":
        parts = text.split(".")
        if not all(parts) or parts[-1] == EVERY:
            raise ConfigError(f"{op}: `{field}`: expected the dotted path of a parameter, found "
                              f"{shown(text)}")
        if CLASS_NAME in parts:
            raise ConfigError(f"{op}: `{field}`: to rename a class, use rename_class")


def _check_value(op: str, value: Any) -> None:
    if config_tree.too_deep(value) is not None:
        raise ConfigError(f"{op}: a value nested deeper than {config_tree.MAX_DEPTH} levels")
    if not config_tree.is_json(value):
        raise ConfigError(f"{op}: expected a value that JSON can hold, found {shown(value)}")


def _check_rename(step: Mapping[str, Any]) -> None:
    old, to = step.get("name") or step["parameter"].rpartition(".")[2], step["to"]
    if step["op"] == "rename" and ("." in to or to in (EVERY, CLASS_NAME)):
        raise ConfigError(f"rename: `to`: expected the new name alone, found {shown(to)}; move takes paths")
    if old == to:
        raise ConfigError(f"{step['op']}: {to!r} is its name already")


def _check_move(step: Mapping[str, Any]) -> None:
    _check_text("move", "parameter", step["to"])
    old, to = step["parameter"], step["to"]
    if EVERY in (*old.split("."), *to.split(".")):
        raise ConfigError(f"move: `{EVERY}` means many places; name one")
    if f"{to}.".startswith(f"{old}."):
        raise ConfigError(f"move: {old!r} cannot be moved to {to!r}, into itself")


def _check_values(step: Mapping[str, Any]) -> None:
    pairs = step["values"]
    whole = isinstance(pairs, list | tuple) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs)
    if not whole or not pairs:
        raise ConfigError(f"map_values: `values`: expected pairs of old and new, found {shown(pairs)}")
    _check_value("map_values", pairs)
    olds = [canonical(old) for old, _ in pairs]
    for (old, new), text in zip(pairs, olds, strict=True):
        if olds.count(text) > 1:
            raise ConfigError(f"map_values: {_json(old)} is mapped twice")
        if canonical(new) in olds and canonical(new) != text:
            raise ConfigError(f"map_values: {_json(new)} is both an old value and a new one, so applying the "
                              "step twice differs from applying it once; use another new value")


_CHECKS = {"rename": _check_rename, "rename_class": _check_rename, "move": _check_move,
           "map_values": _check_values}


def _names(step: Mapping[str, Any], *, taken_away: bool) -> list[str]:
    """The names that a step removes, or creates, each with its place."""
    where = [step.get("of"), step.get("within"), step.get("scenario")]
    op, parameter, to = step["op"], step.get("parameter", ""), step.get("to", "")
    if op == "rename_class":
        name = step["name"] if taken_away else to
        return [canonical([name, "class", *where])]
    if op == "rename" and not taken_away:
        above, dot, _ = parameter.rpartition(".")
        return [canonical([f"{above}{dot}{to}", *where])]
    if op == "move":
        return [canonical([parameter if taken_away else to, *where])]
    brings = op == "add"
    return [canonical([parameter, *where])] if brings != taken_away and op in ("add", "rename") else []


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


SCENARIO, CONFIG = "scenario", "config"
S = TypeVar("S", bound=Tree | None)
C = TypeVar("C", bound=Tree | None)


def applied(steps: Iterable[Mapping[str, Any]], scenario: S, config: C) -> tuple[S, C]:
    """New trees of scenario and config after the steps (made by `hyperspace_core.migrations`).

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


def _below(value: Any, parts: Sequence[str | None], path: str) -> Iterator[tuple[str, Tree]]:
    """The sections at the end of a path; none where a part is missing or None."""
    if value is None:
        return
    part, *rest = parts or [None]
    if part == EVERY and isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in list(pairs):
            if isinstance(inner, dict | list):
                yield from _below(inner, rest, join(path, key))
    elif not isinstance(value, dict):
        cure = f"; `{EVERY}` means every item of a list" if isinstance(value, list) else ""
        raise ConfigError(f"`{path}`: expected a section, found {shown(value)}{cure}")
    elif part is None:
        yield path, value
    elif part in value:
        yield from _below(value[part], rest, join(path, part))


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
