"""Match the sections of a stored tree with the current classes.

Unlike completion this writes nothing and reports no problems: values that do not fit are skipped. It finds
the parameters that an old tree lacks, and those of its values that were defaults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hyperspace_core.config import types
from hyperspace_core.config.complete import complete
from hyperspace_core.config.migrate import EVERY
from hyperspace_core.config.registry import Entry, Registry, pick
from hyperspace_core.config.signature import Parameter, Signature, signature_of
from hyperspace_core.config.tree import CLASS_NAME, MISSING, join, match_key
from hyperspace_core.errors import ConfigError
from hyperspace_core.ranges import Choice, Range


@dataclass(frozen=True, kw_only=True)
class ConfigSection:
    """One section of a tree, with its current class and signature."""

    path: str                      # dotted, from the top of the tree
    entry: Entry | None            # the component that it is or lies in; None: parameters of `single_run`
    called: str = ""               # the component's name in the tree, possibly a former one
    fills: str = ""                # the parameter that the component fills
    below: str = ""                # from the component to this section: "", "options", "layers.*"
    signature: Signature
    given: Mapping[str, Any]
    written: Any = MISSING         # the user's value at this place
    base: Mapping[str, Any]        # the default's value at this place
    whole: bool = False            # part of a list or dict that is a default as a whole
    lazy: bool = False             # arguments may be left to run time

    def parameter(self, name: str) -> str:
        """The parameter as a step names it: relative to the component, or to the top."""
        return join(self.below, name)

    def label(self, name: str) -> str:
        """The same with its class: `Forest.max_depth`, `Holdout.single_run.rate`."""
        owner = self.signature.name if self.entry is None else self.entry.name
        return f"{owner}.{self.parameter(name)}"

    def written_of(self, name: str) -> Any:
        """The user's value for a parameter, in any spelling; else `MISSING`."""
        written = self.written if isinstance(self.written, Mapping) else {}
        return next((value for key, value in written.items()
                     if isinstance(key, str) and match_key(key, self.signature.by_name) == name), MISSING)


def sections(tree: Mapping[str, Any], signature: Signature, registry: Registry,
             written: Any = MISSING) -> Iterator[ConfigSection]:
    """The sections of hyper-parameters, top down; `written`: the user's tree."""
    top = ConfigSection(path="", entry=None, signature=signature, given=tree, written=written, base={})
    yield from _Walk(registry).section(top)


def component_sections(family: type, tree: Any, registry: Registry, *, path: str = "",
                       written: Any = MISSING) -> Iterator[ConfigSection]:
    """The sections of a component's tree; `path` is its place."""
    outside = ConfigSection(path="", entry=None, signature=signature_of(object), given={}, base={})
    spot = _Spot(value=tree, name=path, path=path, written=written)
    yield from _Walk(registry).component(spot, types.FamilyKind(family, family), outside)


def own_default(signature: Signature, parameter: Parameter, registry: Registry) -> Any:
    """A parameter's default as in a completed tree, or `MISSING`."""
    alone = replace(signature, parameters=(parameter,))
    try:
        return complete({}, alone, registry).get(parameter.name, MISSING)
    except ConfigError:
        return MISSING


def _is_plain(kind: types.Kind) -> bool:
    """Whether it cannot contain a section."""
    return all(isinstance(one, types.Value | types.EnumOf) for one in types.alternatives(kind))


@dataclass(frozen=True, kw_only=True)
class _Spot:
    """A value in a tree, with the default and the user's value at the same place."""

    value: Any
    name: str                      # of its parameter, followed by `.*` inside lists and dicts
    path: str
    base: Any = MISSING
    written: Any = MISSING
    lazy: bool = False


