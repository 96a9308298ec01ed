"""The embedded store: an SQLite file on a local disk and a folder beside it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

from hyperspace_core.errors import StoreError
from hyperspace_core.records import codec
from hyperspace_core.records.run import WorkerInfo
from hyperspace_core.storage import Maintenance, Migrations, Searches, Sources, Store, StoreInfo, this_version
from hyperspace_core.stores.sqlite import schema, sql
from hyperspace_core.stores.sqlite.artifacts import ArtifactVerbs
from hyperspace_core.stores.sqlite.base import Verbs
from hyperspace_core.stores.sqlite.blobs import Blobs
from hyperspace_core.stores.sqlite.connection import Database, step
from hyperspace_core.stores.sqlite.edits import EditVerbs, RewritingVerbs
from hyperspace_core.stores.sqlite.opening import opened, path_of
from hyperspace_core.stores.sqlite.queue import LeaseVerbs, QueueVerbs
from hyperspace_core.stores.sqlite.runs import ReadingVerbs, SeriesVerbs
from hyperspace_core.stores.sqlite.searches import SearchVerbs


class UpkeepVerbs(Verbs):
    """Methods for the store as a whole, and the register of workers."""

    url: str

    def info(self) -> StoreInfo:
        with self._database.reading() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            runs = dict(connection.execute(sql.RUNS_BY_PROJECT).fetchall())
            (contents,) = connection.execute(sql.ARTIFACT_BYTES).fetchone()
            (sources,) = connection.execute(sql.SOURCE_BYTES).fetchone()
        path = self._database.path
        files = [each for each in (path, path.with_name(path.name + "-wal")) if each.exists()]
        size = contents + sources + sum(each.stat().st_size for each in files)
        notes = () if self._database.refusal is None else (self._database.refusal,)
        return StoreInfo(url=self.url, backend=f"sqlite {sqlite3.sqlite_version}", schema=version, runs=runs,
                         bytes=size, notes=notes)

    def check(self) -> tuple[str, ...]:
        path = self._database.path
        try:
            with self._database.reading() as connection:
                found = [text for text, in connection.execute(sql.INTEGRITY).fetchall() if text != "ok"]
                orphans = Counter(table for table, *_ in connection.execute(sql.ORPHANS).fetchall())
                named = connection.execute(sql.ALL_ARTIFACTS).fetchall()
                snapshots = connection.execute(sql.ALL_SNAPSHOTS).fetchall()
        except StoreError as error:            # too damaged to be checked
            return (str(error),)
        lines = [f"{path}: {text}" for text in found]
        lines += [f"{path}: {count} rows of {table} belong to no run" for table, count in orphans.items()]
        lines += [f"run {run}, attempt {attempt}: the content of artifact '{name}' is missing or cut off "
                  f"({digest[:12]}… in {self._blobs.root})"
                  for run, attempt, name, digest, size in named if not self._blobs.has(digest, size)]
        lines += [f"snapshot {snapshot[:12]}…: the content of {file} is missing or cut off "
                  f"({digest[:12]}… in {self._blobs.root})"
                  for snapshot, files in snapshots for file, digest, size in codec.from_text(files)
                  if not self._blobs.has(digest, size)]
        return tuple(lines)

    def upgrade(self, *, dry_run: bool = False) -> tuple[int, int]:
        database = self._database
        with database.using() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > schema.SCHEMA:
            raise StoreError(f"{database.path}: {database.refusal}")
        if version < schema.SCHEMA and not dry_run:
            database.stand_ins = ()                # the real tables exist now
            try:
                with database.using() as connection, step(connection, database.closed):
                    schema.migrate(connection, schema.MIGRATIONS, this_version())
            except BaseException:
                database.stand_ins = schema.stand_ins(version)
                raise
            database.refusal = None
        return version, schema.SCHEMA

    def present(self, worker: WorkerInfo) -> None:
        text = codec.worker_text(worker)
        with self._database.writing() as connection:
            connection.execute(sql.PRESENT, (worker.project, worker.owner.worker, text, max(1, worker.beat),
                                             sql.now()))

    def absent(self, worker: str) -> None:
        with self._database.writing() as connection:
            connection.execute(sql.ABSENT, (worker,))

    def workers(self, project: str) -> list[WorkerInfo]:
        with self._database.using() as connection:
            rows = connection.execute(sql.WORKERS, (project,)).fetchall()
        return [codec.worker_of(project, info, beat, seen_at) for info, beat, seen_at in rows]


class SqliteStore(QueueVerbs, LeaseVerbs, EditVerbs, ReadingVerbs, SeriesVerbs,
                  ArtifactVerbs, RewritingVerbs, SearchVerbs, UpkeepVerbs,
                  Sources, Searches, Migrations, Maintenance, Store):
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
