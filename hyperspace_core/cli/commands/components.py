"""`hyperspace components`: list the classes that a config can choose from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.arguments import json_option
from hyperspace_core.cli.place import Place, in_project
from hyperspace_core.cli.screen import new_page, say_json, say_page

if TYPE_CHECKING:
    from hyperspace_core.cli.page import Page
    from hyperspace_core.config.catalog import Catalog, Entry
    from hyperspace_core.config.describing import Described


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A class in the JSON output."""

    family: str
    name: str
    aliases: tuple[str, ...]
    doc: str
    where: str                               # module:line, and the project or plugin that registered it
    parameters: tuple[Described, ...]
    hyper_parameters: tuple[Described, ...]  # of a scenario's `single_run`
    wraps: str | None                        # the parameter with the scenario that has them instead


@click.command
@click.argument("name", required=False)
@in_project
@json_option
def components(*, place: Place, name: str | None, as_json: bool) -> None:
    """List the classes that a config can choose from.

    Grouped by family, with the parameters of each class. NAME: show one family or class.
    """
    from hyperspace_core.cli.parameters import summary_of

    catalog = place.project().catalog
    entries = _named(catalog, name)
    if as_json:
        say_json([_shown(catalog, entry) for entry in entries])
        return
    page = new_page(fold=True)
    # by class: a project may have a family of the same name as one of core's
    families = dict.fromkeys(entry.family for entry in entries)
    names = [family.__name__ for family in families]
    for family in families:
        namesake = f"({family.__module__})" if names.count(family.__name__) > 1 else ""
        page.heading(family.__name__, namesake, summary_of(family))
        for entry in entries:
            if entry.family is family:
                _show(page, _shown(catalog, entry))
    say_page(page)


def _named(catalog: Catalog, name: str | None) -> list[Entry]:
    """Select all classes, or those of a family, name or alias. Raises `NotFound`."""
    from hyperspace_core.config.tree import snake_case
    from hyperspace_core.errors import NotFound, did_you_mean

    entries = list(catalog.entries())
    if name is None:
        return entries
    wanted = snake_case(name)
    found = [entry for entry in entries if snake_case(entry.family.__name__) == wanted] or [
        entry for entry in entries if wanted in map(snake_case, (entry.name, *entry.aliases))]
    if not found:
        known = [*dict.fromkeys(entry.family.__name__ for entry in entries),
                 *(entry.name for entry in entries)]
        cure = did_you_mean(name, known) or "; `hyperspace components` lists them"
        raise NotFound(f"no family or class '{name}'{cure}")
    return found


def _shown(catalog: Catalog, entry: Entry) -> Shown:
    from hyperspace_core.cli.parameters import summary_of
    from hyperspace_core.components import Scenario
    from hyperspace_core.config.describing import described
    from hyperspace_core.config.schema import signature_of, signature_of_method

    varied = signature_of_method(entry.target, "single_run") if entry.family is Scenario else None
    return Shown(
        family=entry.family.__name__, name=entry.name, aliases=entry.aliases, where=entry.where,
        doc=summary_of(entry.target),
        parameters=tuple(described(signature_of(entry.target), catalog)),
        hyper_parameters=() if varied is None else tuple(described(varied, catalog)),
        wraps=getattr(entry.target, "wraps", None) if entry.family is Scenario else None)


def _show(page: Page, one: Shown) -> None:
    from hyperspace_core.cli.parameters import show_parameters

    former = f"(formerly {', '.join(one.aliases)})" if one.aliases else ""
    page.gap()
    page.line((one.name, "head"), former, one.doc, indent=2)
    page.line((one.where, "quiet"), indent=4)
    if one.family != "Scenario":
        show_parameters(page, one.parameters, indent=4)
        return
    for title, parameters in (("of the task", one.parameters), ("hyper-parameters", one.hyper_parameters)):
        if parameters is one.hyper_parameters and one.wraps is not None:
            page.line(f"hyper-parameters: those of its `{one.wraps}`", indent=4)
            continue
        page.line(f"{title}:", indent=4)
        show_parameters(page, parameters, indent=6)
