"""`hyperspace new`: create a small working project."""

from __future__ import annotations

from pathlib import Path

import click

from hyperspace_core.cli.arguments import dry_run_option
from hyperspace_core.cli.screen import say, warn


@click.command
@click.argument("name")
@click.option("--folder", metavar="DIR", type=click.Path(path_type=Path), default=Path(),
              help="Parent folder of the new project.  [default: the current folder]")
@dry_run_option
def new(name: str, folder: Path, dry_run: bool) -> None:
    """Create a small working project, NAME, to start from."""
    from hyperspace_core.cli.scaffold import create, files_of
    from hyperspace_core.extension.project import installed_projects

    files = list(files_of(name, folder)) if dry_run else create(name, folder)
    for taken in installed_projects():
        if taken.name == name:
            warn(f"a project '{name}' is installed already ({taken.source}); uninstall it before you "
                 "install this one")
    say(f"{'would write' if dry_run else 'wrote'} {len(files)} files")
    for file in files:
        say(f"  {file}")
    if not dry_run:
        _say_next(name, folder)


def _say_next(name: str, folder: Path) -> None:
    from shlex import quote

    place = folder / name if folder.is_absolute() else Path() / folder / name
    typed = str(place) if place.is_absolute() else f"./{place}"
    say("\nnext steps:")
    say(f"  python -m pip install -e {quote(typed)}")
    say(f"  hyperspace submit first --project {name} --grid model=Constant,Line")
    say(f"  hyperspace worker --project {name} --drain")
