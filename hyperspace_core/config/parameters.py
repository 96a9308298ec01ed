"""Read the parameters of classes, functions and methods; `schema` checks them."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import sys
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from hyperspace_core.config import types
from hyperspace_core.config.annotations import Reader, Unresolvable, family_of, help_of, is_run, resolve
from hyperspace_core.config.tree import MISSING
from hyperspace_core.errors import RegistrationError
from hyperspace_core.ranges import Range

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One hyper-parameter. `default` is the object in the signature, or `MISSING`."""

    name: str
    kind: types.Kind
    default: Any = MISSING
    range: Range | None = None
    help: str = ""
    origin: type | None = None     # the class whose constructor or method has it; None for a function's

    @property
    def required(self) -> bool:
        return self.default is MISSING


@dataclass(frozen=True, kw_only=True)
class Signature:
    """The parameters of a class, function or method; `run` names the live run's."""

    target: Any
    name: str
    doc: str
    parameters: tuple[Parameter, ...]
    run: str | None = None
    unread: str | None = None      # its `**kwargs`, where no base's constructor takes them

    @functools.cached_property
    def by_name(self) -> Mapping[str, Parameter]:
        return {parameter.name: parameter for parameter in self.parameters}


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Where parameters are read from, and the scope of their annotations."""

    target: Any
    name: str
    function: Callable[..., Any] | None      # None: a class without a constructor of its own
    bound: bool                              # the first parameter is `self` or `cls`
    fields: Mapping[str, dataclasses.Field[Any]]
    foreign: bool                            # a third-party class: its signature cannot be corrected
    owner: type | None = None                # the class that has the method
    defines: type | None = None              # the one of its bases that defines it
    method: str = "__init__"


@functools.lru_cache(maxsize=4096)
def read_signature(target: Any) -> Signature:
    """Read a class's or function's signature. Raises `RegistrationError`."""
    if isinstance(target, type):
        return _read(_source_of_class(target))
    if not callable(target):
        raise RegistrationError(f"{target!r}: neither a class nor a function")
    function = target.func if isinstance(target, functools.partial) else target
    name = getattr(function, "__qualname__", type(target).__name__).rpartition("<locals>.")[2]
    bound = not inspect.ismethod(target) and _takes_self(target, name)
    return _read(_Source(target=target, name=name, function=target, bound=bound, fields={}, foreign=False))


@functools.lru_cache(maxsize=1024)
def read_method(owner: type, method: str) -> Signature:
    """Read the signature of a plain, static or class method, without its `self`."""
    found = inspect.getattr_static(owner, method, None)
    if found is None:
        raise RegistrationError(f"{owner.__name__} has no method {method}()")
    source = _method_source(owner, method, f"{owner.__name__}.{method}", owner.__mro__)
    if not callable(source.function):
        raise RegistrationError(f"{source.name} is not a method but {type(found).__name__}")
    if not source.bound:
        source = dataclasses.replace(source, name=getattr(source.function, "__name__", method))
    return _read(source)


def _method_source(owner: type, method: str, name: str, bases: tuple[type, ...]) -> _Source:
    defines = next(base for base in bases if method in vars(base))
    found = vars(defines)[method]
    static = isinstance(found, staticmethod)
    function = found.__func__ if isinstance(found, staticmethod | classmethod) else found
    return _Source(target=function, name=name, function=function, fields={}, foreign=False, bound=not static,
                   owner=owner, defines=defines, method=method)


def _source_of_class(target: type, bases: tuple[type, ...] | None = None) -> _Source:
    foreign = family_of(target) is None and not dataclasses.is_dataclass(target)
    source = _Source(target=target, name=target.__name__, function=None, bound=True, fields={},
                     foreign=foreign, owner=target)
    for owner in target.__mro__[:-1] if bases is None else bases:
        if "__init__" in vars(owner):
            generated = "__dataclass_params__" in vars(owner) and vars(owner)["__dataclass_params__"].init
            fields = getattr(owner, "__dataclass_fields__") if generated else {}  # noqa: B009 - mypy
            return dataclasses.replace(source, function=vars(owner)["__init__"], fields=fields, defines=owner)
        if "__new__" in vars(owner):
            made = vars(owner)["__new__"]
            return dataclasses.replace(source, function=getattr(made, "__func__", made), defines=owner)
    return source


def _takes_self(target: Any, name: str) -> bool:
    try:
        first = next(iter(inspect.signature(target).parameters.values()), None)
    except (TypeError, ValueError):
        return False
    return "." in name and first is not None and first.name == "self" and first.annotation is first.empty


def _read(source: _Source) -> Signature:
    parameters: list[Parameter] = []
    run = unread = None
    for raw in _raw_parameters(source):
        where = f"{source.name}.{raw.name}"
        if raw.kind is raw.POSITIONAL_ONLY and raw.default is raw.empty:
            raise RegistrationError(f"{where}: positional-only, so a config cannot name it; remove the '/'")
        if raw.kind is raw.VAR_KEYWORD:
            base = _read_base(source, raw.name)
            unread = raw.name if base is None else base.unread
            named = {parameter.name for parameter in parameters}
            parameters += [one for one in base.parameters if one.name not in named] if base else []
        if raw.kind not in _NAMED:
            continue                                       # no config can name *args
        annotation = _annotation(source, raw, where)
        if is_run(annotation):
            if run is not None:
                raise RegistrationError(f"{where}: `{run}` already receives the live run; keep one of them")
            run = raw.name
            continue
        parameters.append(_parameter(source, raw, annotation, where))
    doc = inspect.getdoc(source.target) or ""
    return Signature(target=source.target, name=source.name, doc=doc, parameters=tuple(parameters), run=run,
                     unread=unread)


# -- `**kwargs` that a base takes: class Wide(Base): def __init__(self, width=5, **kwargs) --

def _read_base(source: _Source, rest: str) -> Signature | None:
    """The signature of the base's method that gets `**rest`, without what it is given by name or place.

    None where the source does not show that a base gets it."""
    call = _base_call(source.function, source.method, rest)
    bases = _bases_after(source)
    if call is None or not any(source.method in vars(base) for base in bases):
        return None
    above = _source_of_class(cast("type", source.owner), bases) if source.method == "__init__" else (
        _method_source(cast("type", source.owner), source.method, source.name, bases))
    placed = len(call.args) - (0 if _is_super(call.func) else 1)
    given = {keyword.arg for keyword in call.keywords}
    given |= {raw.name for raw in _raw_parameters(above)[:max(0, placed)]}
    signature = _read(dataclasses.replace(above, foreign=True) if source.foreign else above)
    return dataclasses.replace(
        signature, parameters=tuple(one for one in signature.parameters if one.name not in given))


def _bases_after(source: _Source) -> tuple[type, ...]:
    """The classes after the one that defines the method, without `object`."""
    bases = source.owner.__mro__[:-1] if source.owner is not None else ()
    for index, base in enumerate(bases):
        found = vars(base).get(source.method)
        if getattr(found, "__func__", found) is source.function:
            return bases[index + 1:]
    return ()


def _base_call(function: Any, method: str, rest: str) -> ast.Call | None:
    """The call `super().method(…, **rest)` or `Base.method(self, …, **rest)` in a function's source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method:
            hands_on = any(keyword.arg is None and isinstance(keyword.value, ast.Name)
                           and keyword.value.id == rest for keyword in node.keywords)
            if hands_on and not any(isinstance(one, ast.Starred) for one in node.args):
                return node
    return None


