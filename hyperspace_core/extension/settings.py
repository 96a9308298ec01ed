"""Check where a plain settings dict may replace a component.

`Pipeline` takes either. A dict without `className` is valid only if a hook receives it; elsewhere its
`className` is missing, which is an error before the run is queued.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hyperspace_core.components import Dataset, Model, Preprocessor, Scorer, Trainer
from hyperspace_core.config.catalog import Catalog
from hyperspace_core.config.kinds import FamilyKind, Kind, OptionalOf, RawDict, UnionOf
from hyperspace_core.config.schema import Signature
from hyperspace_core.config.tree import CLASS_NAME, join

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions

_STAGES: Mapping[type, str] = {
    Dataset: "hyperspace_load_data",
    Preprocessor: "hyperspace_preprocess",
    Model: "hyperspace_build_model",
    Trainer: "hyperspace_train",
    Scorer: "hyperspace_score",
}


def misplaced_settings(tree: Mapping[str, Any], signature: Signature, catalog: Catalog,
                       extensions: Extensions, path: str) -> list[str]:
    """The problems of a completed tree's sections without `className`, one line each."""
    problems = []
    for parameter in signature.parameters:
        section, family = tree.get(parameter.name), _family_or_settings(parameter.kind)
        if family is None or not isinstance(section, dict) or CLASS_NAME in section:
            continue
        hook = _STAGES.get(family)
        own = [entry.name for entry in catalog.entries(family) if not _is_core(entry.target)]
        where = join(path, parameter.name)
        if own:
            problems.append(f"`{join(where, CLASS_NAME)}`: missing; choose the {family.__name__}: "
                            f"{', '.join(own[:20])}")
        elif hook is not None and not extensions.implements(hook):
            problems.append(f"`{where}`: a plain settings dict needs a hook that receives it, and nothing "
                            f"implements {hook}; implement it, or register a {family.__name__}")
    return problems


def _family_or_settings(kind: Kind) -> type | None:
    """The family of a parameter that takes a component or a plain dict."""
    members = kind.kinds if isinstance(kind, UnionOf) else ()
    if isinstance(kind, OptionalOf):
        return _family_or_settings(kind.kind)
    if not any(isinstance(member, RawDict) for member in members):
        return None
    return next(_families(members), None)


def _families(kinds: tuple[Kind, ...]) -> Iterator[type]:
    return (kind.family for kind in kinds if isinstance(kind, FamilyKind))


def _is_core(target: Any) -> bool:
    return str(getattr(target, "__module__", "")).partition(".")[0] == "hyperspace_core"
