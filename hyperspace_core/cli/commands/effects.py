"""`hyperspace effects`: the effect of one hyper-parameter on the metric."""

from __future__ import annotations

import click

from hyperspace_core.cli.arguments import Wanted, filtered, json_option
from hyperspace_core.cli.comparing import comparable_option, comparison, completed, tell_left_out
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.screen import bearable, hint_at_more, note, say_json, say_table


@click.command
@click.argument("parameter", metavar="PARAMETER")
@comparable_option
@filtered
@json_option
@at_place
def effects(*, place: Place, parameter: str, comparable: str, wanted: Wanted, as_json: bool) -> None:
    """Show the effect of each change of PARAMETER on the metric.

    One row for each change of value: the mean difference over all pairs of comparable runs that have the same
    seed and fold and differ only in PARAMETER, with its 95 % interval (low, high).

    \b
    hyperspace effects classifier.trees --task holdout
    hyperspace effects scaler
    """
    from hyperspace_core.results.effects import effects as effects_of
    from hyperspace_core.results.tabular import text_of

    found = comparison(place, completed(place, wanted), comparable)
    changes = effects_of(found.kept, parameter)
    if as_json:
        say_json([change.plain() for change in changes])
    elif changes:
        shown = changes[:bearable(None)]
        heads, rows = text_of(shown.table())
        say_table(heads, rows)
        hint_at_more(len(changes) - len(shown))
    else:
        note(changes.nothing if found.kept else "no completed run matches")
    tell_left_out(found.left_out, named=True)
