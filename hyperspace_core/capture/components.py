"""The section `components`: a code fingerprint of each component of a run.

A fingerprint changes with the code of the class, of its bases and of all project code that they refer to. It
does not change with comments, formatting, docstrings, annotations, other classes, or the defaults of
parameters that a config holds. Other packages count by name only; their versions are recorded elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from hyperspace_core.capture.fingerprint import fingerprint
from hyperspace_core.capture.modules import Modules
from hyperspace_core.capture.reach import EXTERNAL, Node, Reach, Reached
from hyperspace_core.capture.units import code_units
from hyperspace_core.components import Scenario
from hyperspace_core.config.kinds import (
    DictOf,
    EnumOf,
    Kind,
    LazyOf,
    ListOf,
    Nested,
    OptionalOf,
    TupleOf,
    UnionOf,
)
from hyperspace_core.config.schema import signature_of, signature_of_method
from hyperspace_core.config.sections import component_sections, sections
from hyperspace_core.sink import Absent, Section

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project

SECTION = "components"
HOOKS = ("hyperspace_execute", "hyperspace_load_data", "hyperspace_preprocess", "hyperspace_build_model",
         "hyperspace_train", "hyperspace_score", "hyperspace_seed")

Described = dict[str, str]

_made: WeakKeyDictionary[Extensions, _Fingerprints] = WeakKeyDictionary()


def component_fingerprints(project: Project, scenario: Mapping[str, Any],
                           config: Mapping[str, Any]) -> dict[str, Described]:
    """Path in the completed trees → class, module and fingerprint.
    The scenario's own are below `scenario`, the project's hooks under `hook:<name>`.
    """
    known = _of(project)
    signature = project.scenario_signature(dict(scenario))
    walks = (component_sections(Scenario, scenario, project.catalog, path="scenario"),
             sections(config, signature, project.catalog))
    found = {section.path: known.described(section.entry.name, section.entry.target)
             for walk in walks for section in walk if section.entry is not None and not section.below}
    return found | known.hooks(project)


def components_section(project: Project, scenario: Mapping[str, Any],
                       config: Mapping[str, Any]) -> Section | Absent:
    """`component_fingerprints` as a section; an error becomes its reason."""
    try:
        return Section(SECTION, dict(component_fingerprints(project, scenario, config)))
    except Exception as error:  # noqa: BLE001 - must not stop the run
        return Absent(SECTION, f"{type(error).__name__}: {error}")


def function_fingerprint(project: Project, function: Any) -> str:
    """The fingerprint of a top-level function; "" where its source is missing."""
    known, node = _of(project), _node(function, component=False)
    if _is_external(known.modules, function):
        return f"{EXTERNAL}{node.module}.{node.name}"
    return known.reached(function, [node]) if Reach(known.modules).has(node) else ""


def prepare(project: Project) -> None:
    """Compute the fingerprints of all components, so that forks inherit them."""
    known = _of(project)
    for entry in project.catalog.entries():
        known.described(entry.name, entry.target)
    known.hooks(project)


def _of(project: Project) -> _Fingerprints:
    known = _made.get(project.extensions)
    if known is None:
        known = _made[project.extensions] = _Fingerprints()
        known.modules.cover({unit.name for unit in code_units(project)})
    return known


class _Fingerprints:
    """Cache of fingerprints, valid while the files are unchanged."""

    def __init__(self) -> None:
        self.modules = Modules()
        self._reached: dict[Any, Reached] = {}

    def described(self, name: str, target: Any) -> Described:
        module = _module(target.func if isinstance(target, partial) else target)
        return {"class": name, "module": module} | self._fingerprint(target)

    def hooks(self, project: Project) -> dict[str, Described]:
        """The hooks that the project's own code implements."""
        found: dict[str, Described] = {}
        for hook in HOOKS:
            every = getattr(project.extensions.manager.hook, hook).get_hookimpls()
            functions = [one.function for one in every
                         if _module(one.function).partition(".")[0] in project.packages]
            if functions:
                roots = [_node(function, component=False) for function in functions]
                found[f"hook:{hook}"] = {
                    "class": ", ".join(sorted(function.__qualname__ for function in functions)),
                    "module": ", ".join(sorted({_module(function) for function in functions})),
                    "fingerprint": self.reached(tuple(roots), roots)}
        return found

    def _fingerprint(self, target: Any) -> Described:
        if isinstance(target, partial):            # its bound arguments are part of the code
            found = self._fingerprint(target.func)
            bound = fingerprint((found["fingerprint"], target.args, target.keywords))
            return found | {"fingerprint": bound.removeprefix("partial:")}
        node = _node(target, component=True)
        if _is_external(self.modules, target):
            return {"fingerprint": f"{EXTERNAL}{node.module}.{getattr(target, '__qualname__', node.name)}"}
        note = "its source was not found"
        try:
            if Reach(self.modules).has(node):
                return {"fingerprint": self.reached(target, [node, *self._held(target)])}
        except RecursionError:
            note = "its source is nested too deeply to be read"
        return {"fingerprint": f"unread:{node.module}.{node.name}", "note": note}

    def _held(self, target: Any) -> Iterator[Node]:
        """The project's dataclasses and enums among the parameters."""
        for held in _held_by(target):
            if not _is_external(self.modules, held):
                yield _node(held, component=True)

    def reached(self, key: Any, roots: Iterable[Node]) -> str:
        known = self._reached.get(key)
        if known is None or any(self.modules.stamp(file) != stamp for file, stamp in known.files):
            known = self._reached[key] = Reach(self.modules).of(roots)
        return known.fingerprint


def _module(target: Any) -> str:
    return str(getattr(target, "__module__", "") or "")


def _node(target: Any, *, component: bool) -> Node:
    name = getattr(target, "__qualname__", type(target).__qualname__)
    return Node(_module(target), name.partition(".")[0], component)


def _is_external(modules: Modules, target: Any) -> bool:
    return not modules.is_own(_module(target))


@lru_cache(maxsize=4096)
def _held_by(target: Any) -> list[type]:
    signatures = [signature_of(target)]
    if isinstance(target, type) and issubclass(target, Scenario):
        signatures.append(signature_of_method(cast("Any", target), "single_run"))
    found: dict[type, None] = {}
    waiting = [parameter.kind for signature in signatures for parameter in signature.parameters]
    while waiting:
        for held in _types_in(waiting.pop()):
            if held not in found:
                found[held] = None
                waiting += [one.kind for one in signature_of(held).parameters] if _is_nested(held) else []
    return sorted(found, key=lambda one: (one.__module__, one.__qualname__))


def _is_nested(held: type) -> bool:
    return hasattr(held, "__dataclass_fields__")


def _types_in(kind: Kind) -> list[type]:
    match kind:
        case Nested(target=target) | EnumOf(type=target):
            return [target]
        case OptionalOf(kind=inner) | LazyOf(kind=inner) | ListOf(item=inner) | DictOf(item=inner):
            return _types_in(inner)
        case TupleOf(items=items, rest=rest):
            return [held for inner in (*items, *((rest,) if rest else ())) for held in _types_in(inner)]
        case UnionOf(kinds=kinds):
            return [held for inner in kinds for held in _types_in(inner)]
        case _:
            return []
