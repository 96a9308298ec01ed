"""Copy a scenario with one setting changed, as the parts of a run need it.

A setting is named by a dotted path, such as `dataset.series`. The object that has it is constructed again
with its other arguments, and so are the objects that contain it; the given scenario is not changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from hyperspace_core.errors import HyperspaceError, did_you_mean


def with_setting(target: Any, path: str, value: Any) -> Any:
    """Copy `target` with another value at `path`. Raises `HyperspaceError`."""
    name, _, rest = path.partition(".")
    if not rest:
        return _made_anew(target, name, value)
    return _made_anew(target, name, with_setting(_held(target, name), rest, value))


def owner_of(target: Any, path: str) -> Any:
    """The object that has the setting."""
    for name in path.split(".")[:-1]:
        target = _held(target, name)
    return target


def misplaced(tree: Mapping[str, Any], path: str) -> str | None:
    """Explain why a completed section has no setting at `path`; None if it has one."""
    at: Any = tree
    parts = path.split(".")
    for depth, name in enumerate(parts):
        if not isinstance(at, Mapping) or name not in at:
            there = [key for key in at if key != "className"] if isinstance(at, Mapping) else []
            near = did_you_mean(name, there) or f"; it has {', '.join(there) or 'none'}"
            where = ".".join(parts[:depth]) or "the wrapped scenario"
            return f"{path!r}: {where} has no setting {name!r}{near}"
        at = at[name]
    return None


def _held(target: Any, name: str) -> Any:
    if isinstance(target, Mapping) and name in target:
        return target[name]
    if not hasattr(target, name):
        raise HyperspaceError(f"{type(target).__name__} has no attribute `{name}`; name a setting of the "
                              "wrapped scenario, such as `dataset.fold`")
    return getattr(target, name)


def _made_anew(target: Any, name: str, value: Any) -> Any:
    if isinstance(target, Mapping):
        return {**target, name: value}
    if dataclasses.is_dataclass(target):
        arguments = {field.name: getattr(target, field.name) for field in dataclasses.fields(target)
                     if field.init}
    else:
        from hyperspace_core.config.schema import signature_of

        known: Any = type(target)
        arguments = {one.name: _held(target, one.name) for one in signature_of(known).parameters}
    if name not in arguments:
        near = did_you_mean(name, arguments) or f"; it has {', '.join(arguments) or 'none'}"
        raise HyperspaceError(f"{type(target).__name__} has no parameter `{name}`{near}")
    return type(target)(**arguments | {name: value})
