"""What is tried instead of what was tried already: the like of it with one value changed, or more.

In a space of choices and whole numbers a sampler comes back to the best that it knows, again and again.
Drawing the whole anew would lose what it has learned.
"""

from __future__ import annotations

from collections.abc import Container
from random import Random
from typing import Any

from hyperspace_core.config.dimensions import Assignment, Dimension, identity
from hyperspace_core.config.drawing import drawn
from hyperspace_core.config.searchspace import Space

TIMES = 10                     # one value is changed so many times, then two at once, then three
MOST = 3


def beside(space: Space, assignment: Assignment, tried: Container[Any], rng: Random) -> Assignment:
    """An assignment near this one that nobody has tried; this one itself where none was found."""
    active = space.active(assignment)
    for attempt in range(TIMES * MOST):
        count = min(1 + attempt // TIMES, len(active))
        changed = {one.path for one in rng.sample(active, count)}

        def choose(one: Dimension, changed: set[str] = changed) -> Any:
            value = assignment.get(one.path)
            # a class that was changed has parameters of its own, or of the same name and another range
            keeps = one.path in assignment and one.path not in changed and one.range.contains(value)
            return value if keeps else drawn(one.range, rng)

        other = space.walk(choose)
        if identity(other) not in tried:
            return other
    return assignment
