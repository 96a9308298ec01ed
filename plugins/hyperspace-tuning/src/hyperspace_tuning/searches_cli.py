"""`hyperspace searches`: list the searches of a project, or show or watch one."""

from __future__ import annotations

import shlex
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.plugin import (
    SEARCH,
    CommandContext,
    Commands,
    complete_search,
    json_option,
    limit_option,
    pass_context,
    terminal,
)

if TYPE_CHECKING:
    from hyperspace_core.cli.plugin import terminal
    from hyperspace_core.plugin import SearchLine
    from hyperspace_core.records import SearchRecord
    from hyperspace_tuning.pages import SearchFacts
    from hyperspace_tuning.study import SearchView


class _SearchGroup(Commands):
    """The group `searches`: without a subcommand it lists, and it names the new form of `searches 1`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args else "-"
        lists = first.startswith("-") and first not in ctx.help_option_names
        if not ctx.resilient_parsing and (lists or _is_id(first)):
            self._refuse_search(ctx, args)
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def _refuse_search(self, ctx: click.Context, args: list[str]) -> None:
        """Raise `UsageError` for what belongs to `show`: the id of a search, and options for one."""
        with_value = {name for option in list_searches.params if isinstance(option, click.Option)
                      and not option.is_flag for name in option.opts}
        for at, text in enumerate(args):
            if _is_id(text) and (at == 0 or args[at - 1] not in with_value):
                rest = [*args[:at], *args[at + 1:]]
                raise click.UsageError(f"`{ctx.command_path} {shlex.join(args)}` is now "
                                       f"`{ctx.command_path} show {shlex.join([text, *rest])}`", ctx)
        listed = {name for option in list_searches.params for name in option.opts}
        shown = {name for option in show.params if isinstance(option, click.Option) for name in option.opts}
        of_show = next((text for text in args if text in shown - listed), None)
        if of_show is not None:
            raise click.UsageError(f"{of_show} needs a search, as in `{ctx.command_path} show 1 {of_show}`",
                                   ctx)


def _is_id(text: str) -> bool:
    return text.removeprefix("#").isdigit()


@click.group(cls=_SearchGroup)
def searches() -> None:
    """List the searches of a project, or show one.

    \b
    hyperspace searches
    hyperspace searches show 1 --watch
    hyperspace searches show 1 --best best.json
    """


@click.command("list")
@limit_option("the newest N searches")
@json_option
@pass_context
def list_searches(*, context: CommandContext, limit: int | None, as_json: bool) -> None:
    """List the searches of a project, the newest first; `hyperspace searches` does the same."""
    from hyperspace_core.plugin import overview
    from hyperspace_core.storage import Searches

    found = Searches.of(context.store).searches(context.name)[::-1]
    alive = overview.living_workers(context.store, context.name)
    shown = found[:limit if as_json else terminal.bearable(limit)]
    lines = [overview.search_line(context.store, one, alive) for one in shown]
    if as_json:
        terminal.echo_json(list(map(_plain, lines)))
        return
    now = datetime.now().astimezone()
    terminal.echo_table(("search", "task", "tuner", "state", "runs", "best", "run", "age", "reason"),
               [_row(line, now) for line in lines],
               empty=f"no searches yet; `{context.command('tune TASK --runs 100')}` queues one")
    if lines:
        terminal.hint_at_more(len(found) - len(lines))
        terminal.echo_hint(f"`{context.command(f'searches show {lines[0].search.id}')}` shows one search")


@click.command
@click.argument("search", type=SEARCH, shell_complete=complete_search)
@click.option("--best", "best_file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the config of the best run to a new JSON file, for --config.")
@click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Plot the history to a file: .html, .png, .svg or .pdf; needs plotly.")
@click.option("--watch", "-w", is_flag=True, help="Update the page until Ctrl-C.")
@json_option
@pass_context
def show(*, context: CommandContext, search: int, best_file: Path | None, output: Path | None, watch: bool,
         as_json: bool) -> None:
    """Show a search: progress, improvements, running runs, and the past runs that its tuner uses.

    \b
    hyperspace searches show 1 --watch
    hyperspace searches show 1 --best best.json -o history.html
    """
    if sum(map(bool, (best_file or output, watch, as_json))) > 1:
        raise click.UsageError("--watch, --json and a file to write contradict each other: give one")
    from hyperspace_core.plugin import get_search

    record = get_search(context.store, context.name, search)
    if best_file is not None or output is not None:
        _write(context, record, best_file, output)
    elif watch:
        _watch(context, search)
    elif as_json:
        _echo_search(context, record)
    else:
        _show(context, record)


for command in (list_searches, show):
    searches.add_command(command)


def _row(line: SearchLine, now: datetime) -> list[str]:
    from hyperspace_core.plugin import text as text_

    search, best = line.search, line.best
    of = "" if search.budget.runs is None else f"/{search.budget.runs}"
    found = ("", "") if best is None else (text_.number(best.result), text_.ids_text(line.runs))
    return [str(search.id), search.task, str(search.tuner.get("className", "")), search.state.value,
            f"{line.done}{of}", *found, text_.age(search.submitted_at, now), search.reason or line.why or ""]


def _plain(line: SearchLine) -> dict[str, Any]:
    """As JSON: the record, its counts, and runs, mean result and config of the best config."""
    from hyperspace_core.plugin import text as text_

    best = line.best
    found: dict[str, Any] = text_.to_json(line.search)
    found |= {"counts": text_.to_json(line.counts), "why_not": line.why}
    return found | {"best": None if best is None else {
        "run": best.id, "runs": list(line.runs), "result": text_.to_json(best.result),
        "config": text_.to_json(best.config)}}


# -- one search ---------------------------------------------------------------------------------------------


def _show(context: CommandContext, record: SearchRecord) -> None:
    from hyperspace_tuning.study import view_of

    view = view_of(context.store, record)
    terminal.echo_page(_page(context, view, _about(context, record)))
    if view.best is not None:
        command = context.command(f"searches show {record.id} --best best.json")
        terminal.echo_hint(f"`{command}` writes the best config to a file")


def _page(context: CommandContext, view: SearchView, about: SearchFacts | None = None) -> terminal.Page:
    from hyperspace_core.plugin import overview
    from hyperspace_tuning.pages import write_search

    page = terminal.new_page()
    alive = overview.living_workers(context.store, context.name)
    write_search(page, view, why=overview.search_line(context.store, view.search, alive).why, about=about,
                 bars=terminal.bars_of_stdout())
    return page


def _watch(context: CommandContext, search: int) -> None:
    from hyperspace_core.cli.plugin import Watching, watch
    from hyperspace_core.plugin import get_search
    from hyperspace_tuning.study import SearchView, view_of

    class Watched(Watching[SearchView]):
        """One search."""

        def view_of(self, context: CommandContext) -> SearchView:
            return view_of(context.store, get_search(context.store, context.name, search))

        def news_in(self, view: SearchView) -> object:
            return view.text(times=False)

    watch(Watched(context, _page))


def _about(context: CommandContext, record: SearchRecord) -> SearchFacts | None:
    """Describe the search by the current code; None if it is missing or unfit."""
    from hyperspace_core.cli.plugin import is_installed
    from hyperspace_core.errors import HyperspaceError
    from hyperspace_tuning.history import read_past_runs
    from hyperspace_tuning.pages import SearchFacts, space_summary
    from hyperspace_tuning.proposer import importance_of

    if not is_installed(context):
        return None
    try:
        project = context.project()
        past = read_past_runs(context.store, project, record)
        seen = past.seen()
        left = ", ".join(dict.fromkeys(one.name for one in past.space.left_out))
        return SearchFacts(space=space_summary(past.space) + (f" ({left})" if left else ""),
                           history=seen.summary,
                           importance=importance_of(project, past.space, seen.history))
    except HyperspaceError as error:
        terminal.echo_note(f"search space and history are not shown: the current code does not fit: {error}")
        return None


def _echo_search(context: CommandContext, record: SearchRecord) -> None:
    from hyperspace_core.plugin import overview, text as text_
    from hyperspace_tuning.study import view_of

    view = view_of(context.store, record)
    about = _about(context, record)
    alive = overview.living_workers(context.store, context.name)
    line = _plain(overview.search_line(context.store, record, alive))
    terminal.echo_json(line | {
        "improvements": [{"run": run.id, "result": run.result} for run in view.improvements],
        "running": [run.id for run in view.running], "pruned": view.pruned, "hours": view.hours,
        "eta_s": view.eta_s, "importance": None if about is None else text_.to_json(about.importance),
        "history": None if about is None else about.history})


def _write(context: CommandContext, record: SearchRecord, best_file: Path | None,
           output: Path | None) -> None:
    from hyperspace_tuning.study import write_best

    if output is not None:
        context.run_command("plot", "history", "--search", str(record.id), "--output", str(output))
    if best_file is not None:
        terminal.echo(f"{write_best(context.store, record, best_file)}")
