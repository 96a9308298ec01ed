"""`hyperspace doctor`: check the installation, a project and its store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.arguments import json_option
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.screen import hint, new_page, say_json, say_page
from hyperspace_core.errors import ExitCode

if TYPE_CHECKING:
    from hyperspace_core.cli.checks import Check

STYLES = {"ok": "good", "warning": "held", "problem": "bad"}


@click.command
@at_place
@json_option
def doctor(*, place: Place, as_json: bool) -> int:
    """Check this machine, a project and its store.

    Each problem is shown with its fix. Exit code 1 if there is a problem.
    """
    found = _found(place)
    if as_json:
        say_json(found)
    else:
        _print(found)
        if not place.has_project:
            hint("add --project NAME to check a project and its store, too")
    return ExitCode.FAILED if any(check.verdict == "problem" for check in found) else ExitCode.OK


def _found(place: Place) -> list[Check]:
    from hyperspace_core.cli.checks import careful, of_machine
    from hyperspace_core.cli.checks_place import of_plugins, of_project, of_store
    from hyperspace_core.clock import SystemClock

    now = SystemClock().now()
    looks = of_machine(now)
    if place.has_project:
        # the project first: its imports may break a plugin
        looks += [*of_project(place), *of_plugins(place), *of_store(place, now)]
    else:
        looks += of_plugins(place)
    return list(careful(looks))


def _print(found: list[Check]) -> None:
    from hyperspace_core.results.align import width

    page = new_page(fold=True)
    verdicts, names = (max(map(width, column)) for column in zip(*((one.verdict, one.name) for one in found),
                                                                 strict=True))
    aside = verdicts + names + 4
    for one in found:
        verdict = one.verdict.ljust(verdicts), STYLES[one.verdict]
        page.line(verdict, one.name.ljust(names), one.text, hang=aside)
        if one.cure:
            page.line(f"-> {one.cure}", indent=aside, hang=3)
    say_page(page)
