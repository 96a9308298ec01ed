"""Copy of the code snapshots of runs, each once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from hyperspace_core.errors import NotFound, UsageError
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.source import Snapshot, named_snapshots
from hyperspace_core.storage import Store

SECTION = "source"             # section of the provenance


class Sources:
    """Copies snapshots from one store to another, and reads them back there."""

    def __init__(self, source: Store, target: Store) -> None:
        self._source, self._target = source, target
        self._troubles: dict[str, str] = {}    # digest -> problem, "" for none

    def bring(self, record: RunRecord) -> list[str]:
        """Copy the snapshots of a run; return problems."""
        sections = [record.code, *(attempt.provenance.get(SECTION) for attempt in record.attempts)]
        named = dict.fromkeys(digest for section in sections if isinstance(section, Mapping)
                              for digest in named_snapshots(section))
        for digest in named:
            if digest not in self._troubles:
                self._troubles[digest] = self._trouble(digest)
        return [self._troubles[digest] for digest in named if self._troubles[digest]]

    def _trouble(self, digest: str) -> str:
        try:
            self._check(self._brought(digest))
        except (NotFound, UsageError) as error:
            return f"snapshot {digest[:12]}… of source code: {error}"
        return ""

    def _brought(self, digest: str) -> Snapshot:
        try:
            return self._target.snapshot(digest)
        except NotFound:
            snapshot = self._source.snapshot(digest)
        contents = {file.path: file.digest for file in snapshot.files}
        self._target.put_snapshot(snapshot, lambda path: _content(self._source, contents[path]))
        return snapshot

    def _check(self, snapshot: Snapshot) -> None:
        for file in snapshot.files:
            if hashlib.sha256(_content(self._target, file.digest)).hexdigest() != file.digest:
                raise NotFound(f"{file.path} in {self._target.url} does not match its digest")


def _content(store: Store, digest: str) -> bytes:
    with store.open_content(digest) as content:
        return content.read()
