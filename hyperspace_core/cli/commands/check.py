"""`hyperspace check`: whether today's code keeps the promise that past runs stay comparable."""

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
    """Compare the project's code with all that was ever run, for the project's own CI.

    Exit code 1 where a default that runs relied on has changed, a parameter or class that they used is gone
    or has another name that nothing declares, or a value no longer fits. Without filter options all runs
    that have ended are looked at; options that no run matches, although there are some, are a mistake.
    """
    from hyperspace_core.backfill.check import check_project
    from hyperspace_core.backfill.plan import ENDED
    from hyperspace_core.cli.bulk import counted

    where = wanted.at(place)
    where = replace(where, states=where.states or ENDED)
    project, store = place.project(), place.store
    _check_filter(place, where, wanted)

    def looking(found: Iterator[RunRecord]) -> Iterator[RunRecord]:
        return tracked(found, "looking at runs", sum(store.count(where).values()))

    report = check_project(project, store, where, watch=looking)
    if as_json:
        say_json({"looked_at": report.looked_at, "findings": list(map(_plain, report.findings)),
                  "hints": list(map(_plain, report.hints))})
    else:
        for finding in report.findings:
            say(finding.line)
        for hint in report.hints:
            say(f"hint: {hint.line}")
        if not report.looked_at:
            say("no run has ended yet that could be compared with")
        elif not report.findings:
            say(f"{counted(report.looked_at)}: all that they relied on is as it was")
    return ExitCode.FAILED if report.findings else ExitCode.OK


def _check_filter(place: Place, where: RunFilter, wanted: Wanted) -> None:
    """A misspelt name must not look like a check that found nothing.

    Raises `TaskError` for a task that neither exists nor has runs, `UsageError` for tags and conditions that
    no run matches.
    """
    from hyperspace_core.errors import UsageError
    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.results.picture import counted

    for task in where.tasks:
        if not place.store.count(RunFilter(project=place.name, tasks=(task,))):
            place.project().task(task)
    named = replace(where, since=None)             # that nothing is as new as that, is no mistake
    if (where.tags or where.where) and not place.store.count(named):
        counts = place.store.count(replace(named, tags=(), where=()))
        if counts:
            options = " and ".join(name for name in wanted.options if name in ("--tag", "--where"))
            raise UsageError(f"{options}: no run matches, so nothing was checked; of all: {counted(counts)}")


def _plain(finding: Finding) -> dict[str, Any]:
    return {"kind": finding.kind, "where": finding.where, "text": finding.told, "cure": finding.cure,
            "runs": finding.runs, "last": finding.last}
