"""Complete configs: write in every default and report every mistake.

A config is a change to the defaults. A section without `className`, or with the default's, keeps what it does
not mention. Another `className`, or a component's bare name, starts from that class's own defaults. Values
outside a search range are accepted: the range says where to search, not what is valid.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

from hyperspace_core.components import Lazy
from hyperspace_core.config import signature as signatures, tree as trees, types
from hyperspace_core.config.annotations import family_of
from hyperspace_core.config.registry import Entry, Registry, fits, pick
from hyperspace_core.config.signature import NameOf, Parameter, Signature, default_tree, signature_of
from hyperspace_core.config.tree import CLASS_NAME, MISSING, Tree, Unquoted, join, shown, unwrapped
from hyperspace_core.errors import ConfigError, RegistrationError, UnknownClassError, nearest

# -- Convert what Python code may write in a config --

def plain_config(value: Any, path: str = "", name_of: NameOf = signatures.class_name) -> Any:
    """A config as Python code may write it, in JSON values: the rest is left for completion to judge.

    Objects and classes of components become sections and names; arrays and ranges become lists. Raises
    `ConfigError` for an object that cannot be read back."""
    if isinstance(value, Mapping):
        return {key: plain_config(inner, join(path, key), name_of) for key, inner in value.items()}
    if isinstance(value, range) or (getattr(value, "shape", ()) != () and hasattr(value, "tolist")):
        value = value.tolist() if hasattr(value, "tolist") else list(value)
    if isinstance(value, list | tuple):
        return [plain_config(inner, join(path, index), name_of) for index, inner in enumerate(value)]
    if isinstance(value, type):
        family = family_of(value)
        return value if family is None else name_of(family, value)
    target = type(value)
    if isinstance(value, Lazy) or family_of(target) is not None or types.is_plain_record(target):
        try:
            return signatures.tree_of(value, name_of)
        except RegistrationError as error:
            raise ConfigError(f"`{path}`: {error}") from None
    if isinstance(value, PurePath | Enum):
        return value.name if isinstance(value, Enum) else str(value)
    return value


# -- Match the keys of a section with parameters, and describe unknown keys --

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
        name = trees.match_key(key, signature.by_name)
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
    if isinstance(parameter.kind, types.AnyValue) and parameter.name == "run":
        return f"{needs}; annotate it `run: Run` if it is to receive the live run"
    if isinstance(parameter.kind, types.Opaque):
        return (f"{needs}, but {parameter.kind.label} cannot be written in a config; give it a default, or "
                "take the component as Lazy")
    return f"{needs} ({types.describe(parameter.kind)})"


def _unknown(key: str, signature: Signature) -> str:
    near = nearest(key, signature.by_name)
    unread = f" (its **{signature.unread} is not read: name the argument in the signature)" \
        if signature.unread else ""
    if near:
        return f"{signature.name} has no such parameter; did you mean `{near}`?{unread}"
    names = [f"`{name}`" for name in list(signature.by_name)[:MAX_NAMED]]
    known = f"it has {', '.join(names)}" if names else "it has no parameters"
    return f"{signature.name} has no such parameter; {known}{unread}"


def complete(tree: Mapping[str, Any], signature: Signature, registry: Registry, *, path: str = "") -> Tree:
    """Return the tree with every default of `signature` written in.

    Idempotent; builds nothing, leaves `tree` alone. `path` is its place, for messages. Raises `ConfigError`
    with every problem of the tree, or `UnknownClassError` if one of them is a class that is not registered.
    """
    completed: Tree = _Completion(registry).run(types.Nested(signature.target), tree, path, signature)
    return completed


def complete_component(family: type, tree: Any, registry: Registry, *, path: str = "") -> Tree:
    """Complete a component: a section with a `className`, or a bare name.

    `family` may be a class below a family: then only its subclasses can be chosen.
    """
    kind = types.FamilyKind(family_of(family) or family, family)
    completed: Tree = _Completion(registry).run(kind, tree, path, None)
    return completed


def complete_value(tree: Any, kind: types.Kind, registry: Registry, *, path: str = "") -> Any:
    """Complete a value of any kind: a list of components, a factory, a plain number."""
    return _Completion(registry).run(kind, tree, path, None)


class _Completion:
    """One walk over a tree; continues after a problem to report all together."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.problems: list[str] = []
        self.unknown_class = False

    def run(self, kind: types.Kind, tree: Any, path: str, signature: Signature | None) -> Any:
        deep = trees.too_deep(tree)
        if deep is not None:
            raise ConfigError(f"{_at(path)}nested deeper than 64 levels at {deep}")
        completed = (self.value(tree, kind, MISSING, path) if signature is None else
                     self.section(tree, signature, MISSING, path))
        if self.problems:
            raise (UnknownClassError if self.unknown_class else ConfigError)(*self.problems)
        return completed

    def problem(self, path: str, text: str) -> Any:
        """Record a problem; return None, which takes the place of the value."""
        self.problems.append(f"{_at(path)}{text}")
        return None

    def mismatch(self, path: str, kind: types.Kind, value: Any) -> Any:
        return self.problem(path, f"expected {types.describe(kind)}, found {shown(value)}")

    # -- values ----------------------------------------------------------------------------------------------

    def value(self, value: Any, kind: types.Kind, base: Any, path: str) -> Any:  # noqa: PLR0911, PLR0912 - one line a kind
        """Return the completed value; `base` is the default that it changes, as a tree."""
        if type(value) is Unquoted and not isinstance(kind, types.Value | types.EnumOf | types.OptionalOf):
            value = value.value if not isinstance(kind, types.UnionOf) or any(
                fits(one, value.value, self.registry) for one in kind.kinds) else str(value)
            if isinstance(value, int) and not trees.LOWEST <= value <= trees.HIGHEST:
                return self.problem(path, "integer too large (limit 64 bit)")
        match kind:
            case types.Value() | types.EnumOf():
                try:
                    return types.accept(kind, value)
                except types.Mismatch as error:
                    return self.problem(path, str(error))
            case types.OptionalOf(kind=inner):
                return None if unwrapped(value) is None else self.value(value, inner, base, path)
            case types.FamilyKind():
                return self.component(value, kind, base, path)
            case types.LazyOf(kind=types.FamilyKind() as inner):
                return self.component(value, inner, base, path, lazy=True)
            case types.Nested(target=target):
                return self.section(value, signature_of(target), base, path)
            case types.LazyOf(kind=types.Nested(target=target)):
                return self.section(value, signature_of(target), base, path, lazy=True)
            case types.ListOf() | types.TupleOf():
                return self.items(value, kind, path)
            case types.DictOf():
                return self.named_items(value, kind, base, path)
            case types.UnionOf(kinds=kinds):
                member = pick(kinds, unwrapped(value), self.registry)
                if member is None:
                    return self.mismatch(path, kind, value)
                return self.value(value, member, base, path)
            case types.RawDict():
                return trees.copied(value) if isinstance(value, Mapping) else self.mismatch(path, kind, value)
            case types.AnyValue():
                return trees.copied(value)
            case types.Opaque(label=label):
                return self.problem(path, f"{label} cannot be written in a config; found {shown(value)}")

    def items(self, value: Any, kind: types.ListOf | types.TupleOf, path: str) -> Any:
        if not isinstance(value, list | tuple | set | frozenset):
            return self.mismatch(path, kind, value)
        kinds = types.item_kinds(kind, len(value))
        if len(kinds) != len(value):
            wanted = f"{types.describe(kind)}, {len(kinds)} items"
            return self.problem(path, f"expected {wanted}, found {len(value)}")
        return [self.value(inner, k, MISSING, join(path, index))
                for index, (inner, k) in enumerate(zip(value, kinds, strict=True))]

    def named_items(self, value: Any, kind: types.DictOf, base: Any, path: str) -> Any:
        """Complete a dict, which replaces its default; an item's class defaults by key."""
        if not isinstance(value, Mapping):
            return self.mismatch(path, kind, value)
        bases = base if isinstance(base, dict) else {}
        completed: Tree = {}
        for written, inner in value.items():
            try:
                key = types.key_text(kind.key, written)
            except types.Mismatch as error:
                self.problem(path, bad_key(written) if kind.key == types.Value(str) else f"key: {error}")
                continue
            if key in completed:
                self.problem(path, f"the key {key} is given twice")
            completed[key] = self.value(inner, kind.item, bases.get(key, MISSING), join(path, key))
        return completed

    # -- sections --------------------------------------------------------------------------------------------

    def component(self, value: Any, kind: types.FamilyKind, base: Any, path: str, *,
                  lazy: bool = False) -> Any:
        if isinstance(value, str):
            entry, body, base = self.find(kind, value, path), {}, MISSING
        elif isinstance(value, Mapping):
            entry = self.class_of(value, kind, base, path)
            body = {key: inner for key, inner in value.items() if key != CLASS_NAME}
            # a class other than the default's, under any of its names, starts from its own defaults
            before = base.get(CLASS_NAME) if isinstance(base, dict) else None
            base = base if self.registry.get(kind.family, before) is entry else MISSING
        else:
            return self.problem(path, f"expected {types.describe(kind)} (a name, or a section with "
                                      f"className), found {shown(value)}")
        if entry is None:
            return None
        signature = signature_of(entry.target)
        return {CLASS_NAME: entry.name} | self.section(body, signature, base, path, lazy=lazy)

    def class_of(self, section: Mapping[str, Any], kind: types.FamilyKind, base: Any,
                 path: str) -> Entry | None:
        """The class that the section, else its default, else the annotation names."""
        bases = base if isinstance(base, dict) else {}
        name = section.get(CLASS_NAME, bases.get(CLASS_NAME, MISSING))
        if name is MISSING:
            entries = self.registry.entries(kind.family)
            own = next((entry for entry in entries if entry.target is kind.base), None)
            if own is not None:
                return own
            known = [entry.name for entry in entries]
            self.problem(join(path, CLASS_NAME), f"missing; choose the {kind.base.__name__}: "
                                                 f"{', '.join(known[:20]) or 'none is registered'}")
            return None
        if not isinstance(name, str):
            self.problem(join(path, CLASS_NAME), f"expected a class name, found {shown(name)}")
            return None
        return self.find(kind, name, join(path, CLASS_NAME) if CLASS_NAME in section else path)

    def find(self, kind: types.FamilyKind, name: str, path: str) -> Entry | None:
        try:
            return self.registry.find(kind.family, name, below=kind.base)
        except UnknownClassError as error:
            self.unknown_class = True
            self.problem(path, str(error))
            return None

    def section(self, value: Any, signature: Signature, base: Any, path: str, *, lazy: bool = False) -> Tree:
        if not isinstance(value, Mapping):
            self.problem(path, f"expected a section for {signature.name}, found {shown(value)}")
            return {}
        given, problems = by_parameter(value, signature, path)
        self.problems += problems
        bases = base if isinstance(base, dict) else {}
        completed: Tree = {}
        for parameter in signature.parameters:
            name = parameter.name
            default = bases.get(name, MISSING)
            if default is MISSING:
                default = self.default(parameter, signature, path, used=name not in given)
            if name in given:
                completed[name] = self.value(given[name], parameter.kind, default, join(path, name))
            elif default is not MISSING:
                completed[name] = self.value(default, parameter.kind, default, join(path, name))
            elif parameter.required and not lazy:
                self.problem(join(path, name), missing(signature, parameter))
        return completed

    def default(self, parameter: Parameter, signature: Signature, path: str, *, used: bool) -> Any:
        """A parameter's default as a tree; an unused one may be of an unregistered class."""
        where = f"{signature.name}.{parameter.name}"
        try:
            return default_tree(parameter, where, self.registry.name_of)
        except (UnknownClassError, RegistrationError) as error:
            if used:
                self.unknown_class |= isinstance(error, UnknownClassError)
                self.problem(join(path, parameter.name), str(error))
        return MISSING


