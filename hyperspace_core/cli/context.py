"""The project and the store of a command, opened on first use."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import cached_property, wraps
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.shell_completion import CompletionItem

from hyperspace_core.cli.terminal import warn
from hyperspace_core.errors import ProjectError, StoreError, UsageError

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project
    from hyperspace_core.storage import Store
    from hyperspace_core.study import Study

# -- Shell completion of projects, tasks, runs and searches; never fails or prints --

NO_STORE = "no store at this path yet; the first `submit` or `run` creates it"
MAX_RUNS = 200                 # the newest

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _quietly(found: Callable[[click.Context, str], Iterable[tuple[str, str]]]) -> Complete:
    """Turn a function that gives (value, help) into a completion that never fails."""

    @wraps(found)
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            return [CompletionItem(value, help=about) for value, about in found(ctx, incomplete)
                    if value.startswith(incomplete)]
        except Exception:  # noqa: BLE001 - a message would appear inside the typed line
            return []

    return complete


@_quietly
def complete_project(ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
    from hyperspace_core.extension.project import installed_projects

    return ((found.name, found.source) for found in installed_projects())


@_quietly
def complete_task(ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
    from hyperspace_core.extension.project import open_project

    project = open_project(_project_of(ctx))
    return ((name, str(task.scenario.get("className", ""))) for name, task in project.tasks.items())


@_quietly
def complete_run(ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
    from hyperspace_core.records.filter import RunFilter

    with _store_of(ctx) as store:
        return [(str(record.id), f"{record.state} {record.task}")
                for record in store.find(RunFilter(project=_project_of(ctx)), limit=MAX_RUNS)]


@_quietly
def complete_search(ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
    from hyperspace_core.storage import searches_of

    with _store_of(ctx) as store:
        return [(str(search.id), f"{search.state} {search.task}")
                for search in reversed(searches_of(store, _project_of(ctx)))]


def complete_class(family: str) -> Complete:
    """Complete the names of a family's classes; `family`: "package.module:Class"."""

    @_quietly
    def complete(ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
        from hyperspace_core.cli.run_page import summary_of
        from hyperspace_core.extension.project import open_project

        module, _, name = family.partition(":")
        registry = open_project(_project_of(ctx)).registry
        entries = registry.entries(getattr(importlib.import_module(module), name))
        return ((entry.name, summary_of(entry.target)) for entry in entries)

    return complete


@_quietly
def complete_state(ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
    from hyperspace_core.records.states import State

    return ((state.lower(), "") for state in State)


def _store_of(ctx: click.Context) -> AbstractContextManager[Store]:
    """The store that the options name. Raises `FileNotFoundError`; creates no store."""
    from hyperspace_core.extension.manager import build_manager
    from hyperspace_core.extension.storage import open_store, read_url, resolve_url

    name, file = _project_of(ctx), ctx.params.get("storage_file")
    typed = read_url(file) if file is not None else ctx.params.get("storage")
    url = resolve_url(typed, name)
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).stat()
    return open_store(url, build_manager(), name)


def _project_of(ctx: click.Context) -> str:
    return str(ctx.params.get("project_name") or os.environ["HYPERSPACE_PROJECT"])


F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[Callable[..., Any]], Callable[..., Any]]
OPTIONS = ("project_name", "storage", "storage_file", "no_plugins")        # that `pass_context` adds


