"""The importance of each parameter, as a tuner estimates it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core.config.build import build_component
from hyperspace_core.config.tree import CLASS_NAME
from hyperspace_core.tuner import Tuner

if TYPE_CHECKING:
    from hyperspace_core.config.searchspace import Space
    from hyperspace_core.extension.project import Project
    from hyperspace_core.tuner import History


def importance_of(project: Project, space: Space, history: History) -> dict[str, float]:
    """`classifier`, `classifier[Forest].trees` → its share, the highest first.

    Empty where no tuner can compute it. The preferred one of the installed tuners does, not the search's own.
    """
    entries = sorted(project.registry.entries(Tuner),
                     key=lambda entry: (-entry.target.preference, entry.name))
    for entry in entries:
        if entry.target.importance is not Tuner.importance:
            tuner: Tuner = build_component(Tuner, {"className": entry.name}, project.registry, path="tuner")
            found = tuner.importance(space, history)
            ranked = sorted(found.items(), key=lambda one: (-one[1], one[0]))
            return {key.removesuffix(f".{CLASS_NAME}"): share for key, share in ranked}
    return {}
