"""The project and the store of a command, opened on first use."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hyperspace_core.cli.completion import complete_project
from hyperspace_core.cli.screen import warn

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project
    from hyperspace_core.storage import Store
    from hyperspace_core.study import Study

F = TypeVar("F", bound=Callable[..., Any])


class Place:
    """The project, store and plugins that the options name; closed with the command."""

    def __init__(self, project: str | None, storage: str | None, no_plugins: tuple[str, ...],
                 typed_storage: str = "") -> None:
        self._project, self.storage, self.no_plugins = project or None, storage, no_plugins
        self._typed_storage = typed_storage    # the option, without a password

    @cached_property
    def name(self) -> str:
        """The project's name. Raises `ProjectError` if none is given."""
        if self._project:
            return self._project
        from hyperspace_core.errors import ProjectError
        from hyperspace_core.extension.project import installed_projects

        known = ", ".join(found.name for found in installed_projects())
        listed = f"Installed: {known}" if known else "No project is installed; `hyperspace new` creates one"
        raise ProjectError(f"no project was given; name one with --project or HYPERSPACE_PROJECT. {listed}")

    @property
    def has_project(self) -> bool:
        return self._project is not None

    @property
    def project_is_typed(self) -> bool:
        """Whether an option names it, and not the environment."""
        return _is_typed("project_name")

    @cached_property
    def extensions(self) -> Extensions:
        """The plugins; warns of broken ones."""
        return self._warned(self.quiet_extensions)

    @cached_property
    def quiet_extensions(self) -> Extensions:
        """The plugins, for a command that reports broken ones itself."""
        from hyperspace_core.extension.manager import build_manager

        return build_manager(disable=self.no_plugins)

    def command(self, words: str) -> str:
        """A command line for this project and store: `hyperspace worker --project x`."""
        project = "" if os.environ.get("HYPERSPACE_PROJECT") == self.name else f" --project {self.name}"
        return f"hyperspace {words}{project}{self._typed_storage}"

    def project(self, tasks_dir: Path | None = None) -> Project:
        """Open the project. Raises `ProjectError` and the errors of its registration."""
        from hyperspace_core.extension.project import open_project

        return open_project(self.name, self.extensions, tasks_dir=tasks_dir)

    @cached_property
    def url(self) -> str:
        """The complete URL of the store, with its password."""
        from hyperspace_core.extension.storage import resolve_url

        # a complete address needs no project
        return resolve_url(self.storage, self._project or ("" if self.storage else self.name))

    @property
    def file(self) -> Path | None:
        """The file of an embedded store, which may not exist yet; else None."""
        scheme, _, path = self.url.partition(":///")
        return Path(path) if scheme == "sqlite" else None

    @cached_property
    def whole_store(self) -> Store:
        """The existing store, for commands on all its projects. Raises `StoreError`."""
        from hyperspace_core.errors import StoreError
        from hyperspace_core.extension.storage import open_store

        if self.file is not None and not self.file.exists():
            raise StoreError(f"{self.file}: no store at this path yet; the first `submit` or `run` "
                             "creates it")
        store = open_store(self.url, self.extensions, self._project)
        click.get_current_context().call_on_close(store.close)
        return store

    @cached_property
    def store(self) -> Store:
        """The opened store. The project must be installed here or have runs in the store.

        Raises `StoreError`; `ProjectError` for a name that neither an installed project nor the store knows.
        """
        from hyperspace_core.extension.project import installed_projects
        from hyperspace_core.extension.storage import open_store

        here = any(found.name == self.name for found in installed_projects())
        # a misspelt name must not create an empty store
        if not here and self.file is not None and not self.file.exists():
            self._unknown()
        if self._typed_storage and self.file is not None and not self.file.exists():
            warn(f"{self.file}: no store at this path; creating a new, empty one")
        store = open_store(self.url, self.extensions, self.name)
        click.get_current_context().call_on_close(store.close)
        if not here and store.ids(self.name) is None and not store.searches(self.name):
            self._unknown()
        return store

    def study(self, tasks_dir: Path | None = None) -> Study:
        """Project and store together, for commands that need the project's code."""
        from hyperspace_core.study import Study

        study = Study(self.name, self.storage, tasks_dir=tasks_dir, no_plugins=self.no_plugins)
        click.get_current_context().call_on_close(study.close)
        self._warned(study.extensions)
        return study

    def _unknown(self) -> None:
        self.project()                     # raises an error about the name

    @staticmethod
    def _warned(extensions: Extensions) -> Extensions:
        for broken in extensions.broken:
            warn(str(broken))
        return extensions


