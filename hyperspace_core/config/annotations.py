"""Translate an annotation into the kind of value that it describes."""

from __future__ import annotations

import dataclasses
import inspect
import numbers
import re
import typing
from collections import abc
from collections.abc import Mapping
from enum import Enum
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin

from hyperspace_core.components import Lazy
from hyperspace_core.config import types
from hyperspace_core.errors import RegistrationError
from hyperspace_core.ranges import Choice, Float, Int, Range

_LISTS = (list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection)
_SETS = (set, abc.Set, abc.MutableSet)
_DICTS = (dict, abc.Mapping, abc.MutableMapping)


class Unresolvable(Exception):
    """An annotation that cannot be evaluated; the text gives the cause."""


def resolve(annotation: Any, names: Mapping[str, Any]) -> Any:
    """Evaluate the strings in an annotation in `names`. Raises `Unresolvable`."""
    holder = SimpleNamespace(__annotations__={"it": annotation})
    # a generated constructor may hide the builtins; without the key, Python inserts its own
    scope = {name: value for name, value in names.items() if name != "__builtins__"}
    try:
        return typing.get_type_hints(holder, globalns=scope, localns={}, include_extras=True)["it"]
    except Exception as error:
        raise Unresolvable(f"{type(error).__name__}: {error}") from error


def family_of(target: Any) -> type | None:
    """The family of a class: its base just below `Component`; None if it has none."""
    for base in getattr(target, "__mro__", ()):
        if any(_is_root(parent) for parent in base.__bases__):
            return typing.cast("type", base)
    return None


def _is_root(target: Any) -> bool:
    return bool(vars(target).get("__hyperspace_root__"))


def is_run(annotation: Any) -> bool:
    """Whether the parameter receives the live run: `Run` or `Run | None`."""
    members = [m for m in types.union_members(annotation) or (annotation,) if m is not type(None)]
    # recognized by name: the config package must not import the live handle
    return len(members) == 1 and getattr(members[0], "__name__", "") == "Run" and (
        getattr(members[0], "__module__", "") == "hyperspace_core.run")


@dataclasses.dataclass(frozen=True)
class Reader:
    """Reads a parameter's annotation; `where` (`Forest.trees`) names it in errors."""

    where: str

    def read(self, annotation: Any) -> tuple[types.Kind, Range | None, str]:
        """Return kind, range and help text of a whole annotation."""
        range_, text = None, ""
        if get_origin(annotation) is Annotated:
            annotation, *extras = get_args(annotation)
            ranges = [extra for extra in extras if isinstance(extra, Int | Float | Choice)]
            if len(ranges) > 1:
                raise RegistrationError(f"{self.where}: two ranges, {ranges[0]!r} and {ranges[1]!r}; "
                                        "keep one")
            range_ = ranges[0] if ranges else None
            text = next((doc for doc in map(_documentation, extras) if doc), "")
        kind = self._kind(annotation)
        if range_ is not None:
            return _with_range(kind, range_), range_, text
        return kind, range_within(kind), text

    def _inner(self, annotation: Any) -> types.Kind:
        return self.read(annotation)[0]

    def _kind(self, annotation: Any) -> types.Kind:  # noqa: PLR0911 - one line a form
        if annotation is Any or annotation is object:
            return types.AnyValue()
        if isinstance(annotation, TypeVar):
            return self._inner(annotation.__bound__) if annotation.__bound__ else types.AnyValue()
        for attribute in ("__supertype__", "__value__"):                   # NewType, `type X = …`
            if hasattr(annotation, attribute) and not isinstance(annotation, type):
                return self._inner(getattr(annotation, attribute))
        if isinstance(annotation, dataclasses.InitVar):
            return self._inner(annotation.type)
        if annotation is None or annotation is type(None):
            return types.OptionalOf(types.Opaque("None"))
        members = types.union_members(annotation)
        if members:
            return self._union(members)
        origin = get_origin(annotation) or annotation
        if origin is ClassVar or origin is typing.Final:
            return self._inner(get_args(annotation)[0]) if get_args(annotation) else types.AnyValue()
        return self._class(annotation, origin, get_args(annotation))

    def _union(self, members: tuple[Any, ...]) -> types.Kind:
        kinds = tuple(self._inner(member) for member in members if member is not type(None))
        joined = kinds[0] if len(kinds) == 1 else types.UnionOf(kinds)
        return types.OptionalOf(joined) if len(kinds) < len(members) else joined

    def _class(self, annotation: Any, origin: Any,  # noqa: PLR0911 - one line a form
               args: tuple[Any, ...]) -> types.Kind:
        if origin is Lazy:
            return self._lazy(args)
        if origin in _LISTS:
            return types.ListOf(self._inner(args[0]) if args else types.AnyValue())
        if origin in _SETS or origin is frozenset:
            return types.ListOf(self._inner(args[0]) if args else types.AnyValue(),
                          into=frozenset if origin is frozenset else set)
        if origin is tuple:
            return self._tuple(annotation, args)
        if origin in _DICTS:
            return self._dict(args)
        if origin is Literal or not isinstance(origin, type):
            return types.Value(annotation) if types.is_checked(annotation) else types.Opaque(str(annotation))
        return self._plain_class(origin)

    def _plain_class(self, target: type) -> types.Kind:
        if _is_root(target):
            raise RegistrationError(f"{self.where}: {target.__name__} is the root of all families; annotate "
                                    "it with a family, a direct subclass of it")
        family = family_of(target)
        if family is not None:
            return types.FamilyKind(family, target)
        if issubclass(target, Enum):
            return types.EnumOf(target)
        scalar = _python_type(target)
        if types.is_checked(scalar):
            return types.Value(scalar)
        return types.Nested(target) if types.is_plain_record(target) else types.Opaque(target.__name__)

    def _lazy(self, args: tuple[Any, ...]) -> types.Kind:
        kind = self._inner(args[0]) if args else None
        if not isinstance(kind, types.FamilyKind | types.Nested):
            raise RegistrationError(f"{self.where}: write Lazy[Family] with a family of components; "
                                    f"found Lazy{list(args) if args else ''}")
        return types.LazyOf(kind)

    def _tuple(self, annotation: Any, args: tuple[Any, ...]) -> types.Kind:
        if annotation in (tuple, typing.Tuple):  # noqa: UP006 - old code may say so
            return types.TupleOf(rest=types.AnyValue())
        if args and args[-1] is Ellipsis:
            return types.TupleOf(rest=self._inner(args[0]))
        return types.TupleOf(items=tuple(map(self._inner, args)))

    def _dict(self, args: tuple[Any, ...]) -> types.Kind:
        if not args:
            return types.RawDict()
        key, item = self._inner(args[0]), self._inner(args[1])
        if isinstance(key, types.AnyValue):
            key = types.Value(str)
        if not isinstance(key, types.Value | types.EnumOf):
            return types.Opaque(f"dict with keys of type {types.describe(key)}")
        plain = isinstance(item, types.AnyValue) and key == types.Value(str)
        return types.RawDict() if plain else types.DictOf(item, key)


