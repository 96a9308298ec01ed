"""The embedded store: an SQLite file on a local disk and a folder beside it."""

from __future__ import annotations

from pathlib import Path

from hyperspace_core.storage import Store
from hyperspace_core.stores.sqlite.artifacts import ArtifactVerbs
from hyperspace_core.stores.sqlite.blobs import Blobs
from hyperspace_core.stores.sqlite.connection import Database
from hyperspace_core.stores.sqlite.leases import LeaseVerbs
from hyperspace_core.stores.sqlite.opening import opened, path_of
from hyperspace_core.stores.sqlite.people import PeoplesVerbs
from hyperspace_core.stores.sqlite.queueing import QueueVerbs
from hyperspace_core.stores.sqlite.reading import ReadingVerbs
from hyperspace_core.stores.sqlite.restoring import RestoringVerbs
from hyperspace_core.stores.sqlite.rewriting import RewritingVerbs
from hyperspace_core.stores.sqlite.searching import SearchVerbs
from hyperspace_core.stores.sqlite.series import SeriesVerbs
from hyperspace_core.stores.sqlite.sources import SourceVerbs
from hyperspace_core.stores.sqlite.upkeep import UpkeepVerbs
from hyperspace_core.stores.sqlite.workers import WorkerVerbs


class SqliteStore(QueueVerbs, LeaseVerbs, PeoplesVerbs, RestoringVerbs, ReadingVerbs, SeriesVerbs,
                  ArtifactVerbs, SourceVerbs, RewritingVerbs, SearchVerbs, WorkerVerbs, UpkeepVerbs, Store):
    """The SQLite store; threads and processes of one machine may share its file."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, Blobs(database.path.with_name(database.path.name + ".artifacts")))
        self.url = f"sqlite:///{database.path}"

    def close(self) -> None:
        self._database.close()

    def __repr__(self) -> str:
        return f"<SqliteStore {self.url}>"


def open_store(url: str, project: str | None = None) -> Store:
    """Open the store at `sqlite:///PATH`; create it if needed.

    `project` names the file where the URL is empty. Raises `StoreError` for an unsuitable file,
    `StoreUnavailable` where a retry may help.
    """
    path: Path = path_of(url, project)
    return SqliteStore(opened(path))