_PROJECT = click.option(
    "--project", "-p", "project_name", envvar="HYPERSPACE_PROJECT", metavar="NAME", show_envvar=True,
    shell_complete=complete_project, help="The project.")
_NO_PLUGIN = click.option(
    "--no-plugin", "no_plugins", multiple=True, metavar="NAME",
    help="Disable an installed plugin; may be repeated.")
_STORAGE = (
    click.option("--storage", envvar="HYPERSPACE_STORAGE", metavar="URL", show_envvar=True,
                 help="The store. [default: a SQLite file named after the project in your data folder]"),
    click.option("--storage-file", metavar="FILE",
                 type=click.Path(exists=True, dir_okay=False, path_type=Path),
                 help="A file whose first line is the URL of the store, for a URL with a password."),
)
tasks_dir_option = click.option(
    "--tasks-dir", metavar="DIR", type=click.Path(path_type=Path),
    help="A folder with more task files; they replace the project's tasks of the same name.")


def at_place(command: F) -> F:
    """Add project, store and plugin options; the command gets a `Place` as `place`."""
    return _placed(command, _PROJECT, *_STORAGE, _NO_PLUGIN)


def in_project(command: F) -> F:
    """Add project and plugin options, for a command that needs no store."""
    return _placed(command, _PROJECT, _NO_PLUGIN)


def _placed(command: F, *options: Callable[[F], F]) -> F:
    from functools import wraps

    @wraps(command)
    def placed(*, project_name: str | None, no_plugins: tuple[str, ...], storage: str | None = None,
               storage_file: Path | None = None, **others: Any) -> Any:
        place = Place(project_name, _url(storage, storage_file), no_plugins, _shown(storage, storage_file))
        return command(place=place, **others)

    made: F = placed  # type: ignore[assignment]
    for option in reversed(options):
        made = option(made)
    return made


def _shown(storage: str | None, file: Path | None) -> str:
    """The store option to type again, without a password; "" if none was typed."""
    from shlex import quote

    if file is not None:
        return f" --storage-file {quote(str(file))}"
    if storage is None or not _is_typed("storage"):
        return ""
    from hyperspace_core.extension.address import redact

    return f" --storage {quote(redact(storage))}"


def _is_typed(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _url(storage: str | None, file: Path | None) -> str | None:
    typed = _is_typed("storage")
    if file is not None:
        if typed:
            raise click.UsageError("--storage and --storage-file contradict each other; give one")
        return url_in(file)
    if typed and storage:
        warn_of_password(storage, "put the URL into HYPERSPACE_STORAGE or --storage-file")
    return storage


def warn_of_password(typed: str, cure: str) -> None:
    """Warn if a URL on the command line has a password."""
    if _has_password(typed):
        warn(f"a password on the command line can be read by every user of this machine (`ps`); {cure}")


def _has_password(url: str) -> bool:
    from hyperspace_core.extension.address import redact

    return redact(url) != url


def url_in(file: Path) -> str:
    """The URL in a file; warns if other users can read a password in it."""
    from shlex import quote

    from hyperspace_core.extension.address import read_url

    url = read_url(file)
    if os.name == "posix" and file.stat().st_mode & 0o077 and _has_password(url):
        warn(f"{file}: other users can read the password in it; run chmod 600 {quote(str(file))}")
    return url
