"""The server store: one MongoDB database for workers on many machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pymongo.errors import OperationFailure

from hyperspace_core.records import State
from hyperspace_core.storage import Maintenance, Migrations, Searches, Sources, Store, StoreInfo
from hyperspace_mongodb import schema
from hyperspace_mongodb.artifacts import ArtifactVerbs, SourceVerbs
from hyperspace_mongodb.base import Verbs, standing_of
from hyperspace_mongodb.batches import SUBMITTING
from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.contents import Contents, orphaned
from hyperspace_mongodb.corrupt import Damaged
from hyperspace_mongodb.dashboards import Dashboards
from hyperspace_mongodb.documents import record_of
from hyperspace_mongodb.edits import EditVerbs, RestoringVerbs, RewritingVerbs
from hyperspace_mongodb.foreign import UNNAMED
from hyperspace_mongodb.leases import LeaseVerbs
from hyperspace_mongodb.opening import opened
from hyperspace_mongodb.queue import WaitingVerbs, WorkerVerbs
from hyperspace_mongodb.runs import UNREAD, ReadingVerbs, SeriesVerbs
from hyperspace_mongodb.searches import Proposals, SearchVerbs, check_draft, search_of

# -- Describe a store, check it for damage, and upgrade an older schema --

MOST_LINES = 20                # examples of one kind of damage


class UpkeepVerbs(Verbs):
    """Verbs on the store, not on runs."""

    url: str
    _contents: Contents

    def info(self) -> StoreInfo:
        database = self._database
        with database.using():
            self._batches.settle()
            rows = database.runs.aggregate([{"$match": {"status": {"$ne": SUBMITTING}}},
                                            {"$group": {"_id": "$hyperspace.project", "runs": {"$sum": 1}}}])
            runs: Counter[str] = Counter()
            for row in rows:
                runs[database.project or UNNAMED if row["_id"] is None else row["_id"]] += int(row["runs"])
            build, size = database.client.server_info(), _size(database)
            found = schema.version(database)
            topology = _topology(database.hello())
            advice = database.advice()
        return StoreInfo(url=self.url, backend=f"mongodb {build.get('version', '?')} ({topology})",
                         schema=schema.SCHEMA if found is None else found, runs=dict(sorted(runs.items())),
                         bytes=size, notes=(*self._notes(), *advice))

    def check(self) -> tuple[str, ...]:
        database = self._database
        with database.using():
            lines = [*self._odd_runs(), *self._damaged(), *self._damaged_searches(),
                     *self._orphans(), *self._missing()]
        return tuple(f"{database.shown}: {line}" for line in lines)

    def upgrade(self, *, dry_run: bool = False) -> tuple[int, int]:
        with self._database.using():
            return schema.upgrade(self._database, dry_run=dry_run)

    # -- helpers ---------------------------------------------------------------------------------------------

    def _notes(self) -> tuple[str, ...]:
        refusal = self._database.refusal
        return () if refusal is None else (refusal,)

    def _odd_runs(self) -> Iterator[str]:
        """Runs in a state that no step of ours leaves."""
        runs = self._database.runs
        ours: Document = {"hyperspace.project": {"$ne": None}}
        states = [state.value for state in State]
        impossible: list[tuple[str, Document]] = [
            ("is RUNNING without an owner", {"status": "RUNNING", "hyperspace.token": {"$eq": None}}),
            ("has an owner, is not RUNNING", {"status": {"$in": [one for one in states if one != "RUNNING"]},
                                              "hyperspace.token": {"$ne": None}}),
            ("has no submission", {"hyperspace.submitted": {"$eq": None}}),
        ]
        for what, condition in impossible:
            for found in runs.find(ours | condition, {"_id": 1}).limit(MOST_LINES):
                yield f"run {found['_id']} {what}"

    def _damaged(self) -> Iterator[str]:
        """Documents that cannot be decoded: every record is read."""
        left = MOST_LINES
        for one in self._database.runs.find(
                {"hyperspace": {"$exists": True}, "status": {"$ne": SUBMITTING}}, UNREAD):
            try:
                standing_of(one)
                record_of(one)
            except Damaged as error:
                yield _where(error)
                left -= 1
            if not left:
                return

    def _damaged_searches(self) -> Iterator[str]:
        for one in self._database.searches.find({}):
            try:
                search_of(one)
                check_draft(one)
            except Damaged as error:
                yield _where(error)

    def _orphans(self) -> Iterator[str]:
        database = self._database
        for table, name in ((database.points, "points"), (database.output, "output"),
                            (database.artifacts, "artifacts"), (database.attempts, "attempts")):
            for run in orphaned(database, table, "run")[:MOST_LINES]:
                yield f"{name} of run {run}, which does not exist; `hyperspace store gc` removes them"

    def _missing(self) -> Iterator[str]:
        """Named contents that are missing or incomplete."""
        database = self._database
        looked: dict[tuple[str, int], bool] = {}

        def missing(digest: str, size: int) -> bool:
            key = digest, size
            if key not in looked:
                looked[key] = self._contents.missing(digest, size)
            return looked[key]

        for one in list(database.artifacts.find({"digest": {"$exists": True}})):
            if missing(one["digest"], one["size"]):
                yield (f"run {one['run']}, attempt {one['attempt']}: the content of artifact '{one['name']}' "
                       f"is missing or cut off ({one['digest'][:12]}…)")
        for one in list(database.snapshots.find({"files": {"$exists": True}})):
            for file in one["files"]:
                if missing(file["digest"], file["size"]):
                    yield (f"snapshot {one['_id'][:12]}…: the content of {file['path']} is missing or cut "
                           f"off ({file['digest'][:12]}…)")


def _where(error: Damaged) -> str:
    """The place in a message, without the hint to list all."""
    return str(error).partition(" names all such")[0].rpartition(";")[0]


def _size(database: Any) -> int | None:
    """The size on the server's disk, if this user may query it."""
    try:
        stats = database.base.command("dbStats")
    except OperationFailure:
        return None
    return int(stats.get("storageSize") or stats.get("dataSize") or 0) + int(stats.get("indexSize") or 0)


def _topology(hello: Any) -> str:
    if hello.get("setName"):
        return f"replica set {hello['setName']}, {len(hello.get('hosts', ()))} members"
    return "sharded" if hello.get("msg") == "isdbgrid" else "standalone"


class MongoStore(WaitingVerbs, LeaseVerbs, EditVerbs, RestoringVerbs, ReadingVerbs, SeriesVerbs,
                 ArtifactVerbs, SourceVerbs, RewritingVerbs, SearchVerbs, WorkerVerbs, UpkeepVerbs,
                 Sources, Searches, Migrations, Maintenance, Store):
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
