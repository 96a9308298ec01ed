"""Read an entry of `space=`, in Python or JSON: range, alternatives or value.

`Float(0.1, 10, log=True)` is `{"float": [0.1, 10], "log": true}` in JSON, `Int(10, 1000, step=10)` is
`{"int": [10, 1000], "step": 10}`, `Choice("adam", "sgd")` is `["adam", "sgd"]`. Where the parameter is itself
a list, alternatives are `{"each": [[50], [100, 50]]}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperspace_core.config.dimensions import nearest_value
from hyperspace_core.config.signature import check_range, in_tree_form
from hyperspace_core.config.tree import EACH, MISSING, shown
from hyperspace_core.config.types import AnyValue, EnumOf, Kind, OptionalOf, UnionOf, Value, is_sequence
from hyperspace_core.errors import ConfigError, RegistrationError, nearest
from hyperspace_core.ranges import Choice, Float, Int, Range

_RANGES = {"float": Float, "int": Int}
_OPTIONS = ("log", "step")


def range_in(wish: Any, path: str) -> Any:
    """The range of a JSON section; other values unchanged. Raises `ConfigError`."""
    if not isinstance(wish, Mapping):
        return wish
    kinds = [key for key in wish if key in _RANGES]
    if not kinds:
        return wish
    for key in wish:
        if key not in (*kinds[:1], *_OPTIONS):
            near = nearest(str(key), _OPTIONS)
            cure = f"did you mean `{near}`?" if near else "it has `log` and `step`"
            raise ConfigError(f"`{path}.{key}`: a range has no such key; {cure}")
    name = kinds[0]
    bounds, log, step = wish[name], wish.get("log", False), wish.get("step")
    number = (int,) if name == "int" else (int, float)
    if not isinstance(bounds, list | tuple) or len(bounds) != 2 or not _are(bounds, number):
        raise ConfigError(f'`{path}.{name}`: expected two numbers, as in {{"{name}": [1, 10]}}, found '
                          f"{shown(bounds)}")
    if not isinstance(log, bool):
        raise ConfigError(f"`{path}.log`: expected true or false, found {shown(log)}")
    if step is not None and not _are([step], number):
        raise ConfigError(f"`{path}.step`: expected a number, found {shown(step)}")
    try:
        if name == "float":
            return Float(bounds[0], bounds[1], log=log, step=step)
        return Int(bounds[0], bounds[1], log=log, step=1 if step is None else step)
    except RegistrationError as error:
        raise ConfigError(f"`{path}`: {error}") from None


def _are(values: Any, types: tuple[type, ...]) -> bool:
    return all(isinstance(value, types) and not isinstance(value, bool) for value in values)


def alternatives_in(wish: Any, kind: Kind, base: Any, path: str) -> list[Any] | None:
    """The alternatives, or None for one value. Raises `ConfigError` if empty."""
    offered = wish
    if isinstance(wish, Choice):
        offered = wish.values
    elif isinstance(wish, Mapping) and set(wish) == {EACH}:
        offered = wish[EACH]
        if not isinstance(offered, list | tuple):
            raise ConfigError(f"`{path}.{EACH}`: expected a list of alternatives, found {shown(offered)}")
    elif not isinstance(wish, list | tuple) or is_sequence(kind, base):
        return None
    if not offered:
        raise ConfigError(f"`{path}`: an empty list of alternatives leaves nothing to try")
    return list(offered)


def fitted(range_: Range, kind: Kind, path: str) -> Range:
    """Convert a range to the parameter's type. Raises `ConfigError` on a misfit."""
    match kind:
        case OptionalOf(kind=inner):
            return fitted(range_, inner, path)
        case AnyValue():
            return range_
        case UnionOf(kinds=kinds) if not isinstance(range_, Choice):
            # whole numbers become int where the type has both
            exact = [one for one in kinds if isinstance(one, Value) and one.type is int]
            wanted = [*exact, *kinds] if isinstance(range_, Int) else kinds
            kind = next((one for one in wanted if isinstance(one, Value) and one.type in (int, float)), kind)
    try:
        check_range(f"`{path}`", kind, range_)
        if isinstance(range_, Choice) and isinstance(kind, Value | EnumOf):
            return in_tree_form(f"`{path}`", kind, range_)
    except RegistrationError as error:
        raise ConfigError(str(error)) from None
    if isinstance(range_, Int) and isinstance(kind, Value) and kind.type is float:
        return Float(float(range_.low), float(range_.high), log=range_.log, step=float(range_.step))
    if isinstance(range_, Float):
        return Float(float(range_.low), float(range_.high), log=range_.log,
                     step=None if range_.step is None else float(range_.step))
    return range_


def nearest_in(range_: Range, value: Any) -> Any:
    """A default in a narrowed range: itself, else the nearest value, else the first."""
    if value is MISSING or range_.contains(value):
        return float(value) if isinstance(range_, Float) and value is not MISSING else value
    if isinstance(range_, Choice):
        return range_.values[0]
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return MISSING
    return nearest_value(range_, value)


def searches(wish: Any) -> bool:
    """Whether an entry has a range, or alternatives with `each`, in it."""
    if isinstance(wish, Mapping):
        return set(wish) == {EACH} or any(key in _RANGES for key in wish) or any(map(searches, wish.values()))
    if isinstance(wish, list | tuple):
        return any(map(searches, wish))
    return isinstance(wish, Int | Float | Choice)
