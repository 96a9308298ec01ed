"""The server store: one MongoDB database for workers on many machines."""

from __future__ import annotations

from hyperspace_core.storage import Store
from hyperspace_mongodb.artifacts import ArtifactVerbs
from hyperspace_mongodb.connection import Database
from hyperspace_mongodb.contents import Contents
from hyperspace_mongodb.dashboards import Dashboards
from hyperspace_mongodb.leases import LeaseVerbs
from hyperspace_mongodb.opening import opened
from hyperspace_mongodb.people import PeoplesVerbs
from hyperspace_mongodb.proposals import Proposals
from hyperspace_mongodb.reading import ReadingVerbs
from hyperspace_mongodb.restoring import RestoringVerbs
from hyperspace_mongodb.rewriting import RewritingVerbs
from hyperspace_mongodb.searching import SearchVerbs
from hyperspace_mongodb.series import SeriesVerbs
from hyperspace_mongodb.sources import SourceVerbs
from hyperspace_mongodb.upkeep import UpkeepVerbs
from hyperspace_mongodb.waiting import WaitingVerbs
from hyperspace_mongodb.workers import WorkerVerbs


class MongoStore(WaitingVerbs, LeaseVerbs, PeoplesVerbs, RestoringVerbs, ReadingVerbs, SeriesVerbs,
                 ArtifactVerbs, SourceVerbs, RewritingVerbs, SearchVerbs, WorkerVerbs, UpkeepVerbs, Store):
    """All groups of verbs. Any number of threads; a child process opens it again."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._dashboards = Dashboards(database)
        self._contents = Contents(database)
        self._proposals = Proposals(database, self._batches)
        self.url = database.shown

    def close(self) -> None:
        self._database.close()

    def __repr__(self) -> str:
        return f"<MongoStore {self.url}>"


def open_store(url: str, project: str | None = None) -> Store:
    """The store at `mongodb://HOST/DATABASE`; only a write creates it.

    `project` names the database if the URL does not, and owns the runs of other programs in it. Raises
    `StoreError` for an invalid address, `StoreUnavailable` if a retry may help.
    """
    return MongoStore(opened(url, project))
