"""Arguments of several commands: run ids, the filter, `--json`, `--dry-run`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hyperspace_core.cli.completion import complete_run, complete_search, complete_state, complete_task
from hyperspace_core.cli.screen import SHOWN

if TYPE_CHECKING:
    from hyperspace_core.cli.place import Place
    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.storage import Store

F = TypeVar("F", bound=Callable[..., Any])

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
class Wanted:
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

    def at(self, place: Place) -> RunFilter:
        """The filter in the project of `place`. Raises `UsageError`, `NotFound`."""
        return self.of(place.name, place.store if self.search is not None else None)

    def of(self, project: str | None, store: Store | None = None) -> RunFilter:
        """The filter within a project (None: all). `store`: where a search is looked up."""
        from datetime import UTC, datetime

        from hyperspace_core.records.filter import RunFilter, parse_condition, parse_since, parse_states

        search = None if self.search is None or store is None else self._uid(store, project, self.search)
        return RunFilter(
            project=project, search=search, tasks=self.tasks, states=parse_states(self.statuses),
            tags=self.tags, where=tuple(map(parse_condition, self.where)),
            since=None if self.since is None else parse_since(self.since, datetime.now(UTC)))

    @staticmethod
    def _uid(store: Store, project: str | None, search: int) -> str:
        from hyperspace_core.lookup import get_search

        return get_search(store, store.get_search(search).project if project is None else project, search).uid


def filtered(command: F) -> F:
    """Add the filter options; the command gets a `Wanted` as `wanted`."""
    for option in reversed((
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
    )):
        command = option(command)

    @wraps(command)
    def wanting(*, tasks: tuple[str, ...], statuses: tuple[str, ...], tags: tuple[str, ...],
                where: tuple[str, ...], since: str | None, search: int | None, **others: Any) -> Any:
        wanted = Wanted(tasks=tasks, statuses=statuses, tags=tags, where=where, since=since, search=search)
        return command(wanted=wanted, **others)

    return wanting  # type: ignore[return-value]


def some_runs(command: F) -> F:
    """Add run ids and filter options, as `runs` and `wanted` (see `chosen`)."""
    return click.argument("runs", nargs=-1, type=RUN, shell_complete=complete_run)(filtered(command))


def chosen(place: Place, runs: tuple[int, ...], wanted: Wanted) -> list[RunRecord]:
    """The runs that ids or a filter select, ordered by id.

    Raises `UsageError` if both or neither are given, `NotFound` for an id that is not the project's.
    """
    from hyperspace_core.errors import UsageError
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
        return [get_run(place.store, place.name, run) for run in dict.fromkeys(runs)]
    return list(place.store.find(wanted.at(place), order=ORDER_OLDEST))
