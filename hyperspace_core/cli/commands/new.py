"""`hyperspace new`: create a small working project."""

from __future__ import annotations

import keyword
import re
import sys
from importlib import resources
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from shlex import quote
from string import Template

import click

from hyperspace_core.cli.options import dry_run_option
from hyperspace_core.cli.terminal import echo, warn
from hyperspace_core.errors import UsageError


@click.command
@click.argument("name")
@click.option("--folder", metavar="DIR", type=click.Path(path_type=Path), default=Path(),
              help="Parent folder of the new project.  [default: the current folder]")
@dry_run_option
def new(name: str, folder: Path, dry_run: bool) -> None:
    """Create a small working project, NAME, to start from."""
    from hyperspace_core.extension.project import installed_projects

    files = list(files_of(name, folder)) if dry_run else create_project(name, folder)
    for taken in installed_projects():
        if taken.name == name:
            warn(f"a project '{name}' is installed already ({taken.source}); uninstall it before you "
                 "install this one")
    echo(f"{'would write' if dry_run else 'wrote'} {len(files)} files")
    for file in files:
        echo(f"  {file}")
    if dry_run:
        return
    place = folder / name if folder.is_absolute() else Path() / folder / name
    typed = str(place) if place.is_absolute() else f"./{place}"
    echo("\nnext steps:")
    echo(f"  python -m pip install -e {quote(typed)}")
    echo(f"  hyperspace submit first --project {name} --grid model=Constant,Line")
    echo(f"  hyperspace worker --project {name} --drain")


# -- A small working project, for `hyperspace new` --

SUFFIX = ".txt"        # not .py: no tool imports or lints a template
HIDDEN = "dot."        # prefix of a hidden file: packaging leaves names with a leading dot out
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*")


def files_of(name: str, folder: Path) -> dict[Path, str]:
    """Path → text of the files of a new project in `folder/name`; writes nothing.

    Raises `UsageError` for a name that cannot be a package's, and for a folder that is not empty.
    """
    package = _package_name(name)
    root = folder / name
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"{root}: exists already and is not an empty folder; choose another name or folder")
    words = {"project": name, "package": package, "distribution": name.lower()}
    return {
        root / Path(*(package if part == "package" else part for part in path.parts)):
            Template(text).substitute(words)
        for path, text in _templates()
    }


def create_project(name: str, folder: Path) -> list[Path]:
    """Write the project; the files, the README first.

    Raises `UsageError` as `files_of` does, and if the folder cannot be written.
    """
    files = files_of(name, folder)
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: cannot be written ({error.strerror})") from None
    return list(files)


def _package_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(f"project name {name!r}: letters, digits, '-' and '_' only, a letter first, "
                         "as in 'my-project'")
    package = name.replace("-", "_").lower()
    if keyword.iskeyword(package) or keyword.issoftkeyword(package):
        raise UsageError(f"project name {name!r}: is a Python keyword; choose another, "
                         f"such as 'my-{name}'")
    if package in sys.stdlib_module_names or package in ("hyperspace", "tests") or _is_installed(package):
        raise UsageError(f"project name {name!r}: its package '{package}' would hide another package; "
                         f"choose another, such as 'my-{name}'")
    return package


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return True


def _templates() -> list[tuple[PurePosixPath, str]]:
    root = resources.files("hyperspace_core.cli") / "template"
    found = [(path, file.read_text(encoding="utf-8")) for path, file in _walk(root, PurePosixPath())]
    return sorted(found, key=lambda item: (len(item[0].parts), item[0].name != "README.md", str(item[0])))


def _walk(folder: Traversable, path: PurePosixPath) -> list[tuple[PurePosixPath, Traversable]]:
    found: list[tuple[PurePosixPath, Traversable]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, path / entry.name)
        elif entry.name.endswith(SUFFIX):
            name = entry.name.removesuffix(SUFFIX)
            found.append((path / (name.removeprefix("dot") if name.startswith(HIDDEN) else name), entry))
    return found
