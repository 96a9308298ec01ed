"""Registered workers."""

from __future__ import annotations

from hyperspace_core.records.codec import worker_of, worker_text
from hyperspace_core.records.run import WorkerInfo
from hyperspace_mongodb.base import Verbs
from hyperspace_mongodb.complaints import is_duplicate


class WorkerVerbs(Verbs):
    """Register and unregister workers."""

    def present(self, worker: WorkerInfo) -> None:
        name = worker.owner.worker
        key = {"project": {"$eq": worker.project}, "worker": {"$eq": name}}
        with self._database.writing():
            said = {"info": worker_text(worker), "seen_at": self._now()}
            beat = max(1, worker.beat)
            table = self._database.workers
            while True:
                before = table.find_one(key, {"beat": 1})
                if before is None:
                    try:
                        table.insert_one({"project": worker.project, "worker": name, "beat": beat, **said})
                        return
                    except Exception as error:
                        if not is_duplicate(error):
                            raise
                        continue
                found = table.update_one({"_id": before["_id"], "beat": before["beat"]},
                                         {"$set": said | {"beat": max(before["beat"] + 1, beat)}})
                if found.matched_count:
                    return

    def absent(self, worker: str) -> None:
        with self._database.writing():
            self._database.workers.delete_many({"worker": {"$eq": worker}})

    def workers(self, project: str) -> list[WorkerInfo]:
        with self._database.using():
            found = list(self._database.workers.find({"project": {"$eq": project}}).sort("worker", 1))
        return [worker_of(project, one["info"], one["beat"], one["seen_at"]) for one in found]
