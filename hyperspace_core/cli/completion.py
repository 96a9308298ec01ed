"""Shell completion of projects, tasks, runs and searches; never fails or prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from hyperspace_core.storage import Store

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
    from hyperspace_core.extension.manager import build_manager
    from hyperspace_core.extension.project import open_project

    project = open_project(_project_of(ctx), build_manager())
    return ((name, str(task.scenario.get("className", ""))) for name, task in project.tasks.items())


@_quietly
def complete_run(ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
    from hyperspace_core.records.filter import RunFilter

    with _store_of(ctx) as store:
        return [(str(record.id), f"{record.state} {record.task}")
                for record in store.find(RunFilter(project=_project_of(ctx)), limit=MAX_RUNS)]


@_quietly
def complete_search(ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
    with _store_of(ctx) as store:
        return [(str(search.id), f"{search.state} {search.task}")
                for search in reversed(store.searches(_project_of(ctx)))]


@_quietly
def complete_tuner(ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
    from hyperspace_core.cli.parameters import summary_of
    from hyperspace_core.extension.manager import build_manager
    from hyperspace_core.extension.project import open_project
    from hyperspace_core.tuner import Tuner

    catalog = open_project(_project_of(ctx), build_manager()).catalog
    return ((entry.name, summary_of(entry.target)) for entry in catalog.entries(Tuner))


@_quietly
def complete_state(ctx: click.Context, incomplete: str) -> Iterable[tuple[str, str]]:
    from hyperspace_core.records.states import State

    return ((state.lower(), "") for state in State)


def _store_of(ctx: click.Context) -> AbstractContextManager[Store]:
    """The store that the options name. Raises `FileNotFoundError`; creates no store."""
    from hyperspace_core.extension.address import read_url
    from hyperspace_core.extension.manager import build_manager
    from hyperspace_core.extension.storage import open_store, resolve_url

    name, file = _project_of(ctx), ctx.params.get("storage_file")
    typed = read_url(file) if file is not None else ctx.params.get("storage")
    url = resolve_url(typed, name)
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).stat()
    return open_store(url, build_manager(), name)


def _project_of(ctx: click.Context) -> str:
    import os

    return str(ctx.params.get("project_name") or os.environ["HYPERSPACE_PROJECT"])
