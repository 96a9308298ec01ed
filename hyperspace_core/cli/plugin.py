"""What plugins with commands of their own build on; each name is loaded when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperspace_core.cli import terminal
    from hyperspace_core.cli.commands.queue import ONE_BY_ONE
    from hyperspace_core.cli.commands.results import (
        comparable_option,
        comparison,
        is_installed,
        run_filter,
        tell_left_out,
    )
    from hyperspace_core.cli.context import (
        CommandContext,
        complete_class,
        complete_search,
        complete_task,
        pass_context,
        pass_project,
        read_address,
        tasks_dir_option,
    )
    from hyperspace_core.cli.main import Commands, Root
    from hyperspace_core.cli.options import (
        RUN,
        SEARCH,
        FilterOptions,
        WholeNumber,
        code_option,
        dry_run_option,
        filtered,
        json_option,
        limit_option,
        run_argument,
        task_argument,
        wish_options,
    )
    from hyperspace_core.cli.submitting import queue, say_plan
    from hyperspace_core.cli.watch import Watching, watch, write_running
    from hyperspace_core.results.format import counted

_HOMES = {
    "hyperspace_core.cli.commands.queue": ("ONE_BY_ONE",),
    "hyperspace_core.cli.commands.results": (
        "comparable_option", "comparison", "is_installed", "run_filter", "tell_left_out",
    ),
    "hyperspace_core.cli.context": (
        "CommandContext", "complete_class", "complete_search", "complete_task", "pass_context",
        "pass_project", "read_address", "tasks_dir_option",
    ),
    "hyperspace_core.cli.main": ("Commands", "Root"),
    "hyperspace_core.cli.options": (
        "FilterOptions", "RUN", "SEARCH", "WholeNumber", "code_option", "dry_run_option", "filtered",
        "json_option", "limit_option", "run_argument", "task_argument", "wish_options",
    ),
    "hyperspace_core.cli.submitting": ("queue", "say_plan"),
    "hyperspace_core.results.format": ("counted",),
    "hyperspace_core.cli.watch": ("Watching", "watch", "write_running"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ONE_BY_ONE", "RUN", "SEARCH", "CommandContext", "Commands", "FilterOptions", "Root", "Watching",
    "WholeNumber", "code_option", "comparable_option", "comparison", "complete_class", "complete_search",
    "complete_task", "counted", "dry_run_option", "filtered", "is_installed", "json_option", "limit_option",
    "pass_context", "pass_project", "queue", "read_address", "run_argument", "run_filter", "say_plan",
    "task_argument", "tasks_dir_option", "tell_left_out", "terminal", "watch", "wish_options",
    "write_running",
]


def __getattr__(name: str) -> Any:
    if name == "terminal":                 # a whole module, of functions that belong together
        return importlib.import_module("hyperspace_core.cli.terminal")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'hyperspace_core.cli.plugin' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)