class CommandContext:
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

    def run_command(self, name: str, *words: str) -> Any:
        """Run another command, which a plugin may bring, on the same project and store.

        Raises `click.UsageError` for a command that is not installed.
        """
        here = click.get_current_context()
        root = here.find_root()
        _, found, rest = cast("click.Group", root.command).resolve_command(root, [name, *words])
        command = cast("click.Command", found)             # never None: `Commands` raises
        with command.make_context(name, rest, parent=root) as inner:
            for option in OPTIONS:
                source = here.get_parameter_source(option)
                if source is not None:         # this command has the option
                    inner.params[option] = here.params[option]
                    inner.set_parameter_source(option, source)
            return command.invoke(inner)

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
        from hyperspace_core.extension.storage import open_store

        if self.file is not None and not self.file.exists():
            raise StoreError(f"{self.file}: {NO_STORE}")
        store = open_store(self.url, self.extensions, self._project)
        click.get_current_context().call_on_close(store.close)
        return store

    @property
    def store(self) -> Store:
        """The opened store. The project must be installed here or have runs in the store.

        An embedded store that does not exist yet is not created: a temporary, empty one takes its place.
        Raises `StoreError`; `ProjectError` for a name that neither an installed project nor the store knows.
        """
        if self.file is not None and not self.file.exists() and self._is_installed():
            return self._empty_store       # asked again each time: `status --watch` waits for the first run
        return self.store_to_write

    def _is_installed(self) -> bool:
        from hyperspace_core.extension.project import installed_projects

        return any(found.name == self.name for found in installed_projects())

    @cached_property
    def _empty_store(self) -> Store:
        from hyperspace_core.extension.storage import open_store

        if self._typed_storage:
            warn(f"{self.file}: {NO_STORE}")
        folder = tempfile.TemporaryDirectory(prefix="hyperspace-")
        click.get_current_context().call_on_close(folder.cleanup)
        store = open_store(f"sqlite:///{folder.name}/runs.db", self.extensions, self.name)
        click.get_current_context().call_on_close(store.close)
        store.url = self.url
        return store

    @cached_property
    def store_to_write(self) -> Store:
        """The same, created where it does not exist yet."""
        from hyperspace_core.extension.storage import open_store
        from hyperspace_core.storage import searches_of

        here = self._is_installed()
        # a misspelt name must not create an empty store
        if not here and self.file is not None and not self.file.exists():
            self.project()                 # raises an error about the name
        if self._typed_storage and self.file is not None and not self.file.exists():
            warn(f"{self.file}: no store at this path; creating a new, empty one")
        store = open_store(self.url, self.extensions, self.name)
        click.get_current_context().call_on_close(store.close)
        if not here and store.ids(self.name) is None and not searches_of(store, self.name):
            self.project()
        return store

    def study(self, tasks_dir: Path | None = None) -> Study:
        """Project and store together, for commands that need the project's code."""
        from hyperspace_core.study import Study

        study = Study(self.name, self.storage, tasks_dir=tasks_dir, no_plugins=self.no_plugins)
        click.get_current_context().call_on_close(study.close)
        self._warned(study.extensions)
        return study

    @staticmethod
    def _warned(extensions: Extensions) -> Extensions:
        for skipped in (*extensions.broken, *extensions.retired):
            warn(str(skipped))
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


def pass_context(command: F) -> F:
    """Add project, store and plugin options; the command gets a `CommandContext` as `context`."""
    return _placed(command, _PROJECT, *_STORAGE, _NO_PLUGIN)


def pass_project(command: F) -> F:
    """Add project and plugin options, for a command that needs no store."""
    return _placed(command, _PROJECT, _NO_PLUGIN)


def _placed(command: F, *options: Callable[[F], F]) -> F:
    @wraps(command)
    def placed(*, project_name: str | None, no_plugins: tuple[str, ...], storage: str | None = None,
               storage_file: Path | None = None, **others: Any) -> Any:
        context = CommandContext(project_name, _url(storage, storage_file),
                                 no_plugins, _shown(storage, storage_file))
        return command(context=context, **others)

    made: F = placed  # type: ignore[assignment]
    for option in reversed(options):
        made = option(made)
    return made


def _shown(storage: str | None, file: Path | None) -> str:
    """The store option to type again, without a password; "" if none was typed."""
    if file is not None:
        return f" --storage-file {quote(str(file))}"
    if storage is None or not _is_typed("storage"):
        return ""
    from hyperspace_core.extension.storage import redact

    return f" --storage {quote(redact(storage))}"


def _is_typed(name: str) -> bool:
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _url(storage: str | None, file: Path | None) -> str | None:
    typed = _is_typed("storage")
    if file is not None:
        if typed:
            raise click.UsageError("--storage and --storage-file contradict each other; give one")
        return _url_in(file)
    if typed and storage:
        _warn_of_password(storage, "put the URL into HYPERSPACE_STORAGE or --storage-file")
    return storage


def _warn_of_password(typed: str, cure: str) -> None:
    """Warn if a URL on the command line has a password."""
    if _has_password(typed):
        warn(f"a password on the command line can be read by every user of this machine (`ps`); {cure}")


def read_address(typed: str) -> str:
    """The URL of a store given as an argument: an address, or `@FILE` that contains one.

    Warns of a password on the command line, or in a file that other users can read. Raises `UsageError` for
    an empty argument.
    """
    if not typed.strip("@ "):
        raise UsageError("an address is empty; name a store, as in sqlite:///runs.db")
    if typed.startswith("@"):
        return _url_in(Path(typed[1:]).expanduser())
    _warn_of_password(typed, "put the URL into a file and write @FILE")
    return typed


def _has_password(url: str) -> bool:
    from hyperspace_core.extension.storage import redact

    return redact(url) != url


def _url_in(file: Path) -> str:
    """The URL in a file; warns if other users can read a password in it."""
    from hyperspace_core.extension.storage import read_url

    url = read_url(file)
    if os.name == "posix" and file.stat().st_mode & 0o077 and _has_password(url):
        warn(f"{file}: other users can read the password in it; run chmod 600 {quote(str(file))}")
    return url
