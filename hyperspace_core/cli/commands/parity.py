"""`hyperspace parity`: compare a rewritten component with the old one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.options import WholeNumber, dry_run_option, json_option
from hyperspace_core.cli.terminal import echo, echo_json, echo_note, echo_table
from hyperspace_core.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperspace_core.reproduce.parity import Pair


@click.command
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--last", type=WholeNumber(1), default=20, show_default=True, help="Number of past runs.")
@click.option("--task", help="Only runs of this task.")
@click.option("--tolerance", type=float, default=0.0, show_default=True, metavar="NUMBER",
              help="Largest allowed difference: relative, and absolute for numbers below 1.")
@click.option("--slots", type=WholeNumber(1), default=1, show_default=True, help="Number of parallel runs.")
@pass_context
@dry_run_option
@json_option
def parity(*, context: CommandContext, old: str, new: str, last: int, task: str | None, tolerance: float,
           slots: int, dry_run: bool, as_json: bool) -> int:
    """Execute the last runs of class OLD again with class NEW, and compare.

    Same parameters and seed, current code. Nothing is added to the store. Exit code 1 if a run diverged.

    \b
    hyperspace parity Forest FastForest --last 20
    """
    from hyperspace_core.cli.replaying import teller
    from hyperspace_core.cli.submitting import counted
    from hyperspace_core.reproduce.parity import parity as compared
    from hyperspace_core.reproduce.parity import planned
    from hyperspace_core.reproduce.verdict import check_tolerance

    check_tolerance(tolerance)
    study = context.study(None)
    if dry_run:
        runs = planned(study, old, new, task=task, last=last)
        echo(f"would execute {counted(len(runs))} again with {new} for {old}: "
             f"{', '.join(str(pair.before.id) for pair in runs)}")
        return ExitCode.OK
    count = len(planned(study, old, new, task=task, last=last))
    pairs = compared(study, old, new, task=task, last=last, tolerance=tolerance, slots=slots,
                     listener=teller(echo=False, count=count))
    if as_json:
        echo_json([{"run": pair.before.id, "verdict": pair.verdict and pair.verdict.likeness,
                   "first": pair.verdict and pair.verdict.first, "problem": pair.problem or None}
                  for pair in pairs])
    else:
        _print(pairs, old, new)
    return ExitCode.OK if all(pair.same for pair in pairs) else ExitCode.FAILED


def _print(pairs: Sequence[Pair], old: str, new: str) -> None:
    from hyperspace_core.results.format import number

    echo_table(("run", "task", f"{old} then", f"{new} now", "verdict", "first difference"), [
        (str(pair.before.id), pair.before.task, number(pair.before.result),
         "" if pair.now is None else number(pair.now.result),
         pair.problem or str(pair.verdict and pair.verdict.likeness),
         str(pair.verdict.first) if pair.verdict is not None and pair.verdict.first is not None else "")
        for pair in pairs])
    same = sum(pair.same for pair in pairs)
    echo_note(f"{same} of {len(pairs)} {'run gives' if len(pairs) == 1 else 'runs give'} the same with {new}")