def _is_super(called: ast.expr) -> bool:
    return isinstance(called, ast.Attribute) and isinstance(called.value, ast.Call) and (
        isinstance(called.value.func, ast.Name) and called.value.func.id == "super")


# -- attrs classes and pydantic models: their own defaults and names, without importing the libraries --

def attribute_of(target: Any, name: str) -> str:
    """The attribute that holds an argument: attrs takes `_depth` as `depth`, pydantic may have an alias."""
    for attribute in getattr(target, "__attrs_attrs__", ()):
        if attribute.alias == name:
            return str(attribute.name)
    for attribute, field in getattr(target, "__pydantic_fields__", {}).items():
        if field.alias == name:
            return str(attribute)
    return name


def _factory_of(target: Any, name: str) -> tuple[Callable[[], Any] | None, bool]:
    """The default factory of an attrs or pydantic field, and whether it needs the other arguments."""
    for attribute in getattr(target, "__attrs_attrs__", ()):
        factory = getattr(attribute.default, "factory", None)
        if attribute.alias == name and factory is not None:
            return factory, bool(attribute.default.takes_self)
    field = getattr(target, "__pydantic_fields__", {}).get(attribute_of(target, name))
    factory = getattr(field, "default_factory", None)
    return factory, bool(getattr(field, "default_factory_takes_validated_data", False))


def _raw_parameters(source: _Source) -> list[inspect.Parameter]:
    if source.function is None:
        return []
    try:
        raw = list(inspect.signature(source.function).parameters.values())
        declared = getattr(source.target, "__signature__", None)
        if isinstance(source.target, type) and isinstance(declared, inspect.Signature):
            return list(declared.parameters.values())      # a metaclass that declares its constructor
    except (TypeError, ValueError):
        raise RegistrationError(f"{source.name}: its parameters cannot be read (a constructor in C?); "
                                "wrap it in a class with a constructor in Python") from None
    return raw[1:] if source.bound else raw


