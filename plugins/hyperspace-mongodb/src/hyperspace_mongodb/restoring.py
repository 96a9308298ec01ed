"""Records of another store, kept as they are under ids of this one."""

from __future__ import annotations

from collections.abc import Sequence

from hyperspace_core.records.run import RunRecord
from hyperspace_mongodb.base import Verbs
from hyperspace_mongodb.connection import Document
from hyperspace_mongodb.documents import restored_document
from hyperspace_mongodb.storing import further, stored


class RestoringVerbs(Verbs):
    """The one verb that takes a run in which did not begin here."""

    def restore(self, records: Sequence[RunRecord]) -> list[int]:
        documents: dict[str, list[Document]] = {}
        for record in records:
            documents.setdefault(record.uid, []).append(restored_document(record))
        if not records:
            return []
        with self._database.writing():
            # of the same uid twice, the second finds the first, and takes its place where it is further on
            chosen = [next(filter(further, each), each[0]) for each in documents.values()]
            ids = stored(self._database, self._batches, chosen)
        return [ids[record.uid] for record in records]
