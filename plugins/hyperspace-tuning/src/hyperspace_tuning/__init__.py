"""Searches of hyperspace: tuners, pruners, and the search space of a signature.

The names below are what a tuner or pruner of one's own needs. They are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperspace_tuning.from_signature import space_from_signature
    from hyperspace_tuning.pruner import Curve, Peer, PeerState, Pruner, best_of, curve_of, score_of
    from hyperspace_tuning.sampling import (
        evenly_spaced,
        sample,
        sample_value,
        untried_neighbour,
        value_at_share,
    )
    from hyperspace_tuning.space import (
        Assignment,
        Dimension,
        Space,
        holds,
        identity,
        nearest_value,
        values_in,
    )
    from hyperspace_tuning.study import Search, SearchView
    from hyperspace_tuning.tuner import History, Proposal, Trial, TrialState, Tuner, next_proposal

_HOMES = {
    "from_signature": ("space_from_signature",),
    "pruner": ("Curve", "Peer", "PeerState", "Pruner", "best_of", "curve_of", "score_of"),
    "sampling": ("evenly_spaced", "sample", "sample_value", "untried_neighbour", "value_at_share"),
    "space": ("Assignment", "Dimension", "Space", "holds", "identity", "nearest_value", "values_in"),
    "study": ("Search", "SearchView"),
    "tuner": ("History", "Proposal", "Trial", "TrialState", "Tuner", "next_proposal"),
}
_HOME_OF = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names}

__all__ = [
    "Assignment", "Curve", "Dimension", "History", "Peer", "PeerState", "Proposal", "Pruner", "Search",
    "SearchView", "Space", "Trial", "TrialState", "Tuner", "best_of", "curve_of", "evenly_spaced", "holds",
    "identity", "nearest_value", "next_proposal", "sample", "sample_value", "score_of",
    "space_from_signature", "untried_neighbour", "value_at_share", "values_in",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