def _annotation(source: _Source, raw: inspect.Parameter, where: str) -> Any:
    """The resolved annotation, or `Parameter.empty`."""
    owner: Any = source.target
    annotation = raw.annotation
    if raw.name in source.fields:
        # the class whose body annotates the field: its module is the scope
        owner = next(base for base in source.target.__mro__ if raw.name in inspect.get_annotations(base))
        annotation = inspect.get_annotations(owner)[raw.name]
    if annotation is raw.empty:
        return annotation
    try:
        return resolve(annotation, _names(source, owner))
    except Unresolvable as error:
        if source.foreign and raw.default is not raw.empty:
            return raw.empty
        raise RegistrationError(
            f"{where}: the annotation {str(annotation)!r} cannot be resolved at run time ({error}). Import "
            "its names at run time (not only under `if TYPE_CHECKING:`), and define classes at module level"
        ) from None


def _names(source: _Source, owner: Any) -> dict[str, Any]:
    """The names an annotation may use: the module's and the class's, never a field's."""
    scope: dict[str, Any] = {}
    if isinstance(owner, type):
        scope = {name: value for name, value in vars(owner).items()
                 if isinstance(value, type) and not name.startswith("__")}
        scope |= {owner.__name__: owner} | vars(sys.modules.get(owner.__module__, object))
    if source.function is None or owner is not source.target or source.fields:
        return scope
    function = source.function.func if isinstance(source.function, functools.partial) else source.function
    return scope | getattr(inspect.unwrap(function), "__globals__", {})


def _parameter(source: _Source, raw: inspect.Parameter, annotation: Any, where: str) -> Parameter:
    default = _default(source, raw, where)
    if annotation is raw.empty:
        return Parameter(name=raw.name, kind=_guessed(default), default=default,
                         help=help_of(source.target, raw.name), origin=source.defines)
    try:
        kind, range_, text = Reader(where).read(annotation)
    except RecursionError:
        raise RegistrationError(f"{where}: the annotation refers to itself without end") from None
    kind = _flat(kind)
    if source.foreign and default is not MISSING:
        kind = _as_its_default_says(kind, default)
    declared = source.fields[raw.name].metadata.get("help", "") if raw.name in source.fields else ""
    return Parameter(name=raw.name, kind=kind, default=default, range=range_, origin=source.defines,
                     help=text or str(declared) or help_of(source.target, raw.name))


def _default(source: _Source, raw: inspect.Parameter, where: str) -> Any:
    field = source.fields.get(raw.name)
    factory, needs_others = _factory_of(source.target, raw.name)
    if field is not None and field.default_factory is not dataclasses.MISSING:
        factory = field.default_factory
    if factory is not None and needs_others:
        raise RegistrationError(f"{where}: its default is computed from other arguments, so no config can "
                                "hold it; make the default None and compute it in the constructor")
    if factory is not None:
        try:
            return factory()
        except Exception as error:
            cause = f"{type(error).__name__}: {error}"
            raise RegistrationError(f"{where}: its default_factory raised {cause}") from error
    return MISSING if raw.default is raw.empty else raw.default


def _guessed(default: Any) -> types.Kind:
    """The kind of a parameter without annotation: known only for a default component."""
    family = None if isinstance(default, type) else family_of(type(default))
    if family is None:
        return types.AnyValue(as_tuple=isinstance(default, tuple))
    return types.FamilyKind(family, family)


def _flat(kind: types.Kind) -> types.Kind:
    """Simplify a lone `None` and unions in unions."""
    match kind:
        case types.OptionalOf(kind=types.OptionalOf() as inner):
            return _flat(inner)
        case types.UnionOf(kinds=kinds) if any(isinstance(inner, types.OptionalOf) for inner in kinds):
            plain = tuple(inner.kind if isinstance(inner, types.OptionalOf) else inner for inner in kinds)
            return types.OptionalOf(types.UnionOf(plain))
        case types.OptionalOf(kind=types.Opaque(label="None")):
            return types.OptionalOf(types.AnyValue())
        case _:
            return kind


def _as_its_default_says(kind: types.Kind, default: Any) -> types.Kind:
    """Widen a third-party annotation, as `int`, to its default, as None or "auto"."""
    if default is None:
        return kind if isinstance(kind, types.OptionalOf) else types.OptionalOf(kind)
    if isinstance(kind, types.Value | types.EnumOf):
        try:
            types.accept(kind, default)
        except types.Mismatch:
            return types.AnyValue(as_tuple=isinstance(default, tuple))
    return kind
