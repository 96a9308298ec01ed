"""Submit runs from a machine on which the project need not be installed."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from hyperspace_core.config.jsonfile import read_json
from hyperspace_core.errors import TaskError, did_you_mean
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.project import Project, installed_projects, open_project
from hyperspace_core.extension.storage import open_store, resolve_url
from hyperspace_core.records.run import NewRun
from hyperspace_core.records.task import Task, check_task_name, parse_task
from hyperspace_core.storage import Closing, Store
from hyperspace_core.submission import Pinner, SubmitOptions, check_wish, plan, plan_unseen, problem_of_task


class RunQueue(Closing):
    """Submit runs: `RunQueue("localhost:27017", "project").submit("task", config)`.

    If the project is installed, the submission is validated here. If not, it is accepted with a warning and
    the worker validates it: a bad config then ends as a FAILED run with the same message.

    `storage`: a URL, or `host:port` for MongoDB. `tasks_dir`: a folder with the project's task files; without
    it and without the project, workers look up the task by name. Raises `StoreError`, `TaskError` if
    `tasks_dir` is not a folder, `ProjectError` if the installed project cannot be imported.
    """

    def __init__(self, storage: str | None, project: str, tasks_dir: str | Path | None = None) -> None:
        self.name = project
        self.tasks_dir = None if tasks_dir is None else Path(tasks_dir)
        if self.tasks_dir is not None and not self.tasks_dir.is_dir():
            raise TaskError(f"{self.tasks_dir}: there is no such folder of task files")
        extensions = build_manager()
        self._installed = [found.name for found in installed_projects()]
        self._project: Project | None = None
        if project in self._installed:
            self._project = open_project(project, extensions, tasks_dir=self.tasks_dir)
        self.store: Store = open_store(resolve_url(storage, project), extensions, project)
        self._pinner = None if self._project is None else Pinner(self._project, self.store)
        self._warned = False

    def submit(self, task: str, config: Mapping[str, Any] | None = None, *, repeats: int = 1,
               seed: int | None = None, priority: int = 0, tags: Collection[str] = (), note: str = "",
               retries: int = 0, code: str = "pinned") -> int | list[int]:
        """Queue one config; its id, or a list of ids if `repeats` is more than 1.

        `code`: as in `Study.submit`; if the project is not installed, the code cannot be pinned.
        """
        wishes = SubmitOptions(repeats=repeats, seed=seed, priority=priority,
                               tags=tags, note=note, retries=retries)
        check_wish(code)
        runs = self._plan(task, config, wishes)
        if self._pinner is not None:
            runs = [*map(self._pinner.pin(code).on, runs)]
        ids = self.store.submit(runs)
        return ids if wishes.repeats > 1 else ids[0]

    def close(self) -> None:
        self.store.close()

    def __repr__(self) -> str:
        return f"<RunQueue of {self.name!r} on {self.store.url}>"

    def _plan(self, name: str, config: Mapping[str, Any] | None, wishes: SubmitOptions) -> list[NewRun]:
        if self._project is not None:
            return plan(self._project, problem_of_task(self._project, name), config, wishes)
        task = None if self.tasks_dir is None else _read_task(self.tasks_dir, name)
        runs = plan_unseen(self.name, name, task, config, wishes)
        if not self._warned:
            self._warned = True
            warnings.warn(f"project '{self.name}' is not installed here, so its submissions are accepted "
                          "unchecked; the worker will check them"
                          f"{did_you_mean(self.name, self._installed)}", UserWarning, stacklevel=3)
        return runs


def _read_task(folder: Path, name: str) -> Task:
    path = folder / f"{check_task_name(name)}.json"
    if not path.exists():
        known = sorted(file.stem for file in folder.glob("*.json"))
        there = f" (there are: {', '.join(known)})" if known else " (the folder has no task files)"
        raise TaskError(f"{folder}: no task file '{name}.json'{did_you_mean(name, known)}{there}")
    return parse_task(name, read_json(path), str(path))
