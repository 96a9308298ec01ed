"""`hyperspace reproduce`: execute a past run again and compare the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.options import dry_run_option, json_option, run_argument
from hyperspace_core.cli.terminal import echo, echo_json, echo_note, echo_page, new_page
from hyperspace_core.errors import ExitCode

if TYPE_CHECKING:
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.reproduce.reproduction import ReproduceOptions, Reproduction, Site


@click.command
@run_argument
@click.option("--tolerance", type=float, default=0.0, show_default=True, metavar="NUMBER",
              help="Largest allowed difference: relative, and absolute for numbers below 1.")
@click.option("--ignore", multiple=True, metavar="NAME",
              help="A series or metric that may differ, as in 'seconds/*'; may be given again.")
@click.option("--code", type=click.Choice(["original", "current"]), default="original", show_default=True,
              help="The code to execute: the run's own, or the current code.")
@click.option("--env", "environment", type=click.Choice(["current", "rebuild"]), default="current",
              show_default=True, help="The packages to use: those installed here, or the recorded ones.")
@click.option("--echo", is_flag=True, help="Print the output of the run.")
@pass_context
@dry_run_option
@json_option
def reproduce(*, context: CommandContext, run: int, tolerance: float, ignore: tuple[str, ...], code: str,
              environment: str, echo: bool, dry_run: bool, as_json: bool) -> int:
    """Execute a past RUN again with its seed, and compare the results.

    Compares result, metrics and each point of each series. Changes neither the store nor the checkout. Exit
    code 1 if the run diverged.

    \b
    hyperspace reproduce 42
    hyperspace reproduce 42 --code current --tolerance 1e-9
    """
    from hyperspace_core.cli.replaying import teller
    from hyperspace_core.lookup import get_run
    from hyperspace_core.reproduce.reproduction import ReproduceOptions, as_executed
    from hyperspace_core.reproduce.reproduction import reproduce as reproduced

    wish = ReproduceOptions(code=code, environment=environment, tolerance=tolerance, ignore=ignore)
    site = _site(context)
    if dry_run:
        return _say_plan(site, as_executed(site.store, get_run(site.store, site.name, run)), wish)
    found = reproduced(site, run, wish, listener=teller(echo=echo, count=1))
    if as_json:
        echo_json({"run": run, "verdict": found.verdict.likeness, "first": found.verdict.first,
                  "compared": found.verdict.compared, "causes": found.causes, "code": found.code,
                   "environment": found.environment, "before": _numbers(found.before),
                   "now": _numbers(found.now)})
    else:
        _print(found)
    return ExitCode.OK if found.same else ExitCode.FAILED


def _site(context: CommandContext) -> Site:
    """Look the project up without opening it: it may be broken."""
    from hyperspace_core.extension.project import installed_projects
    from hyperspace_core.reproduce.reproduction import Site

    found = next((found for found in installed_projects() if found.name == context.name), None)
    return Site(store=context.store, extensions=context.extensions, name=context.name,
                no_plugins=context.no_plugins,
                package="" if found is None else found.module.partition(".")[0],
                distribution="" if found is None else found.distribution)


def _say_plan(site: Site, record: RunRecord, wish: ReproduceOptions) -> int:
    """Print what would be executed; raises if the code of the run is missing."""
    from hyperspace_core.reproduce.code import code_of

    if wish.code == "current":
        on = "the current code"
    else:
        with code_of(site.store, record, site.package) as past:
            on = f"its own code, {past.description}"
    packages = "the packages installed here" if wish.environment == "current" else "the recorded packages"
    echo(
        f"would execute run {record.id} of {record.task} again, seed {record.seed}, on {on}, with {packages}")
    return ExitCode.OK


def _print(found: Reproduction) -> None:
    from hyperspace_core.results.format import number

    verdict, before, now = found.verdict, found.before, found.now
    page = new_page()
    page.line(f"run {before.id} of {before.task}: {verdict.likeness}")
    if verdict.first is not None:
        page.line(f"{'first difference' if found.same else 'diverged'} at {verdict.first}", indent=2)
    rows = [[name, number(before.metrics.get(name)), "->", number(now.metrics.get(name))]
            for name in dict.fromkeys([*before.metrics, *now.metrics])]
    page.rows(rows)
    numbers = "1 number" if verdict.compared == 1 else f"{verdict.compared} numbers"
    page.line((f"{numbers} compared, on {found.code}, with {found.environment}", "quiet"),
              indent=2)
    echo_page(page)
    if not found.same:
        echo(f"likely cause: {found.likely}")
    for other in found.causes[0 if found.same else 1:]:
        echo_note(f"{'also' if not found.same else 'although'} {other.text}")


def _numbers(record: RunRecord) -> dict[str, object]:
    return {"state": record.state, "reason": record.reason, "result": record.result,
            "metrics": record.metrics}
