"""Seeding of the random generators that a project uses, and its record."""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING

from hyperspace_core.markers import hookimpl
from hyperspace_core.run import Run
from hyperspace_core.sink import Section

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions


class Seeds:
    """Seeds `random`, and numpy and torch where they are imported."""

    def __init__(self, extensions: Extensions) -> None:
        self._seeded: tuple[int, list[str]] | None = None

    @hookimpl
    def hyperspace_seed(self, seed: int) -> None:
        random.seed(seed)
        seeded = ["random"]
        numpy = sys.modules.get("numpy")
        if numpy is not None and hasattr(numpy, "random"):
            numpy.random.seed(seed)
            seeded.append("numpy")
        torch = sys.modules.get("torch")
        if torch is not None and hasattr(torch, "manual_seed"):
            torch.manual_seed(seed)                # also on GPUs, once they are in use
            seeded.append("torch")
        self._seeded = seed, seeded

    @hookimpl
    def hyperspace_capture(self, run: Run) -> Section:
        seed, seeded = self._seeded or (run.seed, [])
        return Section("seeds", {"seed": seed, "seeded": seeded})
