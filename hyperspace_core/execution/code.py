"""Open a project in this process and describe it for the worker."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperspace_core.capture.code_fingerprint import SECTION as COMPONENTS
from hyperspace_core.capture.environment import editable_folder
from hyperspace_core.capture.project_modules import loaded_sources
from hyperspace_core.capture.snapshot import SECTION, ProjectCode, project_code
from hyperspace_core.errors import HyperspaceError, ProjectError, error_line
from hyperspace_core.execution.failure import traceback_text
from hyperspace_core.execution.protocol import Opened, RunSink, SourceTaken
from hyperspace_core.records.run import CHANGES, SNAPSHOT
from hyperspace_core.run import Absent, Section

if TYPE_CHECKING:
    from hyperspace_core.execution.job import RunCode
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project

# -- Whether the source files of a process have changed since it read them --

Stamp = tuple[int, int]        # mtime in ns, size
GONE: Stamp = (-1, -1)
TOUCHED: Stamp = (-2, -2)      # changed while it was being read: its content is unknown


def stamps(paths: Iterable[Path], *, read_since_ns: int) -> dict[str, Stamp]:
    """The stamps of files that this process read after `read_since_ns` (wall clock)."""
    now = time.time_ns()
    found = {}
    for path in paths:
        stamp = _stamp(str(path))
        # a date in the future is a file system's clock, not an edit
        found[str(path)] = TOUCHED if read_since_ns <= stamp[0] <= now else stamp
    return found


def changed(known: Mapping[str, Stamp]) -> list[str]:
    """The paths whose stamps differ now."""
    return [path for path, stamp in known.items() if _stamp(path) != stamp]


def forget_bytecode(paths: Iterable[str]) -> None:
    """Remove the bytecode of changed sources.

    Python trusts a cache whose source has the same size and second of change: after two quick edits it would
    run the first one.
    """
    for path in paths:
        if path.endswith(".py"):
            with contextlib.suppress(OSError, NotImplementedError):
                Path(importlib.util.cache_from_source(path)).unlink()


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)  # noqa: PTH116 - called for every file before every run
    except OSError:
        return GONE
    return status.st_mtime_ns, status.st_size


GPU_DEVICES = ("/dev/nvidia", "/dev/kfd")
READY_TO_FORK = ("jemalloc_bg_thd",)   # names of native threads whose library starts them again after a fork
PROBE_S = 2.0                          # for a fork that does nothing; a longer one is stuck


@dataclass(frozen=True, kw_only=True)
class Opening:
    """An open project and its plugins."""

    extensions: Extensions
    project: Project


def open_here(name: str, *, tasks_dir: str | None, no_plugins: Collection[str],
              code: str | None = None) -> Opening:
    """Import the project here. Raises `ProjectError`, also for a broken plugin.

    `code`: the folder of an unpacked snapshot, found before the installed code, here and in every Python that
    this process starts.
    """
    if code is not None:
        sys.path.insert(0, code)
        let_find(code)
    from hyperspace_core.extension.manager import build_manager
    from hyperspace_core.extension.project import open_project

    try:
        extensions = build_manager(disable=no_plugins)
        extensions.require_whole()
        project = open_project(name, extensions, tasks_dir=None if tasks_dir is None else Path(tasks_dir))
    except HyperspaceError as error:
        raise ProjectError(str(error)) from error
    except BaseException as error:
        text = f"project '{name}' cannot be opened: {error_line(error)}\n{traceback_text(error)}"
        raise ProjectError(text) from error
    return Opening(extensions=extensions, project=project)


def let_find(code: str) -> None:
    """Let every Python that this process starts find `code` before installed code."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (code, os.environ.get("PYTHONPATH"))))


def described(opening: Opening, *, read_since_ns: int) -> Opened:
    """Describe a project that this process opened since `read_since_ns` (wall clock)."""
    code = project_code(opening.project)
    sources = loaded_sources({opening.project.module.partition(".")[0]})
    for folder in opening.project.task_folders:
        sources |= {folder, *folder.glob("*.json")}
    snapshot = None
    if isinstance(code, ProjectCode):      # files imported later must match the snapshot too
        snapshot = code.snapshot.digest
        sources |= {Path(place) for path, place in code.contents.items()
                    if isinstance(place, str) and path.endswith(".py")}
    files = stamps(sources, read_since_ns=read_since_ns)
    return Opened(tuple(sorted(opening.project.tasks)), why_not_to_fork(), files, snapshot)


