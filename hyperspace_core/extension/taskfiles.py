"""Folders of task files. A broken file is reported when its task is requested."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hyperspace_core.config.jsonfile import read_json
from hyperspace_core.errors import TaskError
from hyperspace_core.records.task import Task, check_task_name, parse_task


class TaskShelf:
    """Tasks by name, and errors of files. Names that differ only in case clash."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.errors: dict[str, str] = {}
        self._folded: dict[str, str] = {}      # casefolded name → "name (origin)"

    def add_all(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            if self._claim(task.name, task.origin):
                self.tasks[task.name] = task

    def add_folder(self, folder: Path, *, wins: bool = False) -> None:
        """Read every JSON file. `wins`: a task replaces an earlier one of the same name."""
        for path in sorted(folder.glob("*.json")):
            if path.name.startswith("."):          # an editor's file
                continue
            if wins:
                self._forget(path.stem)
            self._add_file(path)

    def _add_file(self, path: Path) -> None:
        try:
            name = check_task_name(path.stem)
        except TaskError as error:
            self.errors[path.stem] = f"{path}: {error}"
            return
        if not self._claim(name, str(path)):
            return
        try:
            self.tasks[name] = parse_task(name, read_json(path), str(path))
        except TaskError as error:
            self.errors[name] = str(error)

    def _claim(self, name: str, origin: str) -> bool:
        taken = self._folded.get(name.casefold())
        if taken is not None:
            same = name in self.tasks or name in self.errors
            self.tasks.pop(name, None)             # ambiguous: keep neither
            self.errors[name] = (f"two tasks named '{name}': {taken} and {origin}; rename one" if same else
                                 f"task '{name}' ({origin}) and {taken} differ only in case; rename one")
            return False
        self._folded[name.casefold()] = f"{name} ({origin})"
        return True

    def _forget(self, name: str) -> None:
        self._folded.pop(name.casefold(), None)
        for known in [key for key in (*self.tasks, *self.errors) if key.casefold() == name.casefold()]:
            self.tasks.pop(known, None)
            self.errors.pop(known, None)
