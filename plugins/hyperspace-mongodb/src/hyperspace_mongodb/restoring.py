"""Store records of another store unchanged, under new ids."""

from __future__ import annotations

from collections.abc import Sequence

from hyperspace_core.records.run import RunRecord
from hyperspace_mongodb.base import Verbs
from hyperspace_mongodb.connection import Document
from hyperspace_mongodb.documents import restored_document
from hyperspace_mongodb.origins import origin_fields
from hyperspace_mongodb.sacred import host_from
from hyperspace_mongodb.storing import further, stored


class RestoringVerbs(Verbs):
    """The verb that stores runs which did not begin here."""

    def restore(self, records: Sequence[RunRecord]) -> list[int]:
        found = [(record, restored_document(record)) for record in records]
        if not records:
            return []
        with self._database.writing():
            documents: dict[str, list[Document]] = {}
            for record, document in found:
                self._show_origin(record, document)
                documents.setdefault(record.uid, []).append(document)
            # of the same uid twice, the second finds the first, and replaces it if it is further on
            chosen = [next(filter(further, each), each[0]) for each in documents.values()]
            ids = stored(self._database, self._batches, chosen)
        return [ids[record.uid] for record in records]

    def _show_origin(self, record: RunRecord, document: Document) -> None:
        """Set the dashboard fields; the snapshot of its source code may be stored already."""
        if record.attempt is not None:
            provenance = record.attempt.provenance
            document["experiment"] |= origin_fields(self._database, provenance)
            document["host"] = host_from(provenance, record.attempt.worker)
