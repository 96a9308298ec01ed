"""The steps of a migration: add, rename, move, map values, rename a class.

A step is about one parameter. `of` names a class: it selects every section with that `className` anywhere in
the scenario and the hyper-parameters, also in lists and dicts; `within` limits that to sections that fill a
parameter of that name. Without `of` the parameter is a dotted path among the hyper-parameters, or in the
scenario where it begins with `scenario.`. A parameter of a plain dataclass is `options.depth`, one in every
item of a list or dict `layers.*.units`. `scenario` limits a step to runs of one scenario class.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hyperspace_core.config.tree import (
    CLASS_NAME,
    MAX_DEPTH,
    Tree,
    canonical,
    copied,
    is_json,
    shown,
    too_deep,
)
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


def add(parameter: str, value: Any, *, of: str | None = None, within: str | None = None,
        scenario: str | None = None) -> Tree:
    """Add a missing parameter. Raises `ConfigError`, as all functions here."""
    return _made("add", parameter=parameter, value=value, of=of, within=within, scenario=scenario)


def rename(parameter: str, to: str, *, of: str | None = None, within: str | None = None,
           scenario: str | None = None) -> Tree:
    """Rename a parameter in its place; `to` is the name alone."""
    return _made("rename", parameter=parameter, to=to, of=of, within=within, scenario=scenario)


def move(parameter: str, to: str, *, scenario: str | None = None) -> Tree:
    """Move a value to another dotted path; missing sections on the way are created."""
    return _made("move", parameter=parameter, to=to, scenario=scenario)


def map_values(parameter: str, values: Mapping[Any, Any] | Iterable[Sequence[Any]], *, of: str | None = None,
               within: str | None = None, scenario: str | None = None) -> Tree:
    """Replace values of a parameter: old → new, or pairs where no dict can hold it."""
    pairs = [[old, new] for old, new in (values.items() if isinstance(values, Mapping) else values)]
    return _made("map_values", parameter=parameter, values=pairs, of=of, within=within, scenario=scenario)


def rename_class(name: str, to: str, *, within: str | None = None, scenario: str | None = None) -> Tree:
    """Rename the `className` of a class's sections."""
    return _made("rename_class", name=name, to=to, within=within, scenario=scenario)


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


def step_text(step: Mapping[str, Any]) -> str:
    """A step on one line, for display: `Forest.max_depth = null`."""
    of = f"{step['of']}." if "of" in step else ""
    limits = [f"in {step['within']}"] if "within" in step else []
    limits += [f"of {step['scenario']}"] if "scenario" in step else []
    limit = f" ({' '.join(limits)})" if limits else ""
    match step["op"]:
        case "add":
            return f"{of}{step['parameter']} = {_json(step['value'])}{limit}"
        case "rename_class":
            return f"class {step['name']} -> {step['to']}{limit}"
        case "map_values":
            pairs = ", ".join(f"{_json(old)} -> {_json(new)}" for old, new in step["values"])
            return f"{of}{step['parameter']}: {pairs}{limit}"
    return f"{of}{step['parameter']} -> {step['to']}{limit}"


def _made(op: str, **fields: Any) -> Tree:
    kept = ("value",)                      # None is a value like any other
    return checked_step({"op": op} | {name: value for name, value in fields.items()
                                      if value is not None or name in kept})


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
    if too_deep(value) is not None:
        raise ConfigError(f"{op}: a value nested deeper than {MAX_DEPTH} levels")
    if not is_json(value):
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
