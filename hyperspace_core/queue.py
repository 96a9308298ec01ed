"""The queue alone, for a machine on which the project need not be installed."""

from __future__ import annotations

import copy
import uuid
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from hyperspace_core.config.jsonfile import read_json
from hyperspace_core.config.seeds import LIMIT, choose_seed
from hyperspace_core.errors import ConfigError, TaskError, did_you_mean
from hyperspace_core.execution.identity import user_at_host
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.project import Project, installed_projects, open_project
from hyperspace_core.extension.storage import open_store, resolve_url
from hyperspace_core.records.run import Metric, NewRun
from hyperspace_core.records.task import Task, check_task_name, parse_task
from hyperspace_core.storage import Store
from hyperspace_core.submission import Wishes, plan, problem_of_task


class RunQueue:
    """`RunQueue("localhost:27017", "ulmfit_attention", tasks_dir).submit("imdb_1k_sample_single", config)`.

    Where the project is installed, a submission is validated here. Where it is not, it is accepted, a warning says
    so, and the worker validates: a bad config then ends as a FAILED run with the same message.

    `storage`: a URL, or `host:port` for MongoDB. `tasks_dir`: a folder with the project's task files; without it
    and without the project, workers look the task up by its name.
    """

    def __init__(self, storage: str | None, project: str, tasks_dir: str | Path | None = None) -> None:
        self.name = project
        self.tasks_dir = None if tasks_dir is None else Path(tasks_dir)
        extensions = build_manager()
        self.store: Store = open_store(resolve_url(storage, project), extensions, project)
        self._project: Project | None = None
        if any(found.name == project for found in installed_projects()):
            self._project = open_project(project, extensions, tasks_dir=self.tasks_dir)
        self._warned = False

    def submit(self, task: str, config: Mapping[str, Any] | None = None, *, repeats: int = 1, seed: int | None = None,
               priority: int = 0, tags: Collection[str] = (), note: str = "", retries: int = 0) -> int | list[int]:
        """Queue one config of a task; its id, or a list of ids where `repeats` is more than 1."""
        wishes = Wishes(repeats=repeats, seed=seed, priority=priority, tags=tuple(tags), note=note, retries=retries)
        if self._project is not None:
            runs = plan(self._project, problem_of_task(self._project, task), config, wishes)
        else:
            runs = self._plan_unseen(task, config, wishes)
        ids = self.store.submit(runs)
        return ids if repeats > 1 else ids[0]

    def close(self) -> None:
        self.store.close()

    def _plan_unseen(self, name: str, config: Mapping[str, Any] | None, wishes: Wishes) -> list[NewRun]:
        if config is not None and not isinstance(config, Mapping):
            raise ConfigError(f"config: expected a dict of hyper-parameters, found {type(config).__name__}")
        written = copy.deepcopy(dict(config or {}))
        task = None if self.tasks_dir is None else _read_task(self.tasks_dir, name)
        if not self._warned:
            self._warned = True
            warnings.warn(f"project '{self.name}' is not installed here, so its submissions are accepted unchecked; "
                          "the worker will check them", UserWarning, stacklevel=3)
        first = choose_seed(written, given=wishes.seed, task=None if task is None else task.seed)
        return [
            NewRun(uid=uuid.uuid4().hex, project=self.name, task=check_task_name(name), submitted=written,
                   submitted_by=user_at_host(), scenario=None if task is None else task.scenario,
                   metric=Metric() if task is None else task.metric, seed=(first + repeat) % LIMIT, validated=False,
                   priority=wishes.priority, tags=wishes.tags, note=wishes.note, max_failures=wishes.retries)
            for repeat in range(wishes.repeats)
        ]


def _read_task(folder: Path, name: str) -> Task:
    path = folder / f"{check_task_name(name)}.json"
    if not path.exists():
        known = sorted(file.stem for file in folder.glob("*.json"))
        raise TaskError(f"{folder}: no task file '{name}.json'{did_you_mean(name, known)}"
                        + (f" (there are: {', '.join(known)})" if known else " (the folder has no task files)"))
    return parse_task(name, read_json(path), str(path))
