"""Register the project with hyperspace; no other file is specific to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.plugin import Register


@hookimpl
def hyperspace_register(register: Register) -> None:
    # imported only when this project is opened
    from digits_study import components, data, folds, metrics, scenarios, stages

    register.module(data)  # all concrete components defined in this module
    register.module(components)
    register.module(scenarios)
    register.module(folds)
    register.module(stages)
    register.tasks("digits_study.tasks")
    register.metric("macro_f1", metrics.macro_f1)  # for `hyperspace rescore`
    register.metric("worst_digit", metrics.worst_digit)
