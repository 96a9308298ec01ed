"""The commands `reproduce`, `parity` and `rescore`."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.plugin import (
    CommandContext,
    FilterOptions,
    WholeNumber,
    dry_run_option,
    filtered,
    json_option,
    pass_context,
    run_argument,
    task_argument,
    terminal,
)
from hyperspace_core.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperspace_core.plugin import events
    from hyperspace_core.records import RunRecord
    from hyperspace_reproduce.parity import Pair
    from hyperspace_reproduce.reproduce import ReproduceOptions, Reproduction, Site
    from hyperspace_reproduce.rescore import Scoring


# -- `hyperspace reproduce` ----


@click.command
@run_argument
@click.option("--tolerance", type=float, default=0.0, show_default=True, metavar="NUMBER",
              help="Largest allowed difference: relative, and absolute for numbers below 1.")
@click.option("--ignore", multiple=True, metavar="NAME",
              help="A series or metric that may differ, as in 'seconds/*'; may be given again.")
@click.option("--code", type=click.Choice(["original", "current"]), default="original", show_default=True,
              help="The code to execute: the run's own, or the current code.")
@click.option("--env", "environment", type=click.Choice(["current", "rebuild"]), default="current",
              show_default=True, help="The packages to use: those installed here, or the recorded ones.")
@click.option("--echo", "print_output", is_flag=True, help="Print the output of the run.")
@pass_context
@dry_run_option
@json_option
def reproduce(*, context: CommandContext, run: int, tolerance: float, ignore: tuple[str, ...], code: str,
              environment: str, print_output: bool, dry_run: bool, as_json: bool) -> int:
    """Execute a past RUN again with its seed, and compare the results.

    Compares result, metrics and each point of each series. Changes neither the store nor the checkout. Exit
    code 1 if the run diverged.

    \b
    hyperspace reproduce 42
    hyperspace reproduce 42 --code current --tolerance 1e-9
    """
    from hyperspace_core.plugin import get_run
    from hyperspace_reproduce.reproduce import ReproduceOptions, as_executed, reproduce as reproduced

    wish = ReproduceOptions(code=code, environment=environment, tolerance=tolerance, ignore=ignore)
    site = _site(context)
    if dry_run:
        return _say_plan(site, as_executed(site.store, get_run(site.store, site.name, run)), wish)
    found = reproduced(site, run, wish, listener=progress_listener(print_output=print_output, count=1))
    if as_json:
        terminal.echo_json({"run": run, "verdict": found.verdict.likeness, "first": found.verdict.first,
                   "compared": found.verdict.compared, "causes": found.causes, "code": found.code,
                   "environment": found.environment, "before": _numbers(found.before),
                   "now": _numbers(found.now)})
    else:
        _print_reproduction(found)
    return ExitCode.OK if found.same else ExitCode.FAILED


def _site(context: CommandContext) -> Site:
    """Look the project up without opening it: it may be broken."""
    from hyperspace_core.plugin import installed_projects
    from hyperspace_reproduce.reproduce import Site

    found = next((found for found in installed_projects() if found.name == context.name), None)
    return Site(store=context.store, extensions=context.extensions, name=context.name,
                no_plugins=context.no_plugins,
                package="" if found is None else found.module.partition(".")[0],
                distribution="" if found is None else found.distribution)


def _say_plan(site: Site, record: RunRecord, wish: ReproduceOptions) -> int:
    """Print what would be executed; raises if the code of the run is missing."""
    from hyperspace_reproduce.environment import code_of

    if wish.code == "current":
        on = "the current code"
    else:
        with code_of(site.store, record, site.package) as past:
            on = f"its own code, {past.description}"
    packages = "the packages installed here" if wish.environment == "current" else "the recorded packages"
    terminal.echo(f"would execute run {record.id} of {record.task} again, seed {record.seed}, on {on}, "
         f"with {packages}")
    return ExitCode.OK


def _print_reproduction(found: Reproduction) -> None:
    from hyperspace_core.plugin import text

    verdict, before, now = found.verdict, found.before, found.now
    page = terminal.new_page()
    page.line(f"run {before.id} of {before.task}: {verdict.likeness}")
    if verdict.first is not None:
        page.line(f"{'first difference' if found.same else 'diverged'} at {verdict.first}", indent=2)
    rows = [[name, text.number(before.metrics.get(name)), "->", text.number(now.metrics.get(name))]
            for name in dict.fromkeys([*before.metrics, *now.metrics])]
    page.rows(rows)
    numbers = "1 number" if verdict.compared == 1 else f"{verdict.compared} numbers"
    page.line((f"{numbers} compared, on {found.code}, with {found.environment}", "quiet"),
              indent=2)
    terminal.echo_page(page)
    if not found.same:
        terminal.echo(f"likely cause: {found.likely}")
    for other in found.causes[0 if found.same else 1:]:
        terminal.echo_note(f"{'also' if not found.same else 'although'} {other.text}")


def _numbers(record: RunRecord) -> dict[str, object]:
    return {"state": record.state, "reason": record.reason, "result": record.result,
            "metrics": record.metrics}


# -- `hyperspace parity` ----


@click.command
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--last", type=WholeNumber(1), default=20, show_default=True, help="Number of past runs.")
@click.option("--task", help="Only runs of this task.")
@click.option("--tolerance", type=float, default=0.0, show_default=True, metavar="NUMBER",
              help="Largest allowed difference: relative, and absolute for numbers below 1.")
@click.option("--slots", type=WholeNumber(1), default=1, show_default=True, help="Number of parallel runs.")
@pass_context
@dry_run_option
@json_option
def parity(*, context: CommandContext, old: str, new: str, last: int, task: str | None, tolerance: float,
           slots: int, dry_run: bool, as_json: bool) -> int:
    """Execute the last runs of class OLD again with class NEW, and compare.

    Same parameters and seed, current code. Nothing is added to the store. Exit code 1 if a run diverged.

    \b
    hyperspace parity Forest FastForest --last 20
    """
    from hyperspace_core.cli.plugin import counted
    from hyperspace_reproduce.parity import parity as compared, planned
    from hyperspace_reproduce.replay import check_tolerance

    check_tolerance(tolerance)
    study = context.study(None)
    if dry_run:
        runs = planned(study, old, new, task=task, last=last)
        terminal.echo(f"would execute {counted(len(runs))} again with {new} for {old}: "
             f"{', '.join(str(pair.before.id) for pair in runs)}")
        return ExitCode.OK
    count = len(planned(study, old, new, task=task, last=last))
    pairs = compared(study, old, new, task=task, last=last, tolerance=tolerance, slots=slots,
                     listener=progress_listener(print_output=False, count=count))
    if as_json:
        terminal.echo_json([{"run": pair.before.id, "verdict": pair.verdict and pair.verdict.likeness,
                    "first": pair.verdict and pair.verdict.first, "problem": pair.problem or None}
                  for pair in pairs])
    else:
        _print_pairs(pairs, old, new)
    return ExitCode.OK if all(pair.same for pair in pairs) else ExitCode.FAILED


def _print_pairs(pairs: Sequence[Pair], old: str, new: str) -> None:
    from hyperspace_core.plugin import text

    terminal.echo_table(("run", "task", f"{old} then", f"{new} now", "verdict", "first difference"), [
        (str(pair.before.id), pair.before.task, text.number(pair.before.result),
         "" if pair.now is None else text.number(pair.now.result),
         pair.problem or str(pair.verdict and pair.verdict.likeness),
         str(pair.verdict.first) if pair.verdict is not None and pair.verdict.first is not None else "")
        for pair in pairs])
    same = sum(pair.same for pair in pairs)
    terminal.echo_note(
        f"{same} of {len(pairs)} {'run gives' if len(pairs) == 1 else 'runs give'} the same with {new}")


# -- `hyperspace rescore` ----


@click.command
@task_argument
@click.option("--metric", "name", required=True, metavar="NAME",
              help="A metric that the project registers with register.metric.")
@click.option("--undo", is_flag=True, help="Remove the values computed under this name.")
@click.option("--again", is_flag=True, help="Compute it also for runs that have a value by the same code.")
@filtered
@dry_run_option
@json_option
@pass_context
def rescore(*, context: CommandContext, task: str, name: str, undo: bool, again: bool, wanted: FilterOptions,
            dry_run: bool, as_json: bool) -> int:
    """Compute a metric for the completed runs of TASK from their stored predictions.

    The metrics that the run returned stay as they are; `hyperspace results` shows this one as a new column.

    \b
    hyperspace rescore holdout --metric macro_f1 --dry-run
    hyperspace rescore holdout --metric macro_f1 --undo
    """
    from hyperspace_core.records import ORDER_OLDEST, State
    from hyperspace_reproduce.rescore import metric_of, rescored, undone

    if wanted.tasks:
        raise click.UsageError(f"{task} and --task {wanted.tasks[0]} contradict each other; name one task")
    where = wanted.at(context)
    matching = replace(where, tasks=(task,), states=where.states or (State.COMPLETED,))
    records = list(context.store.find(matching, order=ORDER_OLDEST))
    if undo:
        found = list(undone(context.store, records, name, dry_run=dry_run))
    else:
        project = context.project()
        if not records:
            project.task(task)             # raises for a misspelt name
        found = list(terminal.tracked(rescored(context.store, project, records, metric_of(project, name),
                                      dry_run=dry_run, again=again), name, len(records)))
    if as_json:
        terminal.echo_json(found)
    else:
        _print_scorings(found, name, undo=undo, dry_run=dry_run)
    return ExitCode.FAILED if any(one.failed for one in found) else ExitCode.OK


def _print_scorings(found: Sequence[Scoring], name: str, *, undo: bool, dry_run: bool) -> None:
    from collections import Counter

    from hyperspace_core.cli.plugin import counted
    from hyperspace_core.plugin import text

    done = [one for one in found if one.done]
    if done and not undo:
        terminal.echo_table(("run", name, "before"),
                            [[str(one.run), text.number(one.value), text.number(one.before)] for one in done])
    for one in found:
        if one.failed:
            terminal.echo_error(f"run {one.run}: {one.why}")
    for why, count in Counter(one.why for one in found if one.why and not one.failed).items():
        terminal.echo_note(f"{counted(count)}: {why}")
    verb = "removed from" if undo else "computed for"
    terminal.echo(f"{'would be ' if dry_run else ''}{verb} {counted(len(done))}")


# -- Progress messages of `reproduce` and `parity` ----


def progress_listener(*, print_output: bool, count: int) -> events.Listener:
    """Print warnings, the output of runs (`print_output`), and the progress of several runs."""
    from hyperspace_core.plugin import events

    ended = 0

    def hear(event: events.Event) -> None:
        nonlocal ended
        match event:
            case events.Notice(text=text, level=level) if level >= logging.WARNING:
                terminal.warn(text)
            case events.Printed(text=text) if print_output:
                sys.stderr.write(text)
            case events.RunEnded() if count > 1:
                ended += 1
                terminal.echo_note(f"{ended} of {count} executed")

    return hear
