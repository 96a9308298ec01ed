"""`hyperspace runs delete`: delete runs from the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.arguments import Wanted, dry_run_option, some_runs
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.screen import confirm, hint

if TYPE_CHECKING:
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.storage import Store


@click.command
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@some_runs
@dry_run_option
@at_place
def delete(*, place: Place, runs: tuple[int, ...], wanted: Wanted, yes: bool, dry_run: bool) -> int:
    """Delete runs and everything they logged, after confirmation.

    Select runs by id or by filter options. A running run is not deleted.
    """
    from hyperspace_core.cli.bulk import Deed, act, counted, look

    deed = Deed(
        phrase="delete {}", do=_delete, fits=lambda record: record.state != "RUNNING",
        why_not=lambda record: f"cancel it first: `{place.command(f'queue cancel {record.id}')}`")
    looked = look(place, runs, wanted, deed)
    if dry_run or not looked.fit:
        return act(place, looked, deed, dry_run=True)
    ids = [record.id for record in looked.fit]
    confirm(f"permanently delete {counted(len(ids))} ({_listed(ids)})", yes=yes)
    code = act(place, looked, deed, dry_run=False)
    hint(f"their artifact files stay in the store until `{place.command('store gc --yes')}`")
    return code


def _delete(store: Store, record: RunRecord) -> str:
    store.delete([record.id])
    return "deleted"


def _listed(ids: list[int]) -> str:
    return ", ".join(map(str, ids[:10])) + (" …" if len(ids) > 10 else "")
