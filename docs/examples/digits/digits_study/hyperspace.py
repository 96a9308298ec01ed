"""The only file of this project that knows it is a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Register


@hookimpl
def hyperspace_register(register: Register) -> None:
    from digits_study import components, data, scenarios, stages  # imported only when this project is opened

    register.module(data)  # every concrete component that is defined there
    register.module(components)
    register.module(scenarios)
    register.module(stages)
    register.tasks("digits_study.tasks")
