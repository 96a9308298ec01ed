"""The current code of a project, to compare records with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperspace_core.config.tree import CLASS_NAME, Tree
from hyperspace_core.errors import HyperspaceError
from hyperspace_core.records.run import Metric, RunRecord
from hyperspace_core.results.parts import Parts, Sameness, parts_in

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project


class Today:
    """The project's code in this process; its methods raise no error for a record."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._parts: dict[Any, Parts] = {}
        self._problems: dict[str, tuple[Tree, Metric] | None] = {}
        self.sameness = Sameness(project.same_behaviour)

    def problem(self, task: str) -> tuple[Tree, Metric] | None:
        """Completed scenario and metric of a task; None if the task is missing or broken."""
        if task not in self._problems:
            try:
                found = self._project.task(task)
                self._problems[task] = self._project.complete_scenario(found), found.metric
            except HyperspaceError:
                self._problems[task] = None
        return self._problems[task]

    def parts(self, record: RunRecord, recorded: Parts) -> Parts:
        """Parts that the run would have with the current code, without removed classes.

        Cached by the classes of the recorded parts.
        """
        shape = tuple((part.path, part.name) for part in recorded.values() if not part.is_hook)
        if not self._parts.get(shape):             # another config of that shape may fit
            self._parts[shape] = self._looked_up(record)
        return self._parts[shape]

    def _looked_up(self, record: RunRecord) -> Parts:
        from hyperspace_core.capture.components import component_fingerprints

        if record.scenario is None or record.config is None or CLASS_NAME not in record.scenario:
            return {}
        try:
            return parts_in(component_fingerprints(self._project, record.scenario, record.config))
        except HyperspaceError:
            return {}
