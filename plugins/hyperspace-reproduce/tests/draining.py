"""A worker that empties the queue of a study."""

from __future__ import annotations

from typing import Any

from hyperspace_core.records.run import RunRecord
from hyperspace_core.study import Study
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker


def drained(study: Study, **options: Any) -> list[RunRecord]:
    """The runs after a worker has drained the queue."""
    chosen = WorkerOptions(drain=True, no_plugins=study.no_plugins, **options)
    report = Worker(study.store, study.name, study.extensions, chosen, on_event=lambda event: None).run()
    return [study.get(ended.run) for ended in report.ended]
