"""`hyperspace store`: inspect and maintain a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.arguments import dry_run_option, json_option
from hyperspace_core.cli.commands.store_copy import copy
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.root import Commands
from hyperspace_core.cli.screen import hint, new_page, say, say_json, say_page
from hyperspace_core.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from hyperspace_core.storage import GarbageReport


@click.group(cls=Commands)
def store() -> None:
    """Inspect and maintain the store of the runs."""


@store.command
@at_place
@json_option
def info(*, place: Place, as_json: bool) -> None:
    """Show address, backend, schema and size of the store, and its runs by project."""
    from hyperspace_core.results.words import byte_count

    found = place.whole_store.info()
    if as_json:
        say_json(found)
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
    say_page(page)


@store.command
@at_place
@json_option
def check(*, place: Place, as_json: bool) -> int:
    """Check the store for damage, one line each; exit code 1 if there is any."""
    problems = place.whole_store.check()
    if as_json:
        say_json(problems)
    else:
        for problem in problems:
            say(problem)
        if not problems:
            say(f"{place.whole_store.url}: no damage found")
    return ExitCode.FAILED if problems else ExitCode.OK


@store.command
@at_place
@dry_run_option
@json_option
def upgrade(*, place: Place, dry_run: bool, as_json: bool) -> None:
    """Upgrade the schema of the store to this version; stop all workers first."""
    before, after = place.whole_store.upgrade(dry_run=dry_run)
    if as_json:
        say_json({"from": before, "to": after, "dry_run": dry_run})
    elif before == after:
        say(f"schema {after}: up to date")
    else:
        say(f"{'would upgrade' if dry_run else 'upgraded'} schema {before} to {after}")


@store.command
@click.option("--yes", is_flag=True, help="Remove them; without it they are only counted.")
@at_place
@dry_run_option
@json_option
def gc(*, place: Place, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Count artifact contents that no run uses any more; --yes removes them.

    Deleted runs leave them behind. Contents that a run uses are never removed.
    """
    if yes and dry_run:
        raise UsageError("--yes and --dry-run contradict each other; give one")
    report = place.whole_store.collect_garbage(dry_run=not yes)
    if as_json:
        say_json(report)
        return
    say(_summary(report))
    if report.blobs and not yes:
        hint("--yes removes them")


def _summary(report: GarbageReport) -> str:
    from hyperspace_core.results.words import byte_count

    if not report.blobs:
        return "nothing to remove: every artifact content is used by a run"
    what = "1 artifact content" if report.blobs == 1 else f"{report.blobs:,} artifact contents"
    return f"{'would remove' if report.dry_run else 'removed'} {what}, {byte_count(report.bytes)}"


store.add_command(copy)
