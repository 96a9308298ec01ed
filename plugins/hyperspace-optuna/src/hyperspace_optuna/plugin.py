"""What the plugin offers: tuners, registered into every project that is opened; Optuna comes with the first
proposal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core.markers import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.extension.register import Register


@hookimpl
def hyperspace_register(register: Register) -> None:
    register.module("hyperspace_optuna.tuners")
