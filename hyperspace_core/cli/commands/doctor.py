"""`hyperspace doctor`: check the installation, a project and its store."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hyperspace_core.cli.context import CommandContext, pass_context
from hyperspace_core.cli.options import json_option
from hyperspace_core.cli.terminal import echo_hint, echo_json, echo_page, new_page
from hyperspace_core.clock import SystemClock
from hyperspace_core.errors import ExitCode, HyperspaceError, StoreError
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.states import State
from hyperspace_core.results.format import byte_count, counted, width
from hyperspace_core.storage import Maintenance, Store, this_version

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project

STYLES = {"ok": "good", "warning": "held", "problem": "bad"}


@click.command
@pass_context
@json_option
def doctor(*, context: CommandContext, as_json: bool) -> int:
    """Check this machine, a project and its store.

    Each problem is shown with its fix. Exit code 1 if there is a problem.
    """
    found = _found(context)
    if as_json:
        echo_json(found)
    else:
        _print(found)
        if not context.has_project:
            echo_hint("add --project NAME to check a project and its store, too")
    return ExitCode.FAILED if any(check.verdict == "problem" for check in found) else ExitCode.OK


def _found(context: CommandContext) -> list[Check]:
    now = SystemClock().now()
    looks: list[Checks] = [_python, _sqlite, _git, lambda: _clock(now), _temporary_files]
    if context.has_project:
        # the project first: its imports may break a plugin
        looks += [lambda: _project(context), lambda: _plugins(context),
                  lambda: () if context.file is None else space("disk of the store", context.file.parent),
                  lambda: _store(context, now)]
    else:
        looks.append(lambda: _plugins(context))
    return list(careful(looks))


def _print(found: list[Check]) -> None:
    page = new_page(fold=True)
    verdicts, names = (max(map(width, column)) for column in zip(*((one.verdict, one.name) for one in found),
                                                                 strict=True))
    aside = verdicts + names + 4
    for one in found:
        verdict = one.verdict.ljust(verdicts), STYLES[one.verdict]
        page.line(verdict, one.name.ljust(names), one.text, hang=aside)
        if one.cure:
            page.line(f"-> {one.cure}", indent=aside, hang=3)
    echo_page(page)


# -- Checks of this machine for `doctor`, each with a verdict and a cure --

Verdict = Literal["ok", "warning", "problem"]

LITTLE_SPACE, HARDLY_ANY = 2**30, 100 * 2**20      # bytes
EARLIEST = 2024                # a clock that shows an earlier year was never set
SET_THE_CLOCK = "set the clock, or switch on its synchronization"


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    name: str
    verdict: Verdict
    text: str                      # what was found
    cure: str = ""


Checks = Callable[[], Iterable[Check]]


def careful(looks: list[Checks]) -> Iterator[Check]:
    """The results of the checks; a check that raises gives a problem."""
    for look in looks:
        try:
            yield from look()
        except Exception as error:  # noqa: BLE001 - one failing check must not stop the others
            yield Check("doctor", "problem", f"a check failed: {type(error).__name__}: {error}",
                        "this is a bug in hyperspace: please report it")


def space(name: str, folder: Path) -> Iterator[Check]:
    """Check the free space of the disk that holds a folder."""
    there = next(context for context in (folder, *folder.parents) if context.exists())
    free = shutil.disk_usage(there).free
    text, cure = f"{byte_count(free)} free at {there}", "free space on this disk before runs fill it"
    verdict: Verdict = "problem" if free < HARDLY_ANY else "warning" if free < LITTLE_SPACE else "ok"
    yield Check(name, verdict, text, "" if verdict == "ok" else cure)


def _temporary_files() -> Iterator[Check]:
    """Check the disk on which runs get their working directories."""
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        yield Check("temporary files", "problem", str(error), "set TMPDIR to a writable folder")
        return
    yield from space("temporary files", folder)


def _python() -> Iterator[Check]:
    python = f"Python {platform.python_version()} ({sys.executable})"
    yield Check("hyperspace", "ok", f"{this_version()} on {python}")
    if sys.platform == "win32":
        yield Check("system", "warning", "Windows: processes that a run leaves behind keep running, and a "
                    "lost worker is detected only when its lease expires",
                    "use Linux or macOS for unattended workers")


def _sqlite() -> Iterator[Check]:
    from hyperspace_core.stores.sqlite.opening import check_library

    try:
        yield Check("SQLite", "ok", check_library())
    except StoreError as error:
        yield Check("SQLite", "problem", str(error))


def _git() -> Iterator[Check]:
    found = shutil.which("git")
    if found is None:
        yield Check("git", "warning", "not found: runs do not record which commit they ran", "install git")
    else:
        yield Check("git", "ok", found)


def _clock(now: datetime) -> Iterator[Check]:
    text = f"{now.astimezone():%Y-%m-%d %H:%M:%S %Z}"
    if now.year < EARLIEST:
        yield Check("clock", "warning", f"{text}: the clock was never set, so records show wrong times (no "
                    "decision depends on them)", SET_THE_CLOCK)
    else:
        yield Check("clock", "ok", text)


# -- Checks of a project and its store for `doctor` --

BEHIND = timedelta(minutes=5)  # a usual difference between two machines' clocks
MOST_SHOWN = 10                # errors of a damaged store


def _project(context: CommandContext) -> Iterator[Check]:
    from hyperspace_core.extension.project import open_project

    try:
        project = open_project(context.name, context.quiet_extensions)
    except HyperspaceError as error:
        yield Check("project", "problem", str(error))
        return
    source = f"{project.distribution} {project.version}".strip()
    yield Check("project", "ok", f"{project.name} ({source}) opens")
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
        yield Check("tasks", "problem", message)
    if not project.tasks and not broken:
        yield Check("tasks", "warning", "the project has no tasks, so nothing can be submitted",
                    "add a JSON file to the project's tasks, or register.scenario(function)")
    elif not broken:
        yield Check("tasks", "ok", ", ".join(sorted(project.tasks)))


def _isolation() -> Iterator[Check]:
    """Check whether runs can be forked, after only the project has been imported."""
    from hyperspace_core.execution.code import why_not_to_fork

    why = why_not_to_fork()
    if why is None:
        yield Check("isolation", "ok", "warm: a run starts in milliseconds")
    else:
        yield Check("isolation", "warning", f"every run is spawned, which takes longer: {why}",
                    "import modules that start threads or open a GPU inside functions")


def _plugins(context: CommandContext) -> Iterator[Check]:
    extensions = context.quiet_extensions
    for broken in extensions.broken:
        yield Check("plugins", "problem", str(broken),
                    f"fix or uninstall it, or disable it with --no-plugin {broken.name}")
    for retired in extensions.retired:
        yield Check("plugins", "warning", *retired.rsplit(": ", 1))
    if not extensions.broken:
        yield Check("plugins", "ok", ", ".join(one.name for one in extensions.loaded) or "none is installed")


def _store(context: CommandContext, now: datetime) -> Iterator[Check]:
    if context.file is not None and not context.file.exists():
        yield _not_made_yet(context.file)
        return
    try:
        store = context.whole_store
        info = store.info()
    except StoreError as error:
        yield Check("store", "problem", str(error))
        return
    yield Check("store", "ok", f"{info.url} is reachable: {info.backend}, schema {info.schema}")
    for note in info.notes:
        text, _, cure = note.partition(" -> ")
        yield Check("store", "warning", text, cure)

    damage = store.check() if isinstance(store, Maintenance) else ()
    for line in damage[:MOST_SHOWN]:
        yield Check("store", "problem", line, "copy the store first, then check its disk")
    if not damage:
        sound = "sound" if isinstance(store, Maintenance) else "no check for damage"
        yield Check("store", "ok", f"{sound}, {counted(sum(info.runs.values()))}")
    yield from _order_of_times(context, store, now)
    yield from _workers(context, store)


def _not_made_yet(file: Path) -> Check:
    from hyperspace_core.stores.sqlite.opening import network_kind_of

    there = next(folder for folder in file.parents if folder.exists())
    kind = network_kind_of(there)
    if kind is not None:
        return Check("store", "problem", f"{file} would be on a network file system ({kind}), where SQLite's "
                     "locks do not work", "name a file on a local disk with --storage")
    return Check("store", "ok", f"no store at {file} yet; the first `submit` or `run` creates it")


def _order_of_times(context: CommandContext, store: Store, now: datetime) -> Iterator[Check]:
    newest = next(iter(store.find(RunFilter(project=context.name), limit=1)), None)
    at = None if newest is None else newest.submitted_at
    if newest is not None and at is not None and at - now > BEHIND:
        yield Check("clock", "warning", f"run {newest.id} was submitted at {at:%Y-%m-%d %H:%M:%S} UTC, which "
                    "is in the future here: one of the two clocks is wrong", SET_THE_CLOCK)


def _workers(context: CommandContext, store: Store) -> Iterator[Check]:
    from hyperspace_core.results.overview import overview

    view = overview(store, context.name)
    for line in view.workers:
        if line.life != "alive":
            yield Check("workers", "warning", f"{line.worker.owner.worker} is {line.life}",
                        "its runs return to the queue while another worker is running")
    queued = view.counts.get(State.QUEUED, 0)
    if view.alive:
        yield Check("workers", "ok", f"alive: {', '.join(line.worker.owner.worker for line in view.alive)}")
    elif queued:
        waits = "1 run is queued" if queued == 1 else f"{queued:,} runs are queued"
        yield Check("workers", "warning", f"no worker runs, and {waits}",
                    f"start one: {context.command('worker')}")
    else:
        yield Check("workers", "ok", "no worker runs, and no run is queued")