@dataclass(frozen=True)
class _Walk:
    registry: Registry

    def section(self, section: ConfigSection) -> Iterator[ConfigSection]:
        yield section
        for parameter in section.signature.parameters:
            name = parameter.name
            if name in section.given and not _is_plain(parameter.kind):
                base: Any = section.base.get(name, MISSING)
                yield from self.value(_Spot(
                    value=section.given[name], name=name, path=join(section.path, name),
                    base=self.registry.default_of(parameter) if base is MISSING else base,
                    written=section.written_of(name)), parameter.kind, section)

    def value(self, spot: _Spot, kind: types.Kind, above: ConfigSection) -> Iterator[ConfigSection]:
        """The sections in a value of a parameter of `above`."""
        match kind:
            case types.OptionalOf(kind=inner):
                yield from self.value(spot, inner, above)
            case types.LazyOf(kind=inner):
                yield from self.value(replace(spot, lazy=True), inner, above)
            case types.FamilyKind():
                yield from self.component(spot, kind, above)
            case types.Nested(target=target) if isinstance(spot.value, Mapping):
                yield from self.section(replace(
                    above, path=spot.path, below=join(above.below, spot.name), given=spot.value,
                    signature=replace(signature_of(target), name=above.signature.name),
                    written=spot.written, base=spot.base if isinstance(spot.base, dict) else {},
                    lazy=spot.lazy))
            case types.UnionOf(kinds=kinds):
                member = pick(kinds, spot.value, self.registry)
                if member is not None:
                    yield from self.value(spot, member, above)
            case types.ListOf() | types.TupleOf() | types.DictOf():
                inside = replace(above, whole=above.whole or spot.written is MISSING)
                for item, item_kind in self.items(spot, kind):
                    yield from self.value(item, item_kind, inside)

    def items(self, spot: _Spot,
              kind: types.ListOf | types.TupleOf | types.DictOf) -> Iterator[tuple[_Spot, types.Kind]]:
        name, value, written = join(spot.name, EVERY), spot.value, spot.written
        if isinstance(kind, types.DictOf):
            bases = spot.base if isinstance(spot.base, dict) else {}
            texts = written if isinstance(written, Mapping) else {}
            for key, inner in value.items() if isinstance(value, Mapping) else ():
                yield _Spot(value=inner, name=name, path=join(spot.path, key), base=bases.get(key, MISSING),
                            written=texts.get(key, MISSING)), kind.item
        elif isinstance(value, list | tuple):
            items = written if isinstance(written, list | tuple) else ()
            item_kinds = types.item_kinds(kind, len(value))
            for index, (inner, one) in enumerate(zip(value, item_kinds, strict=False)):
                yield _Spot(value=inner, name=name, path=join(spot.path, index),
                            written=items[index] if index < len(items) else MISSING), one

    def component(self, spot: _Spot, kind: types.FamilyKind, above: ConfigSection) -> Iterator[ConfigSection]:
        called = spot.value.get(CLASS_NAME) if isinstance(spot.value, Mapping) else None
        entry = self.registry.get(kind.family, called)
        if entry is None or not isinstance(called, str):
            return
        # a component's bare name starts from the defaults of its own class
        same = isinstance(spot.base, dict) and not isinstance(spot.written, str) and (
            self.registry.get(kind.family, spot.base.get(CLASS_NAME)) is entry)
        yield from self.section(ConfigSection(
            path=spot.path, entry=entry, called=called, fills=spot.name.partition(".")[0], given=spot.value,
            signature=signature_of(entry.target), written=spot.written, base=spot.base if same else {},
            whole=above.whole, lazy=spot.lazy))


# -- Describe parameters for display: type, range, default, choices, help --

@dataclass(frozen=True, kw_only=True)
class DescribedParameter:
    """One parameter. `default` is the value in a completed config, or None."""

    name: str                      # the dotted path of a field in a plain dataclass
    type: str                      # as a user would annotate it
    required: bool
    default: Any = None
    range: Range | None = None
    choices: tuple[str, ...] = ()  # class names of a component, members of an Enum
    help: str = ""


def described_parameters(signature: Signature, registry: Registry, *, path: str = "",
                         above: tuple[type, ...] = ()) -> Iterator[DescribedParameter]:
    """List a signature's parameters in order, each followed by its dataclass fields.

    `above`: the dataclasses around this one; a dataclass inside itself is described once.
    """
    for parameter in signature.parameters:
        name, default = join(path, parameter.name), registry.default_of(parameter)
        yield DescribedParameter(
            name=name, type=types.describe(parameter.kind), required=parameter.required, help=parameter.help,
            default=None if default is MISSING else default, range=parameter.range,
            choices=tuple(dict.fromkeys(_choices(parameter.kind, registry))))
        nested = _nested(parameter.kind)
        if nested is not None and nested.target not in above:
            yield from described_parameters(signature_of(nested.target), registry, path=name,
                                            above=(*above, nested.target))


def range_text(given: Range) -> str:
    """`10 to 1000, log`, or `one of adam, sgd`."""
    if isinstance(given, Choice):
        return f"one of {', '.join(map(str, given.values))}"
    step = "" if given.step in (None, 1) else f", in steps of {_short(given.step)}"
    return f"{_short(given.low)} to {_short(given.high)}{', log' if given.log else ''}{step}"


def _short(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


def _choices(kind: types.Kind, registry: Registry) -> Iterator[str]:
    for one in types.kinds_within(kind):
        if isinstance(one, types.FamilyKind):
            yield from (entry.name for entry in registry.entries(one.family, below=one.base))
        elif isinstance(one, types.EnumOf):
            yield from one.type.__members__


def _nested(kind: types.Kind) -> types.Nested | None:
    if isinstance(kind, types.Nested):
        return kind
    inner = kind.kind if isinstance(kind, types.OptionalOf | types.LazyOf) else None
    return None if inner is None else _nested(inner)
