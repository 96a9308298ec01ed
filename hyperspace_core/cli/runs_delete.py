"""`hyperspace runs delete`: the one way in which a run goes."""

from __future__ import annotations

import click

from hyperspace_core.cli.arguments import Wanted, dry_run_option, some_runs
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.screen import confirm, hint, say
from hyperspace_core.errors import ExitCode

IN_ONE_STEP = 500              # runs that the store removes at once


@click.command
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@some_runs
@dry_run_option
@at_place
def delete(*, place: Place, runs: tuple[int, ...], wanted: Wanted, yes: bool, dry_run: bool) -> int:
    """Delete runs with all that they logged; it asks first.

    Runs are named by id, or described by the filter options. A running one is not deleted.
    """
    from hyperspace_core.cli.bulk import Deed, act, counted, look

    deed = Deed(
        phrase="delete {}", do=lambda store, record: "deleted", fits=lambda record: record.state != "RUNNING",
        why_not=lambda record: f"end it first: `{place.command(f'queue cancel {record.id}')}`")
    looked = look(place, runs, wanted, deed)
    if dry_run or not looked.fit:
        return act(place, looked, deed, dry_run=True)
    ids = [record.id for record in looked.fit]
    confirm(f"delete {counted(len(ids))} ({_listed(ids)}) for good", yes=yes)
    gone: list[int] = []
    for start in range(0, len(ids), IN_ONE_STEP):
        gone += place.store.delete(ids[start:start + IN_ONE_STEP])
    say(f"deleted {counted(len(gone))}: {_listed(gone)}")
    hint(f"their files stay until `{place.command('store gc')}`")
    return ExitCode.REFUSED if looked.refused else ExitCode.OK


def _listed(ids: list[int]) -> str:
    return ", ".join(map(str, ids[:10])) + (" …" if len(ids) > 10 else "")
