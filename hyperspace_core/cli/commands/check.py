"""`hyperspace check`: check that past runs stay comparable with the current code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.options import FilterOptions, filtered, json_option
from hyperspace_core.cli.terminal import echo, echo_json, tracked
from hyperspace_core.errors import ExitCode

if TYPE_CHECKING:
    from hyperspace_core.backfill.check import Finding
    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.records.run import RunRecord


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
    from hyperspace_core.backfill.check import check_project
    from hyperspace_core.backfill.plan import ENDED
    from hyperspace_core.cli.commands.queue import counted

    where = wanted.at(context)
    where = replace(where, states=where.states or ENDED)
    project, store = context.project(), context.store
    _check_filter(context, where, wanted)

    def reading(found: Iterator[RunRecord]) -> Iterator[RunRecord]:
        return tracked(found, "reading runs", sum(store.count(where).values()))

    report = check_project(project, store, where, watch=reading)
    if as_json:
        echo_json({"looked_at": report.looked_at, "findings": list(map(_plain, report.findings)),
                  "hints": list(map(_plain, report.hints))})
    else:
        for finding in report.findings:
            echo(finding.line)
        for hint in report.hints:
            echo(f"hint: {hint.line}")
        if not report.looked_at:
            echo("no finished runs to check yet")
        elif not report.findings:
            echo(f"{counted(report.looked_at)}: everything these runs depend on is unchanged")
    return ExitCode.FAILED if report.findings else ExitCode.OK


def _check_filter(context: CommandContext, where: RunFilter, wanted: FilterOptions) -> None:
    """Refuse a filter that matches no run because of a misspelt name.

    Raises `TaskError` for a task that neither exists nor has runs, `UsageError` for tags and conditions that
    match no run.
    """
    from hyperspace_core.errors import UsageError
    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.results.overview import counted

    for task in where.tasks:
        if not context.store.count(RunFilter(project=context.name, tasks=(task,))):
            context.project().task(task)
    named = replace(where, since=None)             # no run since then is not an error
    if (where.tags or where.where) and not context.store.count(named):
        counts = context.store.count(replace(named, tags=(), where=()))
        if counts:
            options = " and ".join(name for name in wanted.options if name in ("--tag", "--where"))
            raise UsageError(f"{options}: no run matches; nothing was checked; all runs: {counted(counts)}")


def _plain(finding: Finding) -> dict[str, Any]:
    return {"kind": finding.kind, "where": finding.where, "text": finding.summary, "cure": finding.cure,
            "runs": finding.runs, "last": finding.last}
