"""Options of a search: space, tuner, pruner, metrics and budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hyperspace_core.cli.context import complete_task, complete_tuner
from hyperspace_core.cli.options import WholeNumber
from hyperspace_core.config.tree import Tree

if TYPE_CHECKING:
    from hyperspace_core.searches.planning import TuneOptions
    from hyperspace_core.submission import SubmitOptions

F = TypeVar("F", bound=Callable[..., Any])


class Number(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions only
    """A number, neither infinite nor NaN."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            name = param.opts[0] if isinstance(param, click.Option) else self.name
            raise click.UsageError(f"{name}: expected a number, got {str(value)[:40]!r}", ctx)
        return number


BUDGETS: Mapping[str, Callable[[Any], Any]] = {
    "runs": click.option("--runs", type=WholeNumber(1), metavar="N", help="End after N runs."),
    "hours": click.option("--hours", type=Number(), metavar="H",
                          help="End after H hours of computing, summed over all machines."),
    "target": click.option("--target", type=Number(), metavar="X",
                           help="End when the task's metric reaches X."),
    "patience": click.option("--patience", type=WholeNumber(1), metavar="N",
                             help="End after N runs in a row without an improvement."),
    "failures": click.option("--failures", type=WholeNumber(1), metavar="N",
                             help="End after N failed runs in a row. [default: 10]"),
}


def budget_options(command: F) -> F:
    """Add the budget options; the command gets the given ones as the dict `budget`."""

    @wraps(command)
    def budgeting(**others: Any) -> Any:
        given = {name: others.pop(name) for name in BUDGETS}
        return command(budget={name: value for name, value in given.items() if value is not None}, **others)

    made: Any = budgeting
    for option in reversed(list(BUDGETS.values())):
        made = option(made)
    return made  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """The search options as typed."""

    space: str | None
    tuner: str | None
    pruner: str | None
    metrics: tuple[str, ...]
    sources: tuple[str, ...]

    def wishes(self, budget: Mapping[str, Any], beside: SubmitOptions) -> TuneOptions:
        """The options, read. Raises `TaskError` for invalid JSON, `UsageError`."""
        from hyperspace_core.records.search import Budget
        from hyperspace_core.searches.planning import TuneOptions

        return TuneOptions(
            budget=Budget(**budget), space=None if self.space is None else _object(self.space, "--space"),
            tuner=_name_or_section(self.tuner, "--tuner"), pruner=_name_or_section(self.pruner, "--pruner"),
            metrics=self.metrics, learn_from=self.sources, seed=beside.seed, wishes=beside)


def search_options(command: F) -> F:
    """Add the search options; the command gets a `Sought` as `sought`."""

    @wraps(command)
    def seeking(*, space: str | None, tuner: str | None, pruner: str | None, metrics: tuple[str, ...],
                sources: tuple[str, ...], **others: Any) -> Any:
        sought = SearchOptions(space=space, tuner=tuner, pruner=pruner, metrics=metrics, sources=sources)
        return command(sought=sought, **others)

    made: Any = seeking
    for option in reversed((
        click.option("--space", metavar="JSON|@FILE",
                     help="Narrow or widen the space of the signatures, as in "
                          '\'{"classifier": ["Forest", "Support"], "noise": {"float": [0, 1]}}\'.'),
        click.option("--tuner", metavar="NAME|JSON", shell_complete=complete_tuner,
                     help="Tuner that proposes runs. [default: the best installed one]"),
        click.option("--pruner", metavar="NAME|JSON", help="Pruner that stops runs early. [default: none]"),
        click.option("--metric", "metrics", multiple=True, metavar="NAME[:minimize]",
                     help="A metric in addition to the task's own, for a multi-objective tuner; may be "
                          "repeated."),
        click.option("--from", "sources", multiple=True, metavar="TASK", shell_complete=complete_task,
                     help="A related task whose runs are learned from, too, with less weight; may be "
                          "repeated."),
    )):
        made = option(made)
    return made  # type: ignore[no-any-return]


def _name_or_section(text: str | None, option: str) -> Any:
    return _object(text, option) if text is not None and text.lstrip()[:1] in ("{", "@") else text


def _object(text: str, option: str) -> Tree:
    from hyperspace_core.config.jsonfile import parse_object, read_object

    return read_object(text[1:]) if text.startswith("@") else parse_object(text, option)
