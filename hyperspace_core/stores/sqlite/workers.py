"""The register of workers."""

from __future__ import annotations

from hyperspace_core.records.run import WorkerInfo
from hyperspace_core.records.texts import worker_of, worker_text
from hyperspace_core.stores.sqlite import statements as sql
from hyperspace_core.stores.sqlite.base import Verbs
from hyperspace_core.stores.sqlite.rows import now


class WorkerVerbs(Verbs):
    """Register, unregister and list workers."""

    def present(self, worker: WorkerInfo) -> None:
        text = worker_text(worker)
        with self._database.writing() as connection:
            connection.execute(sql.PRESENT, (worker.project, worker.owner.worker, text, max(1, worker.beat),
                                             now()))

    def absent(self, worker: str) -> None:
        with self._database.writing() as connection:
            connection.execute(sql.ABSENT, (worker,))

    def workers(self, project: str) -> list[WorkerInfo]:
        with self._database.using() as connection:
            rows = connection.execute(sql.WORKERS, (project,)).fetchall()
        return [worker_of(project, info, beat, seen_at) for info, beat, seen_at in rows]
