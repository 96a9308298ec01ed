"""`hyperspace runs show` and `diff`: everything recorded about one run, the differences of two."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from hyperspace_core.cli.context import CommandContext, complete_run, pass_context
from hyperspace_core.cli.options import RUN, json_option, run_argument
from hyperspace_core.cli.terminal import Page, echo_json, echo_note, echo_page, new_page
from hyperspace_core.config.tree import MISSING
from hyperspace_core.lookup import get_run
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import SNAPSHOT, RunRecord
from hyperspace_core.results.comparable import same_behaviour_line
from hyperspace_core.results.format import to_json
from hyperspace_core.storage import Store, migrations_of, rewritten_of

if TYPE_CHECKING:
    from hyperspace_core.results.diff import FileChange, OtherCode, RunDifference, SourceChanges

@click.command
@run_argument
@click.option("--original", is_flag=True, help="Show scenario and config as they were before any migration.")
@json_option
@pass_context
def show(context: CommandContext, run: int, original: bool, as_json: bool) -> None:
    """Show a run: config, result, metrics, artifacts, provenance, attempts."""
    record = get_run(context.store, context.name, run)
    if original:
        before = rewritten_of(context.store, record)
        record = replace(record, scenario=before[0].scenario, config=before[0].config) if before else record
    artifacts = context.store.artifacts(record.id) if record.attempts else []
    of_run = RunFilter(project=record.project, parent=record.id)
    children = [child.id for child in context.store.find(of_run, order=ORDER_OLDEST)]
    if as_json:
        echo_json(to_json(record) | {"artifacts": artifacts, "children": children})
        return
    from hyperspace_core.cli.run_page import show_run

    page = new_page()
    written = record.submitted if original else _written(context.store, record)
    show_run(page, record, artifacts, children, datetime.now().astimezone(), written=written)
    echo_page(page)


def _written(store: Store, record: RunRecord) -> Mapping[str, Any]:
    if not record.migrated:
        return record.submitted
    from hyperspace_core.results.diff import written_today

    written = written_today(store, record, migrations_of(store, record.project))
    return written if isinstance(written, Mapping) else record.submitted


# -- `hyperspace runs diff`: show the differences of two runs, likely causes first --

LONGEST = 40                   # characters of a value that fits into a column
MOST_LINES = 60                # of source differences, without --full
_HASH = re.compile(r"((?:partial:)?(?:sha256:)?[0-9a-f]{12})[0-9a-f]{28,52}")
_PLAIN = ("config", "scenario")        # sections whose strings are shown with quotes


@click.command
@click.argument("first", type=RUN, shell_complete=complete_run, metavar="RUN")
@click.argument("second", type=RUN, shell_complete=complete_run, metavar="RUN")
@click.option("--full", is_flag=True, help="Show all lines of the source differences.")
@json_option
@pass_context
def diff(context: CommandContext, first: int, second: int, full: bool, as_json: bool) -> None:
    """Show the differences of two runs.

    Task, config, scenario and seed; the code of the components that both used, with the line that declares a
    change harmless; packages, machine and other provenance; metrics.
    """
    from hyperspace_core.cli.run_page import show_components, show_sources
    from hyperspace_core.results.diff import differences, likeliest_first, other_code, source_changes

    runs = one, other = [get_run(context.store, context.name, run) for run in (first, second)]
    found, changed = differences(one, other), other_code(one, other)
    sources = source_changes(context.store, one, other)
    if as_json:
        echo_json([*map(_plain, found), *map(_component_plain, changed), *map(_file_plain, sources.files)])
        return
    _say_gaps(runs, sources, changed)
    if not found and not changed and not sources.files:
        echo_note(f"no recorded difference between runs {first} and {second}")
        return
    heads = (f"run {first}", f"run {second}")
    page, asked = new_page(), ("task", *_PLAIN, "seed")
    _show_contrasts(page, [one for one in found if one.section in asked], heads)
    show_components(page, changed, heads)
    show_sources(page, likeliest_first(sources.files, {part.module for part, _ in changed}), heads,
                 most=None if full else MOST_LINES)
    _show_contrasts(page, [one for one in found if one.section not in asked], heads)
    echo_page(page)


def _say_gaps(runs: Sequence[RunRecord], sources: SourceChanges, changed: Sequence[OtherCode]) -> None:
    """Print what could not be compared."""
    for record in runs:
        if record.attempt is None or not record.attempt.provenance:
            code = "" if SNAPSHOT in record.code else "code, "
            echo_note(f"{code}packages and machine are not compared: run {record.id} has no record of them")
    if sources.unknown and changed:
        echo_note(f"source code cannot be shown: {sources.unknown}")


def _show_contrasts(page: Page, found: Sequence[RunDifference], heads: tuple[str, str]) -> None:
    for section, group in groupby(found, key=lambda contrast: contrast.section):
        page.gap()
        rows = [(one.path.removeprefix("packages.installed.").removesuffix(".className"),
                 _text(section, one.first), _text(section, one.second)) for one in group]
        _show(page, rows, (section, *heads))


def _show(page: Page, rows: list[tuple[str, str, str]], heads: Sequence[str]) -> None:
    """Show short values in columns, long ones on lines of their own."""
    long = [row for row in rows if max(map(len, row[1:])) > LONGEST]
    short = [row for row in rows if row not in long]
    if short:
        page.rows(short, heads=heads)
    else:
        page.line((heads[0], "quiet"), indent=2)
    for path, *texts in long:
        page.line(path, indent=2)
        page.rows(zip(heads[1:], texts, strict=True), indent=4)


def _text(section: str, value: Any) -> str:
    from hyperspace_core.cli.run_page import exact

    if value is MISSING:
        return ""
    # the version "2.0" needs no quotes, the hyper-parameter "2.0" does
    if section in _PLAIN or not isinstance(value, str):
        return exact(value)
    return _HASH.sub(r"\1", value)


def _plain(contrast: RunDifference) -> dict[str, Any]:
    """As JSON; the key is missing for a run without the value, as null is a value."""
    sides = {"first": contrast.first, "second": contrast.second}
    return {"section": contrast.section, "path": contrast.path,
            **{side: value for side, value in sides.items() if value is not MISSING}}


def _component_plain(pair: OtherCode) -> dict[str, Any]:
    old, new = pair
    sides = {"first": old.digest, "second": new.digest,
             "declare": same_behaviour_line(old.declared_as, old.digest, new.digest)}
    return {"section": "components", "path": old.path, "class": old.name or new.name,
            **{key: value for key, value in sides.items() if value}}


def _file_plain(file: FileChange) -> dict[str, Any]:
    sides = {"first": file.first, "second": file.second}
    return {"section": "source", "path": file.path, "change": file.change,
            **{side: digest for side, digest in sides.items() if digest is not None},
            "diff": "\n".join(file.lines)}
