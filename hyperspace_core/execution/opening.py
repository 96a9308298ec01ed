"""Open a project in this process and describe it for the worker."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hyperspace_core.capture.loaded import loaded_sources
from hyperspace_core.capture.sources import ProjectCode, project_code
from hyperspace_core.errors import HyperspaceError, ProjectError
from hyperspace_core.execution.control import Opened
from hyperspace_core.execution.failure import one_line, traceback_text
from hyperspace_core.execution.freshness import stamps

GPU_DEVICES = ("/dev/nvidia", "/dev/kfd")

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project


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
        text = f"project '{name}' cannot be opened: {one_line(error)}\n{traceback_text(error)}"
        raise ProjectError(text) from error
    return Opening(extensions=extensions, project=project)


def let_find(code: str) -> None:
    """Let every Python that this process starts find `code` before installed code."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (code, os.environ.get("PYTHONPATH"))))


def described(opening: Opening, *, read_since_ns: int) -> Opened:
    """Describe a project that this process opened since `read_since_ns` (wall clock)."""
    plugins = tuple(plugin.name for plugin in opening.extensions.loaded)
    code = project_code(opening.project)
    sources = _sources(opening.project)
    snapshot = None
    if isinstance(code, ProjectCode):      # files imported later must match the snapshot too
        snapshot = code.snapshot.digest
        sources |= {Path(place) for path, place in code.contents.items()
                    if isinstance(place, str) and path.endswith(".py")}
    files = stamps(sources, read_since_ns=read_since_ns)
    return Opened(tuple(sorted(opening.project.tasks)), plugins, why_not_to_fork(), files, snapshot)


def why_not_to_fork() -> str | None:
    """The reason why this process must not fork; None where none is known."""
    if sys.platform == "darwin":
        return "system libraries of macOS do not survive a fork"
    others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    if others:
        return f"importing the project started {len(others)} thread(s): {', '.join(sorted(others)[:5])}"
    devices = _open_devices()
    if devices or _cuda_started():
        return f"importing the project started the GPU ({', '.join(devices) or 'CUDA'})"
    return None


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
        from hyperspace_core.capture import warm_up

        warm_up(project)
    except Exception as error:                     # noqa: BLE001 - each run reports what it cannot capture
        logging.getLogger("hyperspace").warning("preparing the capture failed: %s", one_line(error))
    gc.collect()
    gc.freeze()


def _sources(project: Project) -> set[Path]:
    """The files of the project: its modules and its task files."""
    tasks = {file for folder in project.task_folders for file in (folder, *folder.glob("*.json"))}
    return loaded_sources({project.module.partition(".")[0]}) | tasks
