"""Checks of a project and its store for `doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hyperspace_core.cli.checks import SET_THE_CLOCK, Check, Look, ok, problem, space, warning
from hyperspace_core.cli.place import Place
from hyperspace_core.errors import HyperspaceError, StoreError

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project
    from hyperspace_core.storage import Store

BEHIND = timedelta(minutes=5)  # a usual difference between two machines' clocks
MOST_SHOWN = 10                # errors of a damaged store


def of_project(place: Place) -> list[Look]:
    return [lambda: _project(place)]


def of_plugins(place: Place) -> list[Look]:
    return [lambda: _plugins(place)]


def of_store(place: Place, now: datetime) -> list[Look]:
    return [lambda: _file(place), lambda: _store(place, now)]


def _project(place: Place) -> Iterator[Check]:
    from hyperspace_core.extension.project import open_project

    try:
        project = open_project(place.name, place.quiet_extensions)
    except HyperspaceError as error:
        yield problem("project", str(error))
        return
    source = f"{project.distribution} {project.version}".strip()
    yield ok("project", f"{project.name} ({source}) opens")
    yield from _tasks(project)
    yield from _isolation()


def _tasks(project: Project) -> Iterator[Check]:
    """Check for task files that cannot be read or do not fit the scenario's class."""
    broken = list(project.task_errors.values())
    for task in project.tasks.values():
        try:
            project.complete_scenario(task)
        except HyperspaceError as error:
            broken.append(str(error))
    for message in broken:
        yield problem("tasks", message)
    if not project.tasks and not broken:
        yield warning("tasks", "the project has no tasks, so nothing can be submitted",
                      "add a JSON file to the project's tasks, or register.scenario(function)")
    elif not broken:
        yield ok("tasks", ", ".join(sorted(project.tasks)))


def _isolation() -> Iterator[Check]:
    """Check whether runs can be forked, after only the project has been imported."""
    from hyperspace_core.execution.opening import why_not_to_fork

    why = why_not_to_fork()
    if why is None:
        yield ok("isolation", "warm: a run starts in milliseconds")
    else:
        yield warning("isolation", f"every run is spawned, which takes longer: {why}",
                      "import modules that start threads or open a GPU inside functions")


def _plugins(place: Place) -> Iterator[Check]:
    extensions = place.quiet_extensions
    for broken in extensions.broken:
        yield problem("plugins", str(broken),
                      f"fix or uninstall it, or disable it with --no-plugin {broken.name}")
    if not extensions.broken:
        yield ok("plugins", ", ".join(one.name for one in extensions.loaded) or "none is installed")


def _file(place: Place) -> Iterator[Check]:
    """Check the disk of an embedded store, without opening the store."""
    if place.file is not None:
        yield from space("disk of the store", place.file.parent)


def _store(place: Place, now: datetime) -> Iterator[Check]:
    if place.file is not None and not place.file.exists():
        yield _not_made_yet(place.file)
        return
    try:
        store = place.whole_store
        info = store.info()
    except StoreError as error:
        yield problem("store", str(error))
        return
    yield ok("store", f"{info.url} is reachable: {info.backend}, schema {info.schema}")
    for note in info.notes:
        text, _, cure = note.partition(" -> ")
        yield warning("store", text, cure)
    from hyperspace_core.cli.submitting import counted

    damage = store.check()
    for line in damage[:MOST_SHOWN]:
        yield problem("store", line, "copy the store first, then check its disk")
    if not damage:
        yield ok("store", f"sound, {counted(sum(info.runs.values()))}")
    yield from _order_of_times(place, store, now)
    yield from _workers(place, store)


def _not_made_yet(file: Path) -> Check:
    from hyperspace_core.stores.sqlite.mounts import network_kind_of

    there = next(folder for folder in file.parents if folder.exists())
    kind = network_kind_of(there)
    if kind is not None:
        return problem("store", f"{file} would be on a network file system ({kind}), where SQLite's locks "
                       "do not work", "name a file on a local disk with --storage")
    return ok("store", f"no store at {file} yet; the first `submit` or `run` creates it")


def _order_of_times(place: Place, store: Store, now: datetime) -> Iterator[Check]:
    from hyperspace_core.records.filter import RunFilter

    newest = next(iter(store.find(RunFilter(project=place.name), limit=1)), None)
    at = None if newest is None else newest.submitted_at
    if newest is not None and at is not None and at - now > BEHIND:
        yield warning("clock", f"run {newest.id} was submitted at {at:%Y-%m-%d %H:%M:%S} UTC, which is "
                      "in the future here: one of the two clocks is wrong", SET_THE_CLOCK)


def _workers(place: Place, store: Store) -> Iterator[Check]:
    from hyperspace_core.records.states import State
    from hyperspace_core.results.overview import overview

    view = overview(store, place.name)
    for line in view.workers:
        if line.life != "alive":
            yield warning("workers", f"{line.worker.owner.worker} is {line.life}",
                          "its runs return to the queue while another worker is running")
    queued = view.counts.get(State.QUEUED, 0)
    if view.alive:
        yield ok("workers", f"alive: {', '.join(line.worker.owner.worker for line in view.alive)}")
    elif queued:
        waits = "1 run is queued" if queued == 1 else f"{queued:,} runs are queued"
        yield warning("workers", f"no worker runs, and {waits}", f"start one: {place.command('worker')}")
    else:
        yield ok("workers", "no worker runs, and no run is queued")
