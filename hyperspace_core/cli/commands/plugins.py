"""`hyperspace plugins`: list the plugins with their hooks, and the broken ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.arguments import json_option
from hyperspace_core.cli.place import Place, in_project
from hyperspace_core.cli.screen import hint, new_page, say_json, say_page

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions, Loaded


STYLES = {"loaded": "good", "built in": "quiet", "broken": "bad", "left out": "held"}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A plugin in the JSON output."""

    name: str
    version: str
    distribution: str
    file: str
    hooks: tuple[str, ...]
    state: str                     # one of `STYLES`
    cause: str = ""                # why it is broken


@click.command
@click.option("--all", "with_builtins", is_flag=True, help="Include the built-in plugins.")
@in_project
@json_option
def plugins(*, place: Place, with_builtins: bool, as_json: bool) -> None:
    """List the installed plugins, with version, file, hooks, and errors."""
    extensions = place.quiet_extensions
    found = list(_shown(extensions))
    if with_builtins:
        found += [_active(one, "built in") for one in extensions.core]
    if as_json:
        say_json(found)
        return
    if not found:
        hint("no plugin is installed; `--all` shows the built-in ones")
        return
    page = new_page(fold=True)
    for one in found:
        source = " ".join(filter(None, (one.distribution, one.version)))
        page.heading(one.name, source, (one.state, STYLES[one.state]))
        page.rows([[name, text] for name, text in
                   (("why", one.cause), ("file", one.file), ("hooks", ", ".join(one.hooks))) if text])
    say_page(page)


def _shown(extensions: Extensions) -> list[Shown]:
    broken = [Shown(name=one.name, version="", distribution=one.distribution, file="", hooks=(),
                    state="broken", cause=one.cause) for one in extensions.broken]
    left_out = [Shown(name=name, version="", distribution="", file="", hooks=(), state="left out")
                for name in extensions.disabled]
    loaded = [_active(one, "loaded") for one in extensions.loaded]
    return sorted([*loaded, *broken, *left_out], key=lambda one: one.name)


def _active(one: Loaded, state: str) -> Shown:
    return Shown(name=one.name, version=one.version, distribution=one.distribution, file=one.file,
                 hooks=one.hooks, state=state)
