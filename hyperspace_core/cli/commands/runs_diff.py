"""`hyperspace runs diff`: in what two runs differ, from their configs to the machines they ran on."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.arguments import RUN, json_option
from hyperspace_core.cli.completion import complete_run
from hyperspace_core.cli.place import Place, at_place
from hyperspace_core.cli.screen import new_page, note, say_json, say_page

if TYPE_CHECKING:
    from hyperspace_core.cli.page import Page
    from hyperspace_core.results.difference import Contrast

LONGEST = 40                   # characters of a value that stands in a column


@click.command
@click.argument("first", type=RUN, shell_complete=complete_run, metavar="RUN")
@click.argument("second", type=RUN, shell_complete=complete_run, metavar="RUN")
@json_option
@at_place
def diff(place: Place, first: int, second: int, as_json: bool) -> None:
    """Show in what two runs differ.

    Config, scenario, seed, metrics, and what they ran on: code, packages, machine.
    """
    from hyperspace_core.results.difference import contrasts
    from hyperspace_core.study import get_run

    one, other = (get_run(place.store, place.name, run) for run in (first, second))
    found = contrasts(one, other)
    if as_json:
        say_json([_plain(contrast) for contrast in found])
        return
    for record in (one, other):
        if record.attempt is None or not record.attempt.provenance:
            note(f"code, packages and machine are not compared: nothing is recorded of run {record.id}'s")
    if not found:
        note(f"runs {first} and {second} differ in nothing that was recorded")
        return
    page = new_page()
    for section, group in groupby(found, key=lambda contrast: contrast.section):
        page.gap()
        rows = [(_path(one.path), _text(section, one.first), _text(section, one.second)) for one in group]
        _show(page, rows, (section, f"run {first}", f"run {second}"))
    say_page(page)


def _show(page: Page, rows: list[tuple[str, str, str]], heads: tuple[str, str, str]) -> None:
    """As columns; what is too long for that, below each other."""
    long = [row for row in rows if max(map(len, row[1:])) > LONGEST]
    page.rows([row for row in rows if row not in long] or [("", "", "")], heads=heads)
    for path, *texts in long:
        page.line(path, indent=2)
        page.rows(zip(heads[1:], texts, strict=True), indent=4)


def _path(path: str) -> str:
    """A class stands for its section, a package for itself."""
    return path.removeprefix("packages.installed.").removesuffix(".className")


def _text(section: str, value: Any) -> str:
    from hyperspace_core.cli.trees import exact
    from hyperspace_core.config.tree import MISSING

    if value is MISSING:
        return ""
    # the version "2.0" needs no quotes, the hyper-parameter "2.0" does
    return exact(value) if section in ("config", "scenario") or not isinstance(value, str) else value


def _plain(contrast: Contrast) -> dict[str, Any]:
    """A run that lacks the value lacks the key, too: null is a value of its own."""
    from hyperspace_core.config.tree import MISSING

    sides = {"first": contrast.first, "second": contrast.second}
    return {"section": contrast.section, "path": contrast.path,
            **{side: value for side, value in sides.items() if value is not MISSING}}
