"""Convert `space=` from Python objects to JSON, for stores and commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperspace_core.config.signature import NameOf, class_name, tree_of
from hyperspace_core.config.tree import EACH
from hyperspace_core.errors import ConfigError, RegistrationError
from hyperspace_core.ranges import Choice, Float, Int


def space_tree(wish: Any, name_of: NameOf = class_name, path: str = "space") -> Any:
    """The wish without objects: `Float(0.1, 10)` → `{"float": [0.1, 10]}`.

    A component (`Forest(trees=50)`) becomes its class and its arguments. Raises `ConfigError` for one that
    cannot be read back.
    """
    if isinstance(wish, Choice):
        return {EACH: [space_tree(value, name_of, path) for value in wish.values]}
    if isinstance(wish, Int | Float):
        tree: dict[str, Any] = {type(wish).__name__.lower(): [wish.low, wish.high]}
        tree |= {"log": True} if wish.log else {}
        return tree | ({} if wish.step in (None, 1) and not _stepped(wish) else {"step": wish.step})
    if isinstance(wish, Mapping):
        return {key: space_tree(value, name_of, f"{path}.{key}") for key, value in wish.items()}
    if isinstance(wish, list | tuple):
        return [space_tree(value, name_of, path) for value in wish]
    if wish is None or isinstance(wish, str | bool | int | float):
        return wish
    return _component(wish, name_of, path)


def _stepped(wish: Int | Float) -> bool:
    """Whether the step must be written: a float has none by default."""
    return isinstance(wish, Float) and wish.step is not None


def _component(wish: Any, name_of: NameOf, path: str) -> Any:
    try:
        return tree_of(wish, name_of)
    except RegistrationError as error:
        raise ConfigError(f"`{path}`: {error}") from None
