"""The server store: one database of a MongoDB server, for workers on any number of machines."""

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
    """The port, group by group. Any number of threads; a child process opens it anew."""

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
    """The store at `mongodb://HOST/DATABASE`; nothing is made before the first write.

    `project` names the database where the URL does not, and owns what other programs wrote there. Raises
    `StoreError` for an address that cannot serve, `StoreUnavailable` where trying again may help.
    """
    return MongoStore(opened(url, project))
