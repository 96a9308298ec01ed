"""The plugin's hooks: its commands, and its attributes of `Study` and of results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.cli.plugin import Root
    from hyperspace_core.plugin import AccessorRegister

COMMANDS = {
    "compare": "Test whether B is better than A.",
    "effects": "Show the effect of each change of PARAMETER on the metric.",
    "plot": "Plot the completed runs of TASK; needs plotly.",
}


@hookimpl
def hyperspace_commands(cli: Root) -> None:
    for name, text in COMMANDS.items():
        cli.add(name, f"hyperspace_analysis.cli:{name}", section="Work", help=text)


@hookimpl
def hyperspace_study(register: AccessorRegister) -> None:
    register.accessor("compare", "hyperspace_analysis.compare:compare")
    register.accessor("queue_pairs", "hyperspace_analysis.compare:queue_pairs")
    register.accessor("plot", "hyperspace_analysis.plots:StudyPlots")
    register.results_accessor("compare", "hyperspace_analysis.compare:compare_results")
    register.results_accessor("effects", "hyperspace_analysis.effects:effects")
    register.results_accessor("plot", "hyperspace_analysis.plots:ResultPlots")
