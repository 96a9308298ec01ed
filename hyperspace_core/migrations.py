"""The steps of a migration, for `register.migration`: how the configs of past runs follow the code.

`parameter` is a dotted path: within the class `of`, else from the top of the config, or of the scenario if it
begins with `scenario.`; `*` in it means every item of a list or dict. `within` limits a step to components
that fill the parameter of that name, `scenario` limits it to runs of that scenario class. Each function
returns the step as a plain dict. Raises `ConfigError` for a step that cannot be applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hyperspace_core.config.migrate import checked_step
from hyperspace_core.config.tree import Tree

__all__ = ["add", "map_values", "move", "rename", "rename_class"]


def add(parameter: str, value: Any, *, of: str | None = None, within: str | None = None,
        scenario: str | None = None) -> Tree:
    """Add a missing parameter, where a run lacks it."""
    return _step("add", parameter=parameter, value=value, of=of, within=within, scenario=scenario)


def rename(parameter: str, to: str, *, of: str | None = None, within: str | None = None,
           scenario: str | None = None) -> Tree:
    """Rename a parameter in its place; `to` is the name alone."""
    return _step("rename", parameter=parameter, to=to, of=of, within=within, scenario=scenario)


def move(parameter: str, to: str, *, scenario: str | None = None) -> Tree:
    """Move a value to another dotted path; missing sections on the way are created."""
    return _step("move", parameter=parameter, to=to, scenario=scenario)


def map_values(parameter: str, values: Mapping[Any, Any] | Iterable[Sequence[Any]], *, of: str | None = None,
               within: str | None = None, scenario: str | None = None) -> Tree:
    """Replace values of a parameter: old → new, or pairs where no dict can hold it."""
    pairs = [[old, new] for old, new in (values.items() if isinstance(values, Mapping) else values)]
    return _step("map_values", parameter=parameter, values=pairs, of=of, within=within, scenario=scenario)


def rename_class(name: str, to: str, *, within: str | None = None, scenario: str | None = None) -> Tree:
    """Rename the `className` of a class's sections."""
    return _step("rename_class", name=name, to=to, within=within, scenario=scenario)


def _step(op: str, **fields: Any) -> Tree:
    kept = ("value",)                      # None is a value like any other
    return checked_step({"op": op} | {name: value for name, value in fields.items()
                                      if value is not None or name in kept})
