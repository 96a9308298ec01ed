"""`hyperspace store`: inspect and maintain a store."""

from __future__ import annotations

import click

from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.main import Commands
from hyperspace_core.cli.options import dry_run_option, json_option
from hyperspace_core.cli.terminal import echo, echo_hint, echo_json, echo_page, new_page
from hyperspace_core.errors import ExitCode, UsageError
from hyperspace_core.results.format import byte_count, counted
from hyperspace_core.storage import GarbageReport, Maintenance


@click.group(cls=Commands)
def store() -> None:
    """Inspect and maintain the store of the runs."""


@store.command
@pass_context
@json_option
def info(*, context: CommandContext, as_json: bool) -> None:
    """Show address, backend, schema and size of the store, and its runs by project."""
    found = context.whole_store.info()
    if as_json:
        echo_json(found)
        return
    page = new_page()
    page.line((found.url, "head"))
    page.rows([["backend", found.backend], ["schema", str(found.schema)], ["size", byte_count(found.bytes)]])
    page.heading("Runs")
    page.rows([[project, str(count)] for project, count in found.runs.items()])
    if not found.runs:
        page.line(("none yet", "quiet"), indent=2)
    for text in found.notes:
        page.gap()
        page.line((text, "held"))
    echo_page(page)


@store.command
@pass_context
@json_option
def check(*, context: CommandContext, as_json: bool) -> int:
    """Check the store for damage, one line each; exit code 1 if there is any."""
    problems = Maintenance.of(context.whole_store).check()
    if as_json:
        echo_json(problems)
    else:
        for problem in problems:
            echo(problem)
        if not problems:
            echo(f"{context.whole_store.url}: no damage found")
    return ExitCode.FAILED if problems else ExitCode.OK


@store.command
@pass_context
@dry_run_option
@json_option
def upgrade(*, context: CommandContext, dry_run: bool, as_json: bool) -> None:
    """Upgrade the schema of the store to this version; stop all workers first."""
    before, after = Maintenance.of(context.whole_store).upgrade(dry_run=dry_run)
    if as_json:
        echo_json({"from": before, "to": after, "dry_run": dry_run})
    elif before == after:
        echo(f"schema {after}: up to date")
    else:
        echo(f"{'would upgrade' if dry_run else 'upgraded'} schema {before} to {after}")


@store.command
@click.option("--yes", is_flag=True, help="Remove them; without it they are only counted.")
@pass_context
@dry_run_option
@json_option
def gc(*, context: CommandContext, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Count artifact contents that no run uses any more; --yes removes them.

    Deleted runs leave them behind. Contents that a run uses are never removed.
    """
    if yes and dry_run:
        raise UsageError("--yes and --dry-run contradict each other; give one")

    report = Maintenance.of(context.whole_store).collect_garbage(dry_run=not yes)
    if as_json:
        echo_json(report)
        return
    echo(_summary(report))
    if report.blobs and not yes:
        echo_hint("--yes removes them")


def _summary(report: GarbageReport) -> str:
    if not report.blobs:
        return "nothing to remove: every artifact content is used by a run"
    what = counted(report.blobs, "artifact content")
    return f"{'would remove' if report.dry_run else 'removed'} {what}, {byte_count(report.bytes)}"
