"""`hyperspace tune`: queue a search, preview its space, or resume a search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.context import (
    CommandContext,
    complete_search,
    complete_task,
    pass_context,
    tasks_dir_option,
)
from hyperspace_core.cli.options import SEARCH, dry_run_option, json_option, wish_options
from hyperspace_core.cli.terminal import echo, echo_json, echo_note, echo_page, new_page
from hyperspace_core.cli.tuning import BUDGETS, SearchOptions, budget_options, search_options

if TYPE_CHECKING:
    from hyperspace_core.config.searchspace import Space
    from hyperspace_core.extension.project import Project
    from hyperspace_core.records.search import NewSearch, SearchRecord
    from hyperspace_core.searches.history import Past
    from hyperspace_core.searches.planning import TuneOptions
    from hyperspace_core.submission import SubmitOptions

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
    from hyperspace_core.searches.planning import plan_search

    study = context.study(tasks_dir)
    search = plan_search(study.project, task, asked)
    record = study.store.get_search(study.store.add_search(search))
    if as_json:
        echo_json(record)
        return
    echo(f"queued search {record.id} of {task} by {_short(record.tuner)}: it ends after {record.budget}")
    _note_default(study.project, search, asked)
    _note_next(context, record)


def _plan(context: CommandContext, task: str, asked: TuneOptions, tasks_dir: Path | None, *,
          as_json: bool) -> None:
    """Print the search space and the past runs that the tuner would use."""
    from hyperspace_core.cli.space_page import plain_outline, show_space
    from hyperspace_core.searches.planning import plan_search

    project = context.project(tasks_dir)
    search = plan_search(project, task, asked)
    past = _past(context, project, search)
    seen = past.seen()
    if as_json:
        from hyperspace_core.results.format import plain

        fields = {name: value for name, value in plain(search).items() if name != "uid"}
        echo_json(fields | {"outline": plain_outline(past.space.describe()), "left_out": past.space.left_out,
                            "history": {"used": len(seen.history.trials), "left_out": seen.left_out,
                                        "summary": seen.summary}})
        return
    page = new_page(fold=True)
    page.line(f"would queue a search of {task}: it ends after {search.budget}")
    page.rows(_facts(search, past.space, seen.summary))
    show_space(page, past.space)
    echo_page(page)
    _note_default(project, search, asked)


def _facts(search: NewSearch, space: Space, history: str) -> list[tuple[str, str]]:
    from hyperspace_core.results.format import value_text

    aims = ", ".join(f"{metric.name}, {metric.goal}" for metric in search.metrics)
    size = "" if space.size == float("inf") else f"{space.size:,.0f} combinations"
    pruner = "none: no run is stopped early" if search.pruner is None else value_text(search.pruner)
    return [(name, text) for name, text in (
        ("metric" if len(search.metrics) == 1 else "metrics", aims), ("tuner", value_text(search.tuner)),
        ("pruner", pruner), ("seed", str(search.seed)), ("history", history), ("size", size)) if text]


def _past(context: CommandContext, project: Project, search: NewSearch) -> Past:
    """Read the past runs of the search; does not create a missing store."""
    from hyperspace_core.searches.history import Past, past_of

    if context.file is not None and not context.file.exists():
        return Past(project, search)
    return past_of(context.store, project, search)


def _resume(context: CommandContext, number: int, budget: dict[str, Any], priority: int | None, *,
            dry_run: bool, as_json: bool) -> None:
    from dataclasses import replace

    from hyperspace_core.lookup import get_search
    from hyperspace_core.records.search import SearchState
    from hyperspace_core.searches import verbs

    search = get_search(context.store, context.name, number)
    if dry_run:
        record = replace(search, state=SearchState.OPEN, budget=verbs.widened(context.store, search, budget),
                         priority=search.priority if priority is None else priority, reason=None)
    else:
        record = verbs.resume(context.store, search, budget, priority=priority)
    if as_json:
        echo_json(record)
        return
    verb = "would resume" if dry_run else "resumed"
    echo(f"{verb} search {record.id} of {record.task}: {record.proposed:,} runs have been proposed, it ends "
         f"after {record.budget}")
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


def _note_default(project: Project, search: NewSearch, asked: TuneOptions) -> None:
    """Note that the default tuner does not learn, if no tuner was given."""
    from hyperspace_core.tuner import Tuner

    name = _short(search.tuner)
    if asked.tuner is None and not project.registry.find(Tuner, name).target.learns:
        echo_note(
            f"{name} does not learn from past runs; `pip install hyperspace-optuna` adds tuners that do")


def _note_next(context: CommandContext, search: SearchRecord) -> None:
    """Print what happens next, and what the user has to do."""
    from hyperspace_core.results.overview import living_workers, search_line

    why = search_line(context.store, search, living_workers(context.store, context.name)).why
    if context.store.settings(context.name).paused:
        echo_note(f"the whole queue is paused; `{context.command('queue resume --all')}` resumes it")
    elif why is not None:
        echo_note(f"{why}; start one with: {context.command('worker')}")
    else:
        echo_note("the running workers propose and execute its runs")
    echo_note(f"see its progress with: {context.command(f'searches {search.id}')}")