def _at(path: str) -> str:
    return f"`{path}`: " if path else ""


# -- Choose the seed of a run; one rule for every place where a config is completed --

LIMIT = 2**32          # numpy's limit, the narrowest of the usual generators


def choose_seed(config: Any, *, given: int | None = None, task: int | None = None) -> int:
    """The seed of a run by the rule above. Raises `ConfigError` for an invalid one."""
    written = unwrapped(config.get("seed")) if isinstance(config, dict) else None
    for where, value in (("seed", given), ("config `seed`", written), ("the task's seed", task)):
        if value is not None:
            return check_seed(where, value)
    return secrets.randbelow(LIMIT)


def check_seed(where: str, value: Any) -> int:
    value = unwrapped(value)
    if not trees.is_whole_number(value) or not 0 <= value < LIMIT:
        huge = isinstance(value, int) and value.bit_length() > 64      # Python may refuse to print it
        found = "an integer beyond 64 bit" if huge else repr(value)
        raise ConfigError(f"{where}: expected a whole number from 0 to {LIMIT - 1}, found {found}")
    return int(value)


def take_seed(config: dict[str, Any], signature: Signature, *, given: int | None = None,
              task: int | None = None) -> tuple[int, Tree]:
    """Choose the seed of a run, and take it out of its config; both. Raises like `choose_seed`."""
    seed = choose_seed(config, given=given, task=task)
    return seed, without_seed(config, signature, seed)


def without_seed(config: dict[str, Any], signature: Signature, seed: int) -> dict[str, Any]:
    """The config for `single_run`: `seed` left out, or set if it is a parameter."""
    tree = {key: value for key, value in config.items() if key != "seed"}
    return tree | {"seed": seed} if "seed" in signature.by_name else tree
