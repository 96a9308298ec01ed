"""`hyperspace runs tag` and `note`: change the tags and the note of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.arguments import Wanted, dry_run_option, run_argument, some_runs
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.screen import say

if TYPE_CHECKING:
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.storage import Store


@click.command
@click.option("--add", multiple=True, metavar="TAG", help="A tag to add; may be given again.")
@click.option("--remove", multiple=True, metavar="TAG", help="A tag to remove; may be given again.")
@some_runs
@dry_run_option
@at_place
def tag(*, place: Place, runs: tuple[int, ...], wanted: Wanted, add: tuple[str, ...],
        remove: tuple[str, ...], dry_run: bool) -> int:
    """Add tags to runs, or remove some.

    Select runs by id or by filter options: --tag selects runs that already have the tag.
    """
    from hyperspace_core.cli.bulk import Deed, act, look

    _check(add, remove)

    def change(store: Store, record: RunRecord) -> str:
        tags = store.annotate(record.id, add_tags=add, remove_tags=remove).tags
        return f"tags {' '.join(tags)}" if tags else "no tags"

    marks = " ".join([*(f"+{one}" for one in add), *(f"-{one}" for one in remove)])
    deed = Deed(phrase=f"tag {{}} {_literal(marks)}", do=change)
    return act(place, look(place, runs, wanted, deed), deed, dry_run=dry_run)


@click.command
@run_argument
@click.argument("text")
@click.option("--append", is_flag=True, help="Keep the present note and add a line to it.")
@dry_run_option
@at_place
def note(*, place: Place, run: int, text: str, append: bool, dry_run: bool) -> None:
    """Set the note of a run; an empty text removes it."""
    from hyperspace_core.lookup import get_run

    record = get_run(place.store, place.name, run)
    whole = f"{record.note}\n{text}" if append and record.note else text
    if not dry_run:
        whole = place.store.annotate(run, note=whole).note
    would = "would have" if dry_run else "has"
    say(f"run {run} {would} the note: {whole}" if whole else f"run {run} {would} no note")


def _literal(text: str) -> str:
    """Escape braces for a format string."""
    return text.replace("{", "{{").replace("}", "}}")


def _check(add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """Raises `UsageError` without tags, and for a tag both added and removed."""
    from hyperspace_core.submission import check_tag

    for one in add:
        check_tag(one)
    if not add and not remove:
        raise click.UsageError("no tags given; name them with --add or --remove")
    both = sorted(set(add) & set(remove))
    if both:
        raise click.UsageError(f"--add {both[0]} and --remove {both[0]} contradict each other")
