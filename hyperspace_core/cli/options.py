"""Arguments of several commands: run ids, the filter, `--json`, `--dry-run`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

import click

from hyperspace_core.cli.context import complete_run, complete_search, complete_state, complete_task
from hyperspace_core.cli.terminal import SHOWN
from hyperspace_core.config.tree import Tree, merge
from hyperspace_core.errors import UsageError

if TYPE_CHECKING:
    from hyperspace_core.cli.context import CommandContext, F, Option
    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.storage import Store

LARGEST_ID = 2**63 - 1
LONGEST = 18                   # digits of a number that every store can hold


class Id(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """The id of a run or a search: a whole number from 1 to `LARGEST_ID`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value).removeprefix("#")
        if not (text.isascii() and text.isdigit() and len(text) <= 19 and 1 <= int(text) <= LARGEST_ID):
            shown = ascii(value if len(value) <= 40 else f"{value[:40]}…")
            raise click.UsageError(f"not a {self.name} id: expected a whole number, got {shown}", ctx)
        return int(text)


class WholeNumber(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A whole number, at least `least`."""

    name = "number"

    def __init__(self, least: int | None = None) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        digits = text.removeprefix("-")
        number = int(text) if digits.isascii() and digits.isdigit() and len(digits) <= LONGEST else None
        if number is None or (self._least is not None and number < self._least):
            name = param.opts[0] if isinstance(param, click.Option) else self.name
            shown = ascii(text if len(text) <= 40 else f"{text[:40]}…")
            least = "" if self._least is None else f" >= {self._least}"
            most = "" if number is not None or len(digits) <= LONGEST else f" of at most {LONGEST} digits"
            raise click.UsageError(f"{name}: expected a whole number{least}{most}, got {shown}", ctx)
        return number


RUN, SEARCH = Id("run"), Id("search")
run_argument = click.argument("run", type=RUN, shell_complete=complete_run)
task_argument = click.argument("task", shell_complete=complete_task)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
attempt_option = click.option("--attempt", type=WholeNumber(1), metavar="N",
                              help="The attempt to use. [default: the last]")
dry_run_option = click.option("--dry-run", is_flag=True, help="Print what would be done and change nothing.")


def limit_option(what: str) -> Callable[[F], F]:
    """Add `--limit N`; `what` is limited, as in "the newest N runs"."""
    return click.option("--limit", type=WholeNumber(1), metavar="N",
                        help=f"Show only {what}. [default: {SHOWN} in a terminal, all in a pipe]")


@dataclass(frozen=True, kw_only=True)
class FilterOptions:
    """The filter options as typed, before the project is known."""

    tasks: tuple[str, ...]
    statuses: tuple[str, ...]
    tags: tuple[str, ...]
    where: tuple[str, ...]
    since: str | None
    search: int | None = None

    @property
    def options(self) -> list[str]:
        """The filter options that were given, as typed."""
        given = {"--task": self.tasks, "--status": self.statuses, "--tag": self.tags, "--where": self.where,
                 "--since": self.since, "--search": self.search}
        return [name for name, value in given.items() if value]

    def at(self, context: CommandContext) -> RunFilter:
        """The filter in the context's project. Raises `UsageError`, `NotFound`."""
        from hyperspace_core.lookup import checked_paths

        store = context.store if self.search is not None or self.where else None
        where = self.of(context.name, store)
        return where if store is None else checked_paths(store, where, context.project)

    def of(self, project: str | None, store: Store | None = None) -> RunFilter:
        """The filter within a project (None: all). `store`: where a search is looked up."""
        from hyperspace_core.records.filter import RunFilter, parse_condition, parse_since, parse_states

        search = None if self.search is None or store is None else self._uid(store, project, self.search)
        return RunFilter(
            project=project, search=search, tasks=self.tasks, states=parse_states(self.statuses),
            tags=self.tags, where=tuple(map(parse_condition, self.where)),
            since=None if self.since is None else parse_since(self.since, datetime.now(UTC)))

    @staticmethod
    def _uid(store: Store, project: str | None, search: int) -> str:
        from hyperspace_core.lookup import get_search
        from hyperspace_core.storage import Searches

        if project is None:
            project = Searches.of(store).get_search(search).project
        return get_search(store, project, search).uid


_FILTER: tuple[Option, ...] = (
    click.option("--task", "tasks", multiple=True, metavar="TASK", shell_complete=complete_task,
                 help="Only runs of this task; may be repeated."),
    click.option("--status", "statuses", multiple=True, metavar="STATE", shell_complete=complete_state,
                 help="In this state: queued, paused, running, completed, failed or cancelled."),
    click.option("--tag", "tags", multiple=True, metavar="TAG",
                 help="Only runs with this tag; if repeated, with all of these tags."),
    click.option("--where", multiple=True, metavar="CONDITION",
                 help="Only runs that match, as in 'classifier.trees>=100'; operators: = != < <= > >=, "
                      "~ (contains)."),
    click.option("--since", metavar="AGE", help="Only runs submitted since: 2d, 3h, 90m, or a date."),
    click.option("--search", type=SEARCH, metavar="ID", shell_complete=complete_search,
                 help="Only runs that this search proposed."),
)


def filtered(command: F) -> F:
    """Add the filter options; the command gets `FilterOptions` as `wanted`."""
    return _gathered(command, "wanted", FilterOptions, _FILTER)


def _gathered(command: F, name: str, kind: type[Any], options: Sequence[Option]) -> F:
    """Add options; the command gets their values as one `kind`, in the argument `name`."""
    @wraps(command)
    def gathering(**given: Any) -> Any:
        values = {field: given.pop(field) for field in kind.__dataclass_fields__ if field in given}
        return command(**{name: kind(**values)}, **given)

    return _with_options(gathering, options, command)


def _with_options(made: Callable[..., Any], options: Sequence[Option], command: F) -> F:
    """Add options to what is made of a command."""
    for option in options[::-1]:
        made = option(made)
    return cast("F", made)


def some_runs(command: F) -> F:
    """Add run ids and filter options, as `runs` and `wanted` (see `chosen`)."""
    return click.argument("runs", nargs=-1, type=RUN, shell_complete=complete_run)(filtered(command))


def chosen(context: CommandContext, runs: tuple[int, ...], wanted: FilterOptions) -> list[RunRecord]:
    """The runs that ids or a filter select, ordered by id.

    Raises `UsageError` if both or neither are given, `NotFound` for an id that is not the project's.
    """
    from hyperspace_core.lookup import get_run
    from hyperspace_core.records.filter import ORDER_OLDEST

    if runs and wanted.options:
        raise UsageError(f"run {', '.join(map(str, runs))} and {', '.join(wanted.options)} contradict each "
                         "other: give run ids or a filter, not both")
    if not runs and not wanted.options:
        takes_all = "whole" in click.get_current_context().params
        whole = ", or select the whole queue with --all" if takes_all else ""
        raise UsageError("no runs are selected: give run ids, or a filter with --status, --task, --tag, "
                         f"--where, --since or --search{whole}")
    if runs:
        return [get_run(context.store, context.name, run) for run in dict.fromkeys(runs)]
    return list(context.store.find(wanted.at(context), order=ORDER_OLDEST))


# -- Options of a submission: config, grid, and seed, tags, priority and the like --

@dataclass(frozen=True, kw_only=True)
class ConfigOptions:
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
        from hyperspace_core.config.grid import parse_assignments

        return merge(_read(self.config_file), parse_assignments(self.sets))

    def grid(self) -> Tree:
        """The config merged with the alternatives of the grid file and of `--grid`."""
        from hyperspace_core.config.grid import parse_grid

        given, varied = ({text.partition("=")[0].strip() for text in texts}
                         for texts in (self.sets, self.grids))
        twice = given & varied
        if twice:
            raise UsageError(f"--set and --grid both give `{min(twice)}`; leave one of them out")
        written = merge(_literal(self.config()), _read(self.grid_file), in_grid=True)
        return merge(written, parse_grid(self.grids), in_grid=True)


def config_options(command: F) -> F:
    """Add `--set` and `--config`; the command gets `ConfigOptions` as `typed`."""
    return _gathered(command, "typed", ConfigOptions, (_SET, _CONFIG))


def grid_options(command: F) -> F:
    """Add `--set`, `--config`, `--grid` and `--grid-file`, likewise."""
    return _gathered(command, "typed", ConfigOptions, (_SET, _CONFIG, *_GRID))


def wish_options(*names: str) -> Callable[[F], F]:
    """Add the options of these fields of `SubmitOptions`; the command gets them as `wishes`."""

    def decorated(command: F) -> F:
        @wraps(command)
        def wishing(**given: Any) -> Any:
            from hyperspace_core.submission import SubmitOptions

            wishes = {name: value for name in names if (value := given.pop(name)) is not None}
            return command(wishes=SubmitOptions(**wishes), **given)

        return _with_options(wishing, [_WISHES[name] for name in names], command)

    return decorated


def _read(file: str | None) -> Tree:
    from hyperspace_core.config.jsonfile import parse_object, read_object

    if file is None:
        return {}
    if file == "-":
        return parse_object(sys.stdin.read(), "stdin")
    return read_object(file)


def _literal(value: Any) -> Any:
    """A config inside a grid: its lists become values, not alternatives."""
    from hyperspace_core.ranges import each

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
