"""`hyperspace backfill` and `hyperspace check`: past runs and the current code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.plugin import (
    CommandContext,
    FilterOptions,
    counted,
    dry_run_option,
    filtered,
    json_option,
    pass_context,
    terminal,
)
from hyperspace_core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from hyperspace_core.records import RunFilter, RunRecord
    from hyperspace_migrate.check import Finding
    from hyperspace_migrate.plan import BackfillPlan


@click.command
@click.option("--name", metavar="NAME", help="Name of the migration that adds missing parameters.")
@click.option("--undo", metavar="NAME", help="Undo this migration: restore the configs of its runs.")
@click.option("--list", "listing", is_flag=True, help="List the migrations that have been applied.")
@dry_run_option
@json_option
@pass_context
def backfill(*, context: CommandContext, name: str | None, undo: str | None, listing: bool, dry_run: bool,
             as_json: bool) -> None:
    """Bring the configs of past runs up to date with the project's code.

    First the migrations that the project registers, then the parameters that old runs do not have, with the
    defaults that keep the old behaviour. Each migration has a name and can be undone; the config as submitted
    never changes. Run the same command again to finish an interrupted backfill.
    """
    given = [option for option, value in (("--name", name), ("--undo", undo), ("--list", listing)) if value]
    if len(given) > 1 or (listing and dry_run):
        others = given if len(given) > 1 else [*given, "--dry-run"]
        raise UsageError(f"{' and '.join(others)} contradict each other; give one")
    if listing:
        _list(context, as_json=as_json)
    elif undo is not None:
        _undo(context, undo, dry_run=dry_run, as_json=as_json)
    else:
        _fill(context, name, dry_run=dry_run, as_json=as_json)


def _fill(context: CommandContext, name: str | None, *, dry_run: bool, as_json: bool) -> None:
    from hyperspace_core.records import RunFilter
    from hyperspace_migrate.plan import ENDED, apply_plan, plan_backfill

    project, store = context.project(), context.store
    total = sum(store.count(RunFilter(project=context.name, states=ENDED)).values())

    def reading(found: Iterator[RunRecord]) -> Iterator[RunRecord]:
        return terminal.tracked(found, "reading runs", total)

    plan = plan_backfill(project, store, name=name, watch=reading)
    done = {one.migration.name: len(one.runs) for one in plan.migrations} if dry_run else apply_plan(
        store, plan, watch=lambda batches: terminal.tracked(batches, "rewriting configs"))
    if as_json:
        terminal.echo_json(_plan_json(plan, done, dry_run=dry_run))
    else:
        _print(plan, done, dry_run=dry_run)


def _print(plan: BackfillPlan, done: dict[str, int], *, dry_run: bool) -> None:
    page = terminal.new_page(fold=True)
    for one in plan.migrations:
        page.line((one.migration.name, "head"), f"{counted(done[one.migration.name])}"
                  f"{' would be rewritten' if dry_run else ' rewritten'}")
        page.rows([(effect.text, counted(effect.runs)) for effect in one.effects])
    if not plan.migrations:
        page.line(f"{counted(plan.looked_at)}: all configs are up to date")
    terminal.echo_page(page)
    missed = 0 if dry_run else sum(len(one.runs) - done[one.migration.name] for one in plan.migrations)
    if missed:
        terminal.echo_note(f"{counted(missed)} skipped: changed or requeued by another process since they "
                           "were read; run the same command again")
    for left in plan.left[:terminal.SHOWN]:
        terminal.echo_note(f"skipped: {counted(left.runs)} (last: run {left.last}): {left.cause}")
    if len(plan.left) > terminal.SHOWN:
        terminal.echo_note(f"skipped for {len(plan.left) - terminal.SHOWN} more causes: --json has them")


def _plan_json(plan: BackfillPlan, done: dict[str, int], *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run, "looked_at": plan.looked_at, "left": plan.left,
        "migrations": [{"name": one.migration.name, "declared": one.declared, "steps": one.migration.steps,
                        "runs": done[one.migration.name], "effects": one.effects}
                       for one in plan.migrations]}


def _undo(context: CommandContext, name: str, *, dry_run: bool, as_json: bool) -> None:
    from hyperspace_migrate.plan import undo

    runs = undo(context.store, context.name, name, dry_run=dry_run)
    if as_json:
        terminal.echo_json({"name": name, "runs": runs, "dry_run": dry_run})
    else:
        terminal.echo(f"{'would undo' if dry_run else 'undid'} {name}: {counted(len(runs))} restored")


def _list(context: CommandContext, *, as_json: bool) -> None:
    from hyperspace_core.plugin import text
    from hyperspace_core.storage import migrations_of
    from hyperspace_migrate.plan import step_text

    found = list(migrations_of(context.store, context.name).values())
    if as_json:
        terminal.echo_json(found)
        return
    now = datetime.now().astimezone()
    terminal.echo_table(("name", "runs", "applied", "by", "steps"), [
        (one.name, str(one.runs) if one.runs else "undone", text.ago(one.at, now), one.author,
         "; ".join(map(step_text, one.steps))) for one in found], empty="no migration has been applied")


# -- check --------------------------------------------------------------------------------------------------

@click.command
@filtered
@json_option
@pass_context
def check(*, context: CommandContext, wanted: FilterOptions, as_json: bool) -> int:
    """Check that the project's code still fits its past runs; for CI.

    Exit code 1 if a default that runs used has changed, a parameter or class that they used was removed or
    renamed without a declaration, or a value is no longer valid. Without filter options all finished runs are
    checked. Filter options that match no run are an error if the project has finished runs.
    """
    from hyperspace_migrate.check import check_project
    from hyperspace_migrate.plan import ENDED

    where = wanted.at(context)
    where = replace(where, states=where.states or ENDED)
    project, store = context.project(), context.store
    _check_filter(context, where, wanted)

    def reading(found: Iterator[RunRecord]) -> Iterator[RunRecord]:
        return terminal.tracked(found, "reading runs", sum(store.count(where).values()))

    report = check_project(project, store, where, watch=reading)
    if as_json:
        terminal.echo_json({"looked_at": report.looked_at,
                            "findings": list(map(_finding_json, report.findings)),
                            "hints": list(map(_finding_json, report.hints))})
    else:
        for finding in report.findings:
            terminal.echo(finding.line)
        for hint in report.hints:
            terminal.echo(f"hint: {hint.line}")
        if not report.looked_at:
            terminal.echo("no finished runs to check yet")
        elif any(hint.kind in ("code", "file") for hint in report.hints) and not report.findings:
            terminal.echo(f"{counted(report.looked_at)}: their configs are valid and complete; their code is "
                          "not what it was")
        elif not report.findings:
            terminal.echo(f"{counted(report.looked_at)}: everything these runs depend on is unchanged")
    return ExitCode.FAILED if report.findings else ExitCode.OK


def _check_filter(context: CommandContext, where: RunFilter, wanted: FilterOptions) -> None:
    """Refuse a filter that matches no run because of a misspelt name.

    Raises `TaskError` for a task that neither exists nor has runs, `UsageError` for tags and conditions that
    match no run.
    """
    from hyperspace_core.plugin import overview
    from hyperspace_core.records import RunFilter

    for task in where.tasks:
        if not context.store.count(RunFilter(project=context.name, tasks=(task,))):
            context.project().task(task)
    named = replace(where, since=None)             # no run since then is not an error
    if (where.tags or where.where) and not context.store.count(named):
        counts = context.store.count(replace(named, tags=(), where=()))
        if counts:
            options = " and ".join(name for name in wanted.options if name in ("--tag", "--where"))
            raise UsageError(f"{options}: no run matches; nothing was checked; "
                             f"all runs: {overview.counts_text(counts)}")


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {"kind": finding.kind, "where": finding.where, "text": finding.summary, "cure": finding.cure,
            "runs": finding.runs, "last": finding.last}
