"""Core's own pruners, registered into every opened project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core.markers import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.extension.register import Register


@hookimpl
def hyperspace_register(register: Register) -> None:
    from hyperspace_core.pruner import Pruner
    from hyperspace_core.pruners.halving import SuccessiveHalving
    from hyperspace_core.pruners.median import Median
    from hyperspace_core.pruners.recorded import AsRecorded

    for pruner in (AsRecorded, Median, SuccessiveHalving):
        register.component(Pruner, pruner)
