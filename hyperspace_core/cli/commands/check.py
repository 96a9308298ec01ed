"""`hyperspace check`: check that past runs stay comparable with the current code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.arguments import Wanted, filtered, json_option
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.screen import say, say_json, tracked
from hyperspace_core.errors import ExitCode

if TYPE_CHECKING:
    from hyperspace_core.backfill.check import Finding
    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.records.run import RunRecord


@click.command
@filtered
@json_option
@at_place
def check(*, place: Place, wanted: Wanted, as_json: bool) -> int:
    """Check that the project's code still fits its past runs; for CI.

    Exit code 1 if a default that runs used has changed, a parameter or class that they used was removed or
    renamed without a declaration, or a value is no longer valid. Without filter options all finished runs are
    checked. Filter options that match no run are an error if the project has finished runs.
    """
    from hyperspace_core.backfill.check import check_project
    from hyperspace_core.backfill.plan import ENDED
    from hyperspace_core.cli.bulk import counted

    where = wanted.at(place)
    where = replace(where, states=where.states or ENDED)
    project, store = place.project(), place.store
    _check_filter(place, where, wanted)

    def reading(found: Iterator[RunRecord]) -> Iterator[RunRecord]:
        return tracked(found, "reading runs", sum(store.count(where).values()))

    report = check_project(project, store, where, watch=reading)
    if as_json:
        say_json({"looked_at": report.looked_at, "findings": list(map(_plain, report.findings)),
                  "hints": list(map(_plain, report.hints))})
    else:
        for finding in report.findings:
            say(finding.line)
        for hint in report.hints:
            say(f"hint: {hint.line}")
        if not report.looked_at:
            say("no finished runs to check yet")
        elif not report.findings:
            say(f"{counted(report.looked_at)}: everything these runs depend on is unchanged")
    return ExitCode.FAILED if report.findings else ExitCode.OK


def _check_filter(place: Place, where: RunFilter, wanted: Wanted) -> None:
    """Refuse a filter that matches no run because of a misspelt name.

    Raises `TaskError` for a task that neither exists nor has runs, `UsageError` for tags and conditions that
    match no run.
    """
    from hyperspace_core.errors import UsageError
    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.results.picture import counted

    for task in where.tasks:
        if not place.store.count(RunFilter(project=place.name, tasks=(task,))):
            place.project().task(task)
    named = replace(where, since=None)             # no run since then is not an error
    if (where.tags or where.where) and not place.store.count(named):
        counts = place.store.count(replace(named, tags=(), where=()))
        if counts:
            options = " and ".join(name for name in wanted.options if name in ("--tag", "--where"))
            raise UsageError(f"{options}: no run matches; nothing was checked; all runs: {counted(counts)}")


def _plain(finding: Finding) -> dict[str, Any]:
    return {"kind": finding.kind, "where": finding.where, "text": finding.summary, "cure": finding.cure,
            "runs": finding.runs, "last": finding.last}
