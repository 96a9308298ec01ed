"""`hyperspace backfill`: configs of past runs brought to what the project's code calls things today."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.arguments import dry_run_option, json_option
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.screen import SHOWN, new_page, note, say, say_json, say_page, say_table, tracked
from hyperspace_core.errors import UsageError

if TYPE_CHECKING:
    from hyperspace_core.backfill.plan import BackfillPlan
    from hyperspace_core.records.run import RunRecord


@click.command
@click.option("--name", metavar="NAME", help="What the migration of missing parameters is to be called.")
@click.option("--undo", metavar="NAME", help="Give the runs of this migration back what they had before it.")
@click.option("--list", "listing", is_flag=True, help="List the migrations that have been applied.")
@dry_run_option
@json_option
@at_place
def backfill(*, place: Place, name: str | None, undo: str | None, listing: bool, dry_run: bool,
             as_json: bool) -> None:
    """Bring the configs of past runs up to date with the project's code.

    First come the migrations that the project lists, then parameters that old runs lack, with the defaults
    that keep the old behaviour. Each is recorded under a name and can be undone; what was written at
    submission never changes. An interrupted backfill is finished by the same command.
    """
    given = [option for option, value in (("--name", name), ("--undo", undo), ("--list", listing)) if value]
    if len(given) > 1 or (listing and dry_run):
        others = given if len(given) > 1 else [*given, "--dry-run"]
        raise UsageError(f"{' and '.join(others)} contradict each other; give one")
    if listing:
        _list(place, as_json=as_json)
    elif undo is not None:
        _undo(place, undo, dry_run=dry_run, as_json=as_json)
    else:
        _fill(place, name, dry_run=dry_run, as_json=as_json)


def _fill(place: Place, name: str | None, *, dry_run: bool, as_json: bool) -> None:
    from hyperspace_core.backfill.doing import apply_plan
    from hyperspace_core.backfill.plan import ENDED, plan_backfill
    from hyperspace_core.records.filter import RunFilter

    project, store = place.project(), place.store
    total = sum(store.count(RunFilter(project=place.name, states=ENDED)).values())

    def looking(found: Iterator[RunRecord]) -> Iterator[RunRecord]:
        return tracked(found, "looking at runs", total)

    plan = plan_backfill(project, store, name=name, watch=looking)
    done = {one.migration.name: len(one.runs) for one in plan.migrations} if dry_run else apply_plan(
        store, plan, watch=lambda batches: tracked(batches, "rewriting configs"))
    if as_json:
        say_json(_plain(plan, done, dry_run=dry_run))
    else:
        _tell(plan, done, dry_run=dry_run)


def _tell(plan: BackfillPlan, done: dict[str, int], *, dry_run: bool) -> None:
    from hyperspace_core.cli.bulk import counted

    page = new_page(fold=True)
    for one in plan.migrations:
        page.line((one.migration.name, "head"), f"{counted(done[one.migration.name])}"
                  f"{' would be rewritten' if dry_run else ' rewritten'}")
        page.rows([(effect.text, counted(effect.runs)) for effect in one.effects])
    if not plan.migrations:
        page.line(f"nothing to bring up to date in {counted(plan.looked_at)}")
    say_page(page)
    missed = 0 if dry_run else sum(len(one.runs) - done[one.migration.name] for one in plan.migrations)
    if missed:
        note("some runs had been rewritten or queued again since they were looked at, and were left alone: "
             "the same command looks again")
    for left in plan.left[:SHOWN]:
        note(f"left alone: {counted(left.runs)} (last: run {left.last}): {left.cause}")
    if len(plan.left) > SHOWN:
        note(f"left alone for {len(plan.left) - SHOWN} more causes: --json has them")


def _plain(plan: BackfillPlan, done: dict[str, int], *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run, "looked_at": plan.looked_at, "left": plan.left,
        "migrations": [{"name": one.migration.name, "declared": one.declared, "steps": one.migration.steps,
                        "runs": done[one.migration.name], "effects": one.effects}
                       for one in plan.migrations]}


def _undo(place: Place, name: str, *, dry_run: bool, as_json: bool) -> None:
    from hyperspace_core.backfill.doing import undo
    from hyperspace_core.cli.bulk import counted

    runs = undo(place.store, place.name, name, dry_run=dry_run)
    if as_json:
        say_json({"name": name, "runs": runs, "dry_run": dry_run})
    else:
        say(f"{'would undo' if dry_run else 'undid'} {name}: {counted(len(runs))} as before it")


def _list(place: Place, *, as_json: bool) -> None:
    from hyperspace_core.config.steps import step_text
    from hyperspace_core.results.words import ago

    found = place.store.migrations(place.name)
    if as_json:
        say_json(found)
        return
    now = datetime.now().astimezone()
    say_table(("name", "runs", "applied", "by", "steps"), [
        (one.name, str(one.runs) if one.runs else "undone", ago(one.at, now), one.author,
         "; ".join(map(step_text, one.steps))) for one in found], empty="no migration has been applied")
