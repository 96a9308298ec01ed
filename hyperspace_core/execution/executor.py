"""Execute one run in this process: the same for a worker's child and for `inline`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from hyperspace_core.execution.job import Job
from hyperspace_core.records.run import Finish, Metric
from hyperspace_core.run import Run, Sink

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project

Tree = dict[str, Any]


class RunSink(Sink, Protocol):
    """A sink that also hears what is executed and how it ended."""

    def resolved(self, scenario: Tree, config: Tree, metric: Metric, seed: int) -> None:
        """What is really executed, where the submission could not tell or this code has more parameters."""
        ...

    def code_differs(self, reason: str) -> None:
        """The run was validated at submission but does not fit the code here; `outcome` (RELEASED) follows."""
        ...

    def outcome(self, finish: Finish) -> None:
        """The last call: how the attempt ended."""
        ...


def execute(job: Job, sink: RunSink, extensions: Extensions, project: Project, *,
            on_run: Callable[[Run], None]) -> Finish:
    """Execute `job` and tell `sink` all about it; never raises for what user code does.

    `on_run` is called with the live run before any user code sees it. The outcome is given to `sink.outcome` and
    returned. An interrupted run (`RunInterrupted`) ends as RELEASED: why it was interrupted, only the caller knows.
    """
    raise NotImplementedError
