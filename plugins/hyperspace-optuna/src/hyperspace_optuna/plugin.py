"""Register the tuners when a project is opened; Optuna is imported later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core.markers import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.extension.register import Register


@hookimpl
def hyperspace_register(register: Register) -> None:
    register.module("hyperspace_optuna.tuners")
