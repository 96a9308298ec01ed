"""`hyperspace compare`: paired comparison of two configs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.commands.results import comparable_option, comparison, completed, tell_left_out
from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.options import (
    FilterOptions,
    WholeNumber,
    code_option,
    dry_run_option,
    filtered,
    json_option,
)
from hyperspace_core.cli.terminal import bearable, echo, echo_hint, echo_json, echo_table, hint_at_more
from hyperspace_core.errors import ExitCode

if TYPE_CHECKING:
    from hyperspace_core.results.pairs import Paired

_AND = re.compile(r"\s+and\s+")


@click.command
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--queue", "count", type=WholeNumber(1), metavar="N",
              help="Queue the runs for N more pairs: first seeds that one side does not have, then new ones.")
@code_option
@comparable_option
@filtered
@dry_run_option
@json_option
@pass_context
def compare(*, context: CommandContext, a: str, b: str, count: int | None, code: str, comparable: str,
            wanted: FilterOptions, dry_run: bool, as_json: bool) -> int:
    """Test whether B is better than A.

    A and B are run ids or conditions. A run id includes all repeats of its config. Runs are paired by seed
    and fold, runs in parts also by part; conditions also by all hyper-parameters that neither of them names.

    \b
    hyperspace compare 12 40
    hyperspace compare classifier=Forest classifier=Support --task holdout
    hyperspace compare "classifier.trees=50 and scaler=Standard" 40 --queue 3
    """
    from hyperspace_core.lookup import get_run
    from hyperspace_core.results.pairs import compare as compare_runs

    sides = [_side(text) for text in (a, b)]
    runs = [get_run(context.store, context.name, side) for side in sides if isinstance(side, int)]
    where = completed(context, wanted)
    if runs and not where.tasks:
        where = replace(where, tasks=(runs[0].task,))
    found = comparison(context, where, comparable)
    paired = compare_runs(found.kept, sides[0], sides[1], found.left_out)
    if count is not None:
        return _queue(context, paired, count, code=code, dry_run=dry_run, as_json=as_json)
    if as_json:
        echo_json(paired.plain())
    else:
        _print(context, paired, a, b)
    tell_left_out(found.left_out, named=False)
    return ExitCode.OK


def _side(text: str) -> Any:
    """Parse a run id or conditions."""
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit():
        from hyperspace_core.cli.options import RUN

        return RUN.convert(text, None, None)
    return _AND.split(text.strip())


def _print(context: CommandContext, paired: Paired, a: str, b: str) -> None:
    from shlex import quote

    from hyperspace_core.results.format import number

    echo(f"a  {paired.a.words}")
    echo(f"b  {paired.b.words}")
    echo()
    varied = [name for name in ("fold", "part") if len({getattr(pair, name) for pair in paired.pairs}) > 1]
    rows = [[str(pair.seed), *(str(getattr(pair, name)) for name in varied), number(pair.a), number(pair.b),
             number(pair.difference)] for pair in paired.pairs]
    shown = rows[:bearable(None)]
    echo_table(("seed", *varied, "a", "b", "b - a"), shown)
    hint_at_more(len(rows) - len(shown))
    if rows:
        echo()
    echo(paired.verdict)
    more = paired.more_pairs
    if more:
        words = f"compare {quote(a)} {quote(b)} --queue {more}"
        echo_hint(f"`{context.command(words)}` queues {'it' if more == 1 else 'them'}")


def _queue(context: CommandContext, paired: Paired, count: int, *, code: str, dry_run: bool,
           as_json: bool) -> int:
    """Queue runs for more pairs: the same configs with other seeds."""
    from hyperspace_core.cli.submitting import queue, say_plan
    from hyperspace_core.results.next_pairs import plan_pairs

    study = context.study()
    runs = plan_pairs(study, paired, count)
    count = -(-count // paired.per_run) * paired.per_run
    pairs = f"for {count} more pair{'' if count == 1 else 's'} of {paired.a.records[0].task}"
    if dry_run:
        return say_plan(pairs, runs, len(runs), as_json=as_json)
    return queue(context, study, pairs, runs, len(runs), pin=study.pin(code), as_json=as_json)