def why_not_to_fork() -> str | None:
    """The reason why this process must not fork; None where none is known."""
    if sys.platform == "darwin":
        return "system libraries of macOS do not survive a fork"
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        return f"importing the project started {len(others)} thread(s): {', '.join(sorted(others)[:5])}"
    native = native_threads()
    if native:
        return (f"importing the project started {len(native)} native thread(s) that a fork does not keep: "
                f"{', '.join(native[:5])}")
    devices = _open_devices()
    if devices or _cuda_started():
        return f"importing the project started the GPU ({', '.join(devices) or 'CUDA'})"
    return None


def native_threads() -> list[str]:
    """The names of the native threads that stay in this process when it forks; a child could wait for them.

    A library that is prepared for forks, as OpenBLAS is, ends its threads before each: so this process forks
    once and looks again. The threads of OpenMP and of polars stay. Empty where the system does not list them.
    """
    if not _other_threads():
        return []
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.close(writer)
    ended, _, _ = select.select([reader], [], [], PROBE_S)     # at the end of the child, its pipe ends
    os.close(reader)
    if not ended:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return _other_threads() or ([] if ended else ["unknown"])


def _other_threads() -> list[str]:
    """All but the main thread and those that take care of forks themselves."""
    found = []
    with contextlib.suppress(OSError):
        for thread in Path("/proc/self/task").iterdir():
            if thread.name != str(os.getpid()):
                found.append((thread / "comm").read_text().strip())
    return sorted(name for name in found if name not in READY_TO_FORK)


def _cuda_started() -> bool:
    torch = sys.modules.get("torch")
    try:
        return torch is not None and bool(torch.cuda.is_initialized())
    except Exception:  # noqa: BLE001 - another module of that name
        return False


def _open_devices() -> list[str]:
    """The GPU devices that this process or one of its libraries holds open."""
    targets = set()
    with contextlib.suppress(OSError):
        for entry in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                targets.add(str(entry.readlink()))
    return sorted(target for target in targets if target.startswith(GPU_DEVICES))


def prepare_for_forks(project: Project) -> None:
    """Do the work that runs share; keep the collector from pages shared with forks."""
    try:
        from hyperspace_core.capture import warm_capture

        warm_capture(project)
        editable_folder(project.distribution)      # cached
    except Exception as error:                     # noqa: BLE001 - each run reports what it cannot capture
        logging.getLogger("hyperspace").warning("preparing the capture failed: %s", error_line(error))
    gc.collect()
    gc.freeze()


# -- The provenance section `source`: the code that a run was executed on --

PINNED = "pinned"              # in the section: whether the pinned snapshot was unpacked for it
NOTE = "note"                  # in the section: the reason why not
GIT = "git"                    # in the pinned code: the section `git` of the submission


def tell_code(code: RunCode, project: Project, sink: RunSink) -> None:
    """Record the code that is about to run; of pinned code also its git section."""
    try:
        section = _pinned(code) if code.folder is not None else _current(code, project, sink)
    except Exception as error:         # noqa: BLE001 - an absent section fails no run
        section = Absent(SECTION, error_line(error))
    sink.emit(section)
    git = code.pinned.get(GIT)
    if code.folder is not None and isinstance(git, dict):
        absent = git.get("absent")
        sink.emit(Section(GIT, {**git, PINNED: True}) if absent is None else Absent(GIT, str(absent)))


def taken(code: ProjectCode) -> SourceTaken:
    """The code as a message."""
    snapshots = [snapshot for snapshot in (code.snapshot, code.changes) if snapshot is not None]
    places = {path: place for path, place in code.contents.items() if isinstance(place, str)}
    contents = {path: content for path, content in code.contents.items() if isinstance(content, bytes)}
    return SourceTaken(snapshots, contents, places)


def _pinned(code: RunCode) -> Section:
    kept = {key: value for key, value in code.pinned.items() if key not in (GIT, COMPONENTS)}
    return Section(SECTION, {**kept, PINNED: True})


def _current(run_code: RunCode, project: Project, sink: RunSink) -> Section | Absent:
    if run_code.stale:
        return Absent(SECTION, run_code.stale)
    code = project_code(project)
    if isinstance(code, Absent):
        besides = "" if code.reason in run_code.note else run_code.note    # the same reason is not repeated
        return Absent(SECTION, f"{code.reason}; {besides}" if besides else code.reason)
    data: dict[str, Any] = {**code.section(), PINNED: False}
    if not {data[SNAPSHOT], data[CHANGES]} - {None} <= set(run_code.known):
        sink.emit(taken(code))
    same = run_code.pinned.get(SNAPSHOT) == data[SNAPSHOT]
    note = "" if same else run_code.note
    return Section(SECTION, {**data, NOTE: note} if note else data)
