"""`hyperspace effects`: the effect of one hyper-parameter on the metric."""

from __future__ import annotations

import click

from hyperspace_core.cli.commands.results import comparable_option, comparison, completed, tell_left_out
from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.options import FilterOptions, filtered, json_option
from hyperspace_core.cli.terminal import bearable, echo_json, echo_note, echo_table, hint_at_more


@click.command
@click.argument("parameter", metavar="PARAMETER")
@comparable_option
@filtered
@json_option
@pass_context
def effects(*, context: CommandContext, parameter: str, comparable: str, wanted: FilterOptions,
            as_json: bool) -> None:
    """Show the effect of each change of PARAMETER on the metric.

    One row for each change of value: the mean difference over all pairs of comparable runs that have the same
    seed and fold and differ only in PARAMETER, with its 95 % interval (low, high).

    \b
    hyperspace effects classifier.trees --task holdout
    hyperspace effects scaler
    """
    from hyperspace_core.results.effects import effects as effects_of
    from hyperspace_core.results.export import text_of

    found = comparison(context, completed(context, wanted), comparable)
    changes = effects_of(found.kept, parameter)
    if as_json:
        echo_json([change.plain() for change in changes])
    elif changes:
        shown = changes[:bearable(None)]
        heads, rows = text_of(shown.table())
        echo_table(heads, rows)
        hint_at_more(len(changes) - len(shown))
    else:
        echo_note(changes.nothing if found.kept else "no completed run matches")
    tell_left_out(found.left_out, named=True)
