"""Read an entry of `space=`, in Python or JSON: range, alternatives or value.

`Float(0.1, 10, log=True)` is `{"float": [0.1, 10], "log": true}` in JSON, `Int(10, 1000, step=10)` is
`{"int": [10, 1000], "step": 10}`, `Choice("adam", "sgd")` is `["adam", "sgd"]`. Where the parameter is itself
a list, alternatives are `{"each": [[50], [100, 50]]}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperspace_core.errors import ConfigError, RegistrationError, nearest
from hyperspace_core.plugin import kinds as kinds_, signatures, trees
from hyperspace_core.ranges import Choice, Float, Int, Range
from hyperspace_tuning.space import nearest_value

_RANGES = {"float": Float, "int": Int}
_OPTIONS = ("log", "step")


def range_in(spec: Any, path: str) -> Any:
    """The range of a JSON section; other values unchanged. Raises `ConfigError`."""
    if not isinstance(spec, Mapping):
        return spec
    kinds = [key for key in spec if key in _RANGES]
    if not kinds:
        return spec
    for key in spec:
        if key not in (*kinds[:1], *_OPTIONS):
            near = nearest(str(key), _OPTIONS)
            cure = f"did you mean `{near}`?" if near else "it has `log` and `step`"
            raise ConfigError(f"`{path}.{key}`: a range has no such key; {cure}")
    name = kinds[0]
    bounds, log, step = spec[name], spec.get("log", False), spec.get("step")
    number = (int,) if name == "int" else (int, float)
    if not isinstance(bounds, list | tuple) or len(bounds) != 2 or not _are(bounds, number):
        raise ConfigError(f'`{path}.{name}`: expected two numbers, as in {{"{name}": [1, 10]}}, found '
                          f"{trees.shown(bounds)}")
    if not isinstance(log, bool):
        raise ConfigError(f"`{path}.log`: expected true or false, found {trees.shown(log)}")
    if step is not None and not _are([step], number):
        raise ConfigError(f"`{path}.step`: expected a number, found {trees.shown(step)}")
    try:
        if name == "float":
            return Float(bounds[0], bounds[1], log=log, step=step)
        return Int(bounds[0], bounds[1], log=log, step=1 if step is None else step)
    except RegistrationError as error:
        raise ConfigError(f"`{path}`: {error}") from None


def _are(values: Any, types: tuple[type, ...]) -> bool:
    return all(isinstance(value, types) and not isinstance(value, bool) for value in values)


def alternatives_in(spec: Any, kind: kinds_.Kind, base: Any, path: str) -> list[Any] | None:
    """The alternatives, or None for one value. Raises `ConfigError` if empty."""
    offered = spec
    if isinstance(spec, Choice):
        offered = spec.values
    elif isinstance(spec, Mapping) and set(spec) == {trees.EACH}:
        offered = spec[trees.EACH]
        if not isinstance(offered, list | tuple):
            raise ConfigError(
                f"`{path}.{trees.EACH}`: expected a list of alternatives, found {trees.shown(offered)}")
    elif not isinstance(spec, list | tuple) or kinds_.is_sequence(kind, base):
        return None
    if not offered:
        raise ConfigError(f"`{path}`: an empty list of alternatives leaves nothing to try")
    return list(offered)


def fitted_range(range_: Range, kind: kinds_.Kind, path: str) -> Range:
    """Convert a range to the parameter's type. Raises `ConfigError` on a misfit."""
    match kind:
        case kinds_.OptionalOf(kind=inner):
            return fitted_range(range_, inner, path)
        case kinds_.AnyValue():
            return range_
        case kinds_.UnionOf(kinds=kinds) if not isinstance(range_, Choice):
            # whole numbers become int where the type has both
            exact = [one for one in kinds if isinstance(one, kinds_.Value) and one.type is int]
            wanted = [*exact, *kinds] if isinstance(range_, Int) else kinds
            kind = next((one for one in wanted if isinstance(one, kinds_.Value) and one.type in (int, float)),
                        kind)
    try:
        signatures.check_range(f"`{path}`", kind, range_)
        if isinstance(range_, Choice) and isinstance(kind, kinds_.Value | kinds_.EnumOf):
            return signatures.in_tree_form(f"`{path}`", kind, range_)
    except RegistrationError as error:
        raise ConfigError(str(error)) from None
    if isinstance(range_, Int) and isinstance(kind, kinds_.Value) and kind.type is float:
        return Float(float(range_.low), float(range_.high), log=range_.log, step=float(range_.step))
    if isinstance(range_, Float):
        return Float(float(range_.low), float(range_.high), log=range_.log,
                     step=None if range_.step is None else float(range_.step))
    return range_


def nearest_default(range_: Range, value: Any) -> Any:
    """A default in a narrowed range: itself, else the nearest value, else the first."""
    if value is trees.MISSING or range_.contains(value):
        return float(value) if isinstance(range_, Float) and value is not trees.MISSING else value
    if isinstance(range_, Choice):
        return range_.values[0]
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return trees.MISSING
    return nearest_value(range_, value)


def has_ranges(spec: Any) -> bool:
    """Whether an entry has a range, or alternatives with `each`, in it."""
    if isinstance(spec, Mapping):
        return (set(spec) == {trees.EACH} or any(key in _RANGES for key in spec)
                or any(map(has_ranges, spec.values())))
    if isinstance(spec, list | tuple):
        return any(map(has_ranges, spec))
    return isinstance(spec, Int | Float | Choice)


# -- From Python objects to JSON ----------------------------------------------------------------------------

def space_to_json(spec: Any, name_of: signatures.NameOf = signatures.class_name, path: str = "space") -> Any:
    """The spec without objects: `Float(0.1, 10)` → `{"float": [0.1, 10]}`.

    A component (`Forest(trees=50)`) becomes its class and its arguments. Raises `ConfigError` for one that
    cannot be read back.
    """
    if isinstance(spec, Choice):
        return {trees.EACH: [space_to_json(value, name_of, path) for value in spec.values]}
    if isinstance(spec, Int | Float):
        tree: dict[str, Any] = {type(spec).__name__.lower(): [spec.low, spec.high]}
        tree |= {"log": True} if spec.log else {}
        return tree | ({} if spec.step in (None, 1) and not _stepped(spec) else {"step": spec.step})
    if isinstance(spec, Mapping):
        return {key: space_to_json(value, name_of, f"{path}.{key}") for key, value in spec.items()}
    if isinstance(spec, list | tuple):
        return [space_to_json(value, name_of, path) for value in spec]
    if spec is None or isinstance(spec, str | bool | int | float):
        return spec
    return _component(spec, name_of, path)


def _stepped(spec: Int | Float) -> bool:
    """Whether the step must be written: a float has none by default."""
    return isinstance(spec, Float) and spec.step is not None


def _component(spec: Any, name_of: signatures.NameOf, path: str) -> Any:
    try:
        return signatures.tree_of(spec, name_of)
    except RegistrationError as error:
        raise ConfigError(f"`{path}`: {error}") from None
