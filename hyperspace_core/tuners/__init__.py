"""Core's own tuners, registered into every opened project; plugins add more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core.markers import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.extension.register import Register


@hookimpl
def hyperspace_register(register: Register) -> None:
    from hyperspace_core.tuner import Tuner
    from hyperspace_core.tuners.grid import Grid
    from hyperspace_core.tuners.random import Random

    for tuner in (Grid, Random):
        register.component(Tuner, tuner)
