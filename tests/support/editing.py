"""A project that is edited between two runs; a worker executes each submission."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hyperspace_core.extension.manager import build_manager
from hyperspace_core.storage import Store
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker
from pytest_hyperspace.project import ProjectFolder, forget
from support.growing import THINGS


class Editing:
    """`edit(old, new)` changes the project's classes as they first were; `run()` submits and executes."""

    def __init__(self, typed: Callable[..., Any], store: Store, folder: ProjectFolder) -> None:
        self._typed, self._store, self._folder = typed, store, folder

    def edit(self, *edits: tuple[str, str]) -> None:
        text = THINGS
        for old, new in edits:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        self.write("things.py", text)

    def write(self, name: str, text: str) -> None:
        self._folder.write(name, text)
        forget(self._folder.package.name)

    def run(self, *options: object) -> int:
        """Submit a run and execute it in a worker; its id."""
        run, = self._typed("submit", "first", *options, "--json").json
        chosen = WorkerOptions(isolation="inline", drain=True)
        Worker(self._store, self._folder.name, build_manager(), chosen).run()
        return int(run)
