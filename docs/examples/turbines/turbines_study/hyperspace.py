"""Register the project with hyperspace; no other file is specific to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.plugin import Register


@hookimpl
def hyperspace_register(register: Register) -> None:
    from turbines_study import components, data, scenarios

    register.module(data)
    register.module(components)
    register.module(scenarios)
    register.tasks("turbines_study.tasks")
