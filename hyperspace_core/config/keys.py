"""Match the keys of a section with parameters, and describe unknown keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperspace_core.config.kinds import AnyValue, Opaque, describe
from hyperspace_core.config.schema import Parameter, Signature
from hyperspace_core.config.tree import Tree, join, match_key
from hyperspace_core.errors import nearest

MAX_NAMED = 20                 # at most this many parameters are listed


def by_parameter(section: Mapping[Any, Any], signature: Signature, path: str) -> tuple[Tree, list[str]]:
    """A section's values by parameter, and its problems.

    CamelCase keys of old configs mean the snake_case parameter, unless a parameter has that very name."""
    given: Tree = {}
    spelling: dict[str, str] = {}
    problems = []
    for key in section:
        if not isinstance(key, str):
            problems.append(f"`{path or signature.name}`: {bad_key(key)}")
            continue
        name = match_key(key, signature.by_name)
        if name is None:
            problems.append(f"`{join(path, key)}`: {_unknown(key, signature)}")
        elif name in spelling:
            problems.append(f"`{join(path, key)}`: the same parameter as `{spelling[name]}`; keep one")
        else:
            given[name], spelling[name] = section[key], key
    return given, problems


def bad_key(key: object) -> str:
    return f"key {key!r} is {type(key).__name__}; keys must be strings"


def missing(signature: Signature, parameter: Parameter) -> str:
    """The message for a required parameter that a config lacks."""
    needs = f"missing; {signature.name} needs it"
    if isinstance(parameter.kind, AnyValue) and parameter.name == "run":
        return f"{needs}; annotate it `run: Run` if it is to receive the live run"
    if isinstance(parameter.kind, Opaque):
        return (f"{needs}, but {parameter.kind.label} cannot be written in a config; give it a default, or "
                "take the component as Lazy")
    return f"{needs} ({describe(parameter.kind)})"


def _unknown(key: str, signature: Signature) -> str:
    near = nearest(key, signature.by_name)
    if near:
        return f"{signature.name} has no such parameter; did you mean `{near}`?"
    names = [f"`{name}`" for name in list(signature.by_name)[:MAX_NAMED]]
    known = f"it has {', '.join(names)}" if names else "it has no parameters"
    return f"{signature.name} has no such parameter; {known}"
