"""`hyperspace tune`: queue a search, preview its space, or resume a search."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hyperspace_core.cli.plugin import (
    SEARCH,
    CommandContext,
    WholeNumber,
    complete_class,
    complete_search,
    complete_task,
    dry_run_option,
    json_option,
    pass_context,
    tasks_dir_option,
    terminal,
    wish_options,
)
from hyperspace_core.plugin import Tree

if TYPE_CHECKING:
    from hyperspace_core.plugin import Project, SubmitOptions
    from hyperspace_core.records import NewSearch, SearchRecord
    from hyperspace_tuning.history import PastRuns
    from hyperspace_tuning.planning import TuneOptions
    from hyperspace_tuning.space import Space

# -- Options of a search ------------------------------------------------------------------------------------

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

    def wishes(self, budget: Mapping[str, Any], others: SubmitOptions) -> TuneOptions:
        """The options, read. Raises `TaskError` for invalid JSON, `UsageError`."""
        from hyperspace_core.records import Budget
        from hyperspace_tuning.planning import TuneOptions

        return TuneOptions(
            budget=Budget(**budget), space=None if self.space is None else _object(self.space, "--space"),
            tuner=_name_or_section(self.tuner, "--tuner"), pruner=_name_or_section(self.pruner, "--pruner"),
            metrics=self.metrics, learn_from=self.sources, seed=others.seed, run_options=others)


def search_options(command: F) -> F:
    """Add the search options; the command gets `SearchOptions` as `sought`."""

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
        click.option("--tuner", metavar="NAME|JSON",
                     shell_complete=complete_class("hyperspace_tuning.tuner:Tuner"),
                     help="Tuner that proposes runs. [default: the best installed one]"),
        click.option("--pruner", metavar="NAME|JSON",
                     shell_complete=complete_class("hyperspace_tuning.pruner:Pruner"),
                     help="Pruner that stops runs early. [default: none]"),
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
    from hyperspace_core.plugin import parse_object, read_object

    return read_object(text[1:]) if text.startswith("@") else parse_object(text, option)


# the only options that --resume accepts
OF_RESUME = ("resumed", "priority", "dry_run", "as_json", "project_name", "storage", "storage_file",
             "no_plugins", *BUDGETS)


@click.command
@click.argument("task", required=False, shell_complete=complete_task)
@budget_options
@search_options
@wish_options("seed", "priority", "tags", "note", "retries")
@click.option("--resume", "resumed", type=SEARCH, metavar="ID", shell_complete=complete_search,
              help="Resume this search; one that has ended needs a larger budget.")
@pass_context
@tasks_dir_option
@dry_run_option
@json_option
def tune(*, context: CommandContext, task: str | None, budget: dict[str, Any], sought: SearchOptions,
         wishes: SubmitOptions, resumed: int | None, tasks_dir: Path | None, dry_run: bool,
         as_json: bool) -> None:
    """Queue a search of TASK; workers propose its runs from all past runs.

    It ends when the first of --runs, --hours, --target, --patience is reached. The search space is taken from
    the ranges in the signatures; --dry-run shows it.

    \b
    hyperspace tune holdout --runs 100 --dry-run
    hyperspace tune holdout --runs 100 --patience 30 --tuner TPE
    hyperspace tune --resume 1 --runs 200
    """
    if resumed is not None:
        _check_resume(task)
        _resume(context, resumed, budget, wishes.priority if _given("priority") else None, dry_run=dry_run,
                as_json=as_json)
    elif task is None:
        raise click.UsageError("no task: name one, as in `hyperspace tune holdout --runs 100`, or name a "
                               "search with --resume")
    else:
        do = _plan if dry_run else _queue
        do(context, task, sought.wishes(budget, wishes), tasks_dir, as_json=as_json)


def _queue(context: CommandContext, task: str, asked: TuneOptions, tasks_dir: Path | None, *,
           as_json: bool) -> None:
    from hyperspace_core.storage import Searches
    from hyperspace_tuning.planning import plan_search

    study = context.study(tasks_dir)
    store = Searches.of(study.store)
    search = plan_search(study.project, task, asked)
    record = store.get_search(store.add_search(search))
    if as_json:
        terminal.echo_json(record)
        return
    terminal.echo(f"queued search {record.id} of {task} by {_short(record.tuner)}: "
                  f"it ends after {record.budget}")
    _note_next(context, record)


def _plan(context: CommandContext, task: str, asked: TuneOptions, tasks_dir: Path | None, *,
          as_json: bool) -> None:
    """Print the search space and the past runs that the tuner would use."""
    from hyperspace_tuning.pages import outline_to_json, show_space
    from hyperspace_tuning.planning import plan_search

    project = context.project(tasks_dir)
    search = plan_search(project, task, asked)
    past = _past(context, project, search)
    seen = past.seen()
    if as_json:
        from hyperspace_core.plugin import text as text_

        fields = {name: value for name, value in text_.to_json(search).items() if name != "uid"}
        terminal.echo_json(fields | {"outline": outline_to_json(past.space.describe()),
                            "left_out": past.space.left_out,
                            "history": {"used": len(seen.history.trials), "left_out": seen.left_out,
                                        "summary": seen.summary}})
        return
    page = terminal.new_page(fold=True)
    page.line(f"would queue a search of {task}: it ends after {search.budget}")
    page.rows(_facts(search, past.space, seen.summary))
    show_space(page, past.space)
    terminal.echo_page(page)


def _facts(search: NewSearch, space: Space, history: str) -> list[tuple[str, str]]:
    from hyperspace_core.plugin import text as text_

    aims = ", ".join(f"{metric.name}, {metric.goal}" for metric in search.metrics)
    size = "" if space.size == float("inf") else f"{space.size:,.0f} combinations"
    pruner = "none: no run is stopped early" if search.pruner is None else text_.value_text(search.pruner)
    rows = (("metric" if len(search.metrics) == 1 else "metrics", aims),
            ("tuner", text_.value_text(search.tuner)), ("pruner", pruner), ("seed", str(search.seed)),
            ("history", history), ("size", size))
    return [row for row in rows if row[1]]


def _past(context: CommandContext, project: Project, search: NewSearch) -> PastRuns:
    """Read the past runs of the search; does not create a missing store."""
    from hyperspace_core.storage import Searches
    from hyperspace_tuning.history import PastRuns, read_past_runs

    if context.file is not None and not context.file.exists():
        return PastRuns(project, search)
    Searches.of(context.store)             # else the search could not be queued there
    return read_past_runs(context.store, project, search)


def _resume(context: CommandContext, number: int, budget: dict[str, Any], priority: int | None, *,
            dry_run: bool, as_json: bool) -> None:
    from dataclasses import replace

    from hyperspace_core.plugin import get_search
    from hyperspace_core.records import SearchState
    from hyperspace_tuning.study import resume_search, widened_budget

    search = get_search(context.store, context.name, number)
    if dry_run:
        record = replace(search, state=SearchState.OPEN, budget=widened_budget(context.store, search, budget),
                         priority=search.priority if priority is None else priority, reason=None)
    else:
        record = resume_search(context.store, search, budget, priority=priority)
    if as_json:
        terminal.echo_json(record)
        return
    verb = "would resume" if dry_run else "resumed"
    terminal.echo(f"{verb} search {record.id} of {record.task}: {record.proposed:,} runs have been proposed, "
                  f"it ends after {record.budget}")
    if not dry_run:
        _note_next(context, record)


def _check_resume(task: str | None) -> None:
    """Raises `UsageError` for options that only a new search accepts."""
    context = click.get_current_context()
    others = [option.opts[0] for option in context.command.params if isinstance(option, click.Option)
              and option.name not in OF_RESUME and option.name is not None and _given(option.name)]
    if task is not None or others:
        named = ", ".join(([task] if task is not None else []) + others)
        raise click.UsageError(f"--resume and {named} contradict each other: a resumed search can change "
                               "budget and priority only; for anything else start a new search")


def _given(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _short(tuner: dict[str, Any]) -> str:
    return str(tuner.get("className"))


def _note_next(context: CommandContext, search: SearchRecord) -> None:
    """Print what happens next, and what the user has to do."""
    from hyperspace_core.plugin import overview

    alive = overview.living_workers(context.store, context.name)
    why = overview.search_line(context.store, search, alive).why
    if context.store.settings(context.name).paused:
        terminal.echo_note(f"the whole queue is paused; `{context.command('queue resume --all')}` resumes it")
    elif why is not None:
        terminal.echo_note(f"{why}; start one with: {context.command('worker')}")
    else:
        terminal.echo_note("the running workers propose and execute its runs")
    terminal.echo_note(f"see its progress with: {context.command(f'searches show {search.id}')}")
