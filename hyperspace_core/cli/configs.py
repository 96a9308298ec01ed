"""Options of a submission: config, grid, and seed, tags, priority and the like."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from hyperspace_core.cli.arguments import WholeNumber
from hyperspace_core.config.tree import Tree

F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, kw_only=True)
class Typed:
    """The config options as typed."""

    sets: tuple[str, ...]
    config_file: str | None
    grids: tuple[str, ...] = ()
    grid_file: str | None = None

    @property
    def is_grid(self) -> bool:
        return bool(self.grids or self.grid_file)

    def config(self) -> Tree:
        """The config of the file, changed by `--set`. Raises `ConfigError`, `TaskError`."""
        from hyperspace_core.config.overrides import parse_assignments
        from hyperspace_core.config.tree import merge

        return merge(_read(self.config_file), parse_assignments(self.sets))

    def grid(self) -> Tree:
        """The config merged with the alternatives of the grid file and of `--grid`."""
        from hyperspace_core.config.overrides import parse_grid
        from hyperspace_core.config.tree import merge

        written = merge(_literal(self.config()), _read(self.grid_file), in_grid=True)
        return merge(written, parse_grid(self.grids), in_grid=True)


def config_options(command: F) -> F:
    """Add `--set` and `--config`; the command gets a `Typed` as `typed`."""
    return _typed(command, _SET, _CONFIG)


def grid_options(command: F) -> F:
    """Add `--set`, `--config`, `--grid` and `--grid-file`, likewise."""
    return _typed(command, _SET, _CONFIG, *_GRID)


def wish_options(*names: str) -> Callable[[F], F]:
    """Add the options of these fields of `Wishes`; the command gets them as `wishes`."""

    def decorated(command: F) -> F:
        @wraps(command)
        def wishing(*, tags: tuple[str, ...] = (), **others: Any) -> Any:
            from hyperspace_core.submission import Wishes

            given = {name: others.pop(name) for name in names if name != "tags"}
            wishes = Wishes(tags=tags, **{name: value for name, value in given.items() if value is not None})
            return command(wishes=wishes, **others)

        wished: F = _with_options(wishing, [_WISHES[name] for name in names])
        return wished

    return decorated


def _typed(command: F, *options: Option) -> F:
    @wraps(command)
    def typing(*, sets: tuple[str, ...], config_file: str | None, grids: tuple[str, ...] = (),
               grid_file: str | None = None, **others: Any) -> Any:
        typed = Typed(sets=sets, config_file=config_file, grids=grids, grid_file=grid_file)
        return command(typed=typed, **others)

    made: F = _with_options(typing, options)
    return made


def _with_options(command: Callable[..., Any], options: Sequence[Option]) -> Any:
    for option in options[::-1]:
        command = option(command)
    return command


def _read(file: str | None) -> Tree:
    from hyperspace_core.config.jsonfile import parse_object, read_object

    if file is None:
        return {}
    if file == "-":
        return parse_object(sys.stdin.read(), "stdin")
    return read_object(file)


def _literal(value: Any) -> Any:
    """A config inside a grid: its lists become values, not alternatives."""
    from hyperspace_core.config.overrides import each

    if isinstance(value, dict):
        return {key: _literal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return each([_literal(inner) if isinstance(inner, dict) else inner for inner in value])
    return value


_SET = click.option("--set", "-s", "sets", multiple=True, metavar="PATH=VALUE",
                    help="Set a hyper-parameter, as in classifier.trees=200; may be repeated.")
_CONFIG = click.option("--config", "config_file", metavar="FILE",
                       help="A JSON file with the config, `-` for stdin; --set changes it.")
_GRID: tuple[Option, ...] = (
    click.option("--grid", "grids", multiple=True, metavar="PATH=A,B,…",
                 help="Alternative values; several --grid options give every combination."),
    click.option("--grid-file", metavar="FILE", help="A JSON file with a grid: a list holds alternatives."),
)
code_option = click.option(
    "--code", type=click.Choice(["pinned", "current"]), default="pinned",
    help="The code that the runs execute: as it is now (pinned, the default) or as their worker has it.")
_WISHES: Mapping[str, Option] = {
    "repeats": click.option("--repeats", type=WholeNumber(1), metavar="N",
                            help="Runs per config, with seed, seed + 1, and so on. [default: 1]"),
    "seed": click.option("--seed", type=WholeNumber(0), metavar="N",
                         help="The seed. [default: the config's, else the task's, else random]"),
    "priority": click.option("--priority", type=WholeNumber(), metavar="N",
                             help="Runs of higher priority start first. [default: 0]"),
    "tags": click.option("--tag", "tags", multiple=True, metavar="TAG",
                         help="A tag to filter by later; may be repeated."),
    "note": click.option("--note", metavar="TEXT", help="A note to store with it."),
    "retries": click.option("--retries", type=WholeNumber(0), metavar="N",
                            help="Retries of a run whose code fails. [default: 0]"),
}
