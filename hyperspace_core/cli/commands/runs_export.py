"""`hyperspace runs export`: write a run to a folder for production."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.options import dry_run_option, json_option, run_argument
from hyperspace_core.cli.terminal import echo, echo_hint, echo_json, warn
from hyperspace_core.lookup import get_run
from hyperspace_core.results.format import byte_count

if TYPE_CHECKING:
    from hyperspace_core.production.export import Export
    from hyperspace_core.records.run import RunRecord

_FOLDER = click.Path(path_type=Path)


@click.command
@run_argument
@click.argument("folder", required=False, type=_FOLDER, metavar="[DIR]")
@click.option("--to", type=_FOLDER, metavar="DIR", help="The folder to write, same as the argument DIR.")
@click.option("--artifact", "artifacts", multiple=True, metavar="NAME",
              help="Only this artifact; may be given again. Golden data is always included.")
@click.option("--component", metavar="PATH",
              help="The component that load_component(DIR) returns by default, such as classifier.")
@click.option("--force", is_flag=True, help="Replace an earlier export in the folder.")
@dry_run_option
@json_option
@pass_context
def export(*, context: CommandContext, run: int, folder: Path | None, to: Path | None,
           artifacts: tuple[str, ...], component: str | None, force: bool, dry_run: bool,
           as_json: bool) -> None:
    """Write a run to the folder DIR, for production.

    The folder has its config, scenario, component names, versions, artifacts and golden data.
    load_component(DIR) builds the component in a program without a store.

    \b
    hyperspace runs export 42 model
    """
    from hyperspace_core.production.export import check_place, plan_export, write_export

    target = _target(folder, to)
    record = get_run(context.store, context.name, run)
    planned = plan_export(context.store, record, artifacts=artifacts or None, component=component)
    if dry_run:
        check_place(target, force=force)
    else:
        write_export(context.store, planned, target, force=force)
    if record.state != "COMPLETED":
        warn(f"run {run} is {record.state}: its artifacts may be incomplete")
    if as_json:
        echo_json({"folder": str(target.absolute())} | planned.manifest)
        return
    _print(record, planned, target, dry_run=dry_run)


def _target(folder: Path | None, to: Path | None) -> Path:
    if folder is not None and to is not None and folder != to:
        raise click.UsageError(f"{folder} and --to {to} contradict each other; give one")
    target = to if folder is None else folder
    if target is None or not str(target).strip():
        raise click.UsageError("no folder: name the one to write, as in `hyperspace runs export 42 model`")
    return target


def _print(record: RunRecord, planned: Export, target: Path, *, dry_run: bool) -> None:
    golden = planned.manifest["golden"]
    plain = [artifact for artifact in planned.files.values() if not artifact.name.startswith("golden/")]
    kept = f"{len(plain)} artifact{'' if len(plain) == 1 else 's'}"
    size = f" ({byte_count(sum(artifact.size for artifact in plain))})" if plain else ""
    with_golden = f", golden data {', '.join(golden)}" if golden else ""
    verb = f"would export run {record.id}" if dry_run else f"run {record.id} exported"
    echo(f"{verb} to {target}: {record.task}, {kept}{size}{with_golden}")
    echo_hint(f"in Python: load_component({str(target)!r})")
