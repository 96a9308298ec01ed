"""Look up a dotted path in an exported run: its value and its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hyperspace_core.components import Scenario
from hyperspace_core.config.kinds import (
    DictOf,
    FamilyKind,
    Kind,
    LazyOf,
    ListOf,
    Nested,
    OptionalOf,
    TupleOf,
    UnionOf,
    describe,
    item_kinds,
)
from hyperspace_core.config.schema import Signature, signature_of
from hyperspace_core.config.tree import CLASS_NAME, Tree, join, match_key
from hyperspace_core.config.unions import pick
from hyperspace_core.errors import NotFound, UnknownClassError, UsageError, did_you_mean
from hyperspace_core.extension.project import Project

SCENARIO = "scenario"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A value in the config or scenario of a run."""

    path: str
    kind: Kind
    tree: Any


def meant(project: Project, scenario: Tree, config: Tree) -> str:
    """The default path: that of the only component, else the only required one.

    Raises `UsageError` if there are several or none.
    """
    parameters = project.scenario_signature(scenario).parameters
    found = [one for one in parameters if _is_component(one.kind) and config.get(one.name) is not None]
    for names in ([one.name for one in found], [one.name for one in found if one.required]):
        if len(names) == 1:
            return names[0]
    there = ", ".join([*(one.name for one in found), SCENARIO])
    raise UsageError(f"no default component: name one of {there}, or export the run with --component")


def part_at(project: Project, scenario: Tree, config: Tree, name: str) -> Part:
    """The value at a path such as `classifier`, `layers.0`, `scenario.dataset`.

    Raises `NotFound` for an unknown path, `UnknownClassError` for a path through an unknown class.
    """
    first, *rest = name.split(".")
    signature = project.scenario_signature(scenario)
    if match_key(first, signature.by_name) is None and first == SCENARIO:
        part = Part(path=SCENARIO, kind=FamilyKind(Scenario, Scenario), tree=scenario)
    else:
        part = _parameter(signature, config, first, "")
    for key in rest:
        part = _below(project, part, key)
    return part


def _parameter(signature: Signature, tree: Mapping[str, Any], key: str, path: str) -> Part:
    name = match_key(key, signature.by_name)
    if name is None:
        known = [*signature.by_name, *([] if path else [SCENARIO])]
        near = did_you_mean(key, known) or (f"; it has {', '.join(known)}" if known else "")
        raise NotFound(f"`{join(path, key)}`: {signature.name} has no such parameter{near}")
    if name not in tree:
        raise NotFound(f"`{join(path, name)}`: the run does not have it; it is older than this parameter")
    return Part(path=join(path, name), kind=signature.by_name[name].kind, tree=tree[name])


def _below(project: Project, part: Part, key: str) -> Part:
    match part.kind:
        case OptionalOf(kind=inner) | LazyOf(kind=inner) if part.tree is not None:
            return _below(project, Part(path=part.path, kind=inner, tree=part.tree), key)
        case UnionOf(kinds=kinds) if (member := pick(kinds, part.tree, project.catalog)) is not None:
            return _below(project, Part(path=part.path, kind=member, tree=part.tree), key)
        case FamilyKind() if isinstance(part.tree, Mapping):
            return _parameter(_signature(project, part, part.kind), part.tree, key, part.path)
        case Nested(target=target) if isinstance(part.tree, Mapping):
            return _parameter(signature_of(target), part.tree, key, part.path)
        case DictOf(item=item) if isinstance(part.tree, Mapping) and key in part.tree:
            return Part(path=join(part.path, key), kind=item, tree=part.tree[key])
        case ListOf() | TupleOf() if isinstance(part.tree, list):
            kinds = item_kinds(part.kind, len(part.tree))
            if key.isascii() and key.isdigit() and int(key) < min(len(kinds), len(part.tree)):
                return Part(path=join(part.path, key), kind=kinds[int(key)], tree=part.tree[int(key)])
    inside = list(part.tree) if isinstance(part.tree, Mapping) else range(len(part.tree)) \
        if isinstance(part.tree, list) else ()
    has = f"; it has {', '.join(map(str, inside))}" if inside else ""
    raise NotFound(f"`{join(part.path, key)}`: no such part in {describe(part.kind)}{has}")


def _signature(project: Project, part: Part, kind: FamilyKind) -> Signature:
    try:
        entry = project.catalog.find(kind.family, part.tree.get(CLASS_NAME), below=kind.base)
    except UnknownClassError as error:
        raise UnknownClassError(f"`{join(part.path, CLASS_NAME)}`: {error}") from None
    return signature_of(entry.target)


def _is_component(kind: Kind) -> bool:
    match kind:
        case FamilyKind() | LazyOf(kind=FamilyKind()):
            return True
        case OptionalOf(kind=inner):
            return _is_component(inner)
        case UnionOf(kinds=kinds):
            return any(map(_is_component, kinds))
        case _:
            return False
