"""Scenarios that wrap a scenario, in config trees and as objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hyperspace_core.components import Scenario
from hyperspace_core.config.catalog import Catalog
from hyperspace_core.config.instances import default_tree
from hyperspace_core.config.keys import missing
from hyperspace_core.config.schema import signature_of
from hyperspace_core.config.tree import CLASS_NAME, MISSING, Tree, join, match_key, shown
from hyperspace_core.errors import ConfigError, UnknownClassError


@dataclass(frozen=True, kw_only=True)
class Wrapped:
    """A scenario in a tree."""

    path: str
    tree: Tree
    target: type


def wrapped(tree: Tree, catalog: Catalog, path: str = "scenario") -> list[Wrapped]:
    """The scenario of a tree, the one that it wraps, and so on to the innermost.

    The tree need not be completed. Raises `ConfigError`, `UnknownClassError`.
    """
    name = tree.get(CLASS_NAME)
    if not isinstance(name, str):
        raise ConfigError(f"`{join(path, CLASS_NAME)}`: missing; name the scenario's class")
    try:
        target: type = catalog.find(Scenario, name).target
    except UnknownClassError as error:
        raise UnknownClassError(f"`{join(path, CLASS_NAME)}`: {error}") from None
    found = [Wrapped(path=path, tree=tree, target=target)]
    inner = getattr(target, "wraps", None)
    return found if inner is None else found + wrapped(_held(tree, target, inner, path, catalog), catalog,
                                                       join(path, inner))


def innermost(scenario: Any) -> Any:
    """The innermost wrapped scenario, whose hyper-parameters a run has."""
    inner = getattr(scenario, "wraps", None)
    return scenario if inner is None else innermost(getattr(scenario, inner))


def check_wrapper(one: Wrapped) -> None:
    """Raise `ConfigError` if a completed wrapper does not fit its wrapped scenario."""
    problems = getattr(one.target, "problems_of", None) if getattr(one.target, "wraps", None) else None
    found = [] if problems is None else list(problems(one.tree))
    if found:
        raise ConfigError(*(f"`{join(one.path, parameter)}`: {text}" for parameter, text in found))


def _held(tree: Tree, target: type, inner: str, path: str, catalog: Catalog) -> Tree:
    """The section of the wrapped scenario, written out, as a name or by default."""
    signature = signature_of(target)
    written = {match_key(key, signature.by_name): value for key, value in tree.items()}
    held = written.get(inner, MISSING)
    if held is MISSING:
        held = default_tree(signature.by_name[inner], join(path, inner), catalog.name_of)
    if held is MISSING:
        raise ConfigError(f"`{join(path, inner)}`: {missing(signature, signature.by_name[inner])}")
    if isinstance(held, str):
        return {CLASS_NAME: held}
    if not isinstance(held, Mapping):
        raise ConfigError(f"`{join(path, inner)}`: expected a scenario (a name, or a section with "
                          f"className), found {shown(held)}")
    return dict(held)
