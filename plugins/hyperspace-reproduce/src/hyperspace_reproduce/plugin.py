"""The plugin's hooks: its commands and the attributes of a study, as strings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.cli.plugin import Root
    from hyperspace_core.plugin import AccessorRegister


@hookimpl
def hyperspace_commands(cli: Root) -> None:
    for name, text in (
        ("reproduce", "Execute a past RUN again with its seed, and compare the results."),
        ("rescore", "Compute a metric for the completed runs of TASK from their stored predictions."),
        ("parity", "Execute the last runs of class OLD again with class NEW, and compare."),
    ):
        cli.add(name, f"hyperspace_reproduce.cli:{name}", section="Runs", help=text)


@hookimpl
def hyperspace_study(register: AccessorRegister) -> None:
    register.accessor("reproduce", "hyperspace_reproduce.reproduce:reproduce_run")
    register.accessor("register", "hyperspace_reproduce.notebook:register")
    register.accessor("promote", "hyperspace_reproduce.promote:promote")