def _python_type(target: type) -> type:
    """The Python type of a numpy scalar type, without importing numpy; other types unchanged."""
    if target in (int, float, bool, str) or not hasattr(target, "dtype"):
        return target
    if target.__name__ in ("bool", "bool_"):
        return bool
    kinds = ((int, numbers.Integral), (float, numbers.Real), (str, str))
    return next((python for python, kind in kinds if issubclass(target, kind)), target)


def _with_range(kind: types.Kind, range_: Range) -> types.Kind:
    match kind:
        case types.Value(type=type_):
            return types.Value(type_, range_)
        case types.OptionalOf(kind=inner):
            return types.OptionalOf(_with_range(inner, range_))
        case _:
            return kind


def range_within(kind: types.Kind) -> Range | None:
    match kind:
        case types.Value(range=range_):
            return range_
        case types.OptionalOf(kind=inner):
            return range_within(inner)
        case _:
            return None


def _documentation(extra: Any) -> str:
    if isinstance(extra, str):
        return extra
    text = getattr(extra, "documentation", "")                             # PEP 727
    return text if isinstance(text, str) else ""


# -- Find the line of a docstring that describes one parameter --

def help_of(target: Any, name: str) -> str:
    """The text on `name` in the docstring of a class or function; else empty.

    A class's constructor is read, too. Reads `:param name: text`, `name: text`, `name (type): text` and
    numpydoc's `name : type` with the text below.
    """
    docs = [inspect.getdoc(target) or ""]
    if isinstance(target, type) and "__init__" in vars(target):
        docs.append(inspect.getdoc(vars(target)["__init__"]) or "")
    return next(filter(None, (_described(doc, re.escape(name)) for doc in docs)), "")


def _described(doc: str, name: str) -> str:
    numpydoc = re.search(rf"^{name} : .*\n((?:[ \t]+\S.*\n?)+)", doc, re.MULTILINE)
    if numpydoc:
        return re.split(r"(?<=\.)\s", " ".join(numpydoc[1].split()), maxsplit=1)[0]      # the first sentence
    line = re.search(rf"^[ \t]*(?::param[ \t]+(?:[\w\[\], |.]+[ \t]+)?|:)?`{{0,2}}{name}`{{0,2}}"
                     r"(?:[ \t]*\([^)\n]*\))?:[ \t]+(\S.*)$", doc, re.MULTILINE)
    return line[1].strip() if line else ""

