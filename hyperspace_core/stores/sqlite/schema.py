"""The schema of an SQLite store: tables, identification, and migrations."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

APPLICATION_ID = 0x48595053    # "HYPS" in the header of the file
SCHEMA = 3                     # in the header, too, as `user_version`

META = """
CREATE TABLE meta(
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID"""

PROJECTS = """
CREATE TABLE projects(
  name TEXT PRIMARY KEY,
  paused INTEGER NOT NULL CHECK (paused IN (0, 1)),
  heartbeat_s REAL NOT NULL,
  ttl_s REAL NOT NULL,
  changes INTEGER NOT NULL DEFAULT 0   -- raised whenever there may be something new to claim
) STRICT, WITHOUT ROWID"""

# Columns for the queue and the listings. The rows are short, so that a scan of 100,000 takes milliseconds and
# a heartbeat writes few bytes.
RUNS = """
CREATE TABLE runs(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL UNIQUE,
  project TEXT NOT NULL,
  task TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('QUEUED', 'PAUSED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
  reason TEXT,
  priority INTEGER NOT NULL,
  not_before TEXT,
  attempt INTEGER NOT NULL,
  token TEXT,
  beat INTEGER NOT NULL,
  command TEXT CHECK (command IN ('cancel', 'pause')),
  losses INTEGER NOT NULL DEFAULT 0,
  max_losses INTEGER NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0,
  max_failures INTEGER NOT NULL,
  metric TEXT NOT NULL,
  goal TEXT NOT NULL CHECK (goal IN ('maximize', 'minimize')),
  result REAL,
  result_special TEXT CHECK (result_special IN ('nan', '-0.0')),
  rank REAL GENERATED ALWAYS AS (CASE goal WHEN 'minimize' THEN result ELSE -result END) VIRTUAL,
  seed INTEGER,
  validated INTEGER NOT NULL CHECK (validated IN (0, 1)),
  tags TEXT NOT NULL,
  progress TEXT,
  parent INTEGER,
  search TEXT,
  submitted_by TEXT NOT NULL,
  submitted_at TEXT NOT NULL,
  finished_at TEXT,
  CHECK ((state = 'RUNNING') = (token IS NOT NULL))
) STRICT"""

# The long columns of a run, each tree as JSON; read only where a record is shown.
BODIES = """
CREATE TABLE bodies(
  run INTEGER PRIMARY KEY REFERENCES runs(id) ON DELETE CASCADE,
  note TEXT NOT NULL,
  submitted TEXT NOT NULL,
  scenario TEXT,
  config TEXT,
  metrics TEXT NOT NULL,
  info TEXT NOT NULL
) STRICT"""

ATTEMPTS = """
CREATE TABLE attempts(
  run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  token TEXT NOT NULL UNIQUE,
  outcome TEXT,
  reason TEXT,
  worker TEXT NOT NULL,
  started_at TEXT NOT NULL,
  ended_at TEXT,
  traceback TEXT,
  provenance TEXT NOT NULL DEFAULT '{}',
  late TEXT,
  PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID"""

# SQLite silently stores NaN as NULL and -0.0 as 0.0; `special` names the original.
POINTS = """
CREATE TABLE points(
  run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  name TEXT NOT NULL,
  step INTEGER,
  value REAL,
  special TEXT CHECK (special IN ('nan', '-0.0')),
  at REAL NOT NULL,
  PRIMARY KEY (run, attempt, seq),
  CHECK ((value IS NULL) = (special IS 'nan'))
) STRICT, WITHOUT ROWID"""

OUTPUT = """
CREATE TABLE output(
  run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  text TEXT NOT NULL,
  at REAL NOT NULL,
  PRIMARY KEY (run, attempt, seq)
) STRICT, WITHOUT ROWID"""

ARTIFACTS = """
CREATE TABLE artifacts(
  run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  size INTEGER NOT NULL,
  PRIMARY KEY (run, attempt, name)
) STRICT, WITHOUT ROWID"""

WORKERS = """
CREATE TABLE workers(
  project TEXT NOT NULL,
  worker TEXT NOT NULL,
  info TEXT NOT NULL,
  beat INTEGER NOT NULL,
  seen_at TEXT NOT NULL,
  PRIMARY KEY (project, worker)
) STRICT, WITHOUT ROWID"""

# The code pinned at a run's submission: short, and the same for many runs.
CODES = """
CREATE TABLE codes(
  run INTEGER PRIMARY KEY REFERENCES runs(id) ON DELETE CASCADE,
  code TEXT NOT NULL
) STRICT"""

# `files` is a list of [path, SHA-256, bytes]; the contents are files beside the database, like artifacts.
SNAPSHOTS = """
CREATE TABLE snapshots(
  digest TEXT PRIMARY KEY,
  files TEXT NOT NULL,
  at TEXT NOT NULL
) STRICT, WITHOUT ROWID"""

MIGRATIONS_OF_CONFIGS = """
CREATE TABLE migrations(
  project TEXT NOT NULL,
  name TEXT NOT NULL,
  number INTEGER NOT NULL,
  steps TEXT NOT NULL,
  author TEXT NOT NULL,
  at TEXT NOT NULL,
  undone_at TEXT,
  PRIMARY KEY (project, name)
) STRICT, WITHOUT ROWID"""

# A run's unchanged texts from before each migration.
REWRITES = """
CREATE TABLE rewrites(
  run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  migration TEXT NOT NULL,
  scenario TEXT,
  config TEXT,
  PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID"""

REWRITES_INDEX = "CREATE UNIQUE INDEX rewrites_migration ON rewrites(migration, run)"

NEW_IN_2 = tuple(statement.strip() for statement in (
    CODES, SNAPSHOTS, MIGRATIONS_OF_CONFIGS, REWRITES, REWRITES_INDEX))

# `plan` holds the fields that never change; `proposed` is the number of the next proposal.
SEARCHES = """
CREATE TABLE searches(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL UNIQUE,
  project TEXT NOT NULL,
  task TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('OPEN', 'PAUSED', 'ENDED')),
  reason TEXT,
  priority INTEGER NOT NULL,
  budget TEXT NOT NULL,
  plan TEXT NOT NULL,
  proposed INTEGER NOT NULL DEFAULT 0,
  redrawn INTEGER NOT NULL DEFAULT 0,
  repeats INTEGER NOT NULL DEFAULT 0,
  submitted_at TEXT NOT NULL,
  ended_at TEXT,
  CHECK ((state = 'ENDED') = (ended_at IS NOT NULL))
) STRICT"""

SEARCHES_INDEX = "CREATE INDEX searches_state ON searches(project, state)"

NEW_IN_3 = (SEARCHES.strip(), SEARCHES_INDEX)

INDEXES = (
    # covers the query of a claim; counts and the list of held runs use its first columns
    "CREATE INDEX runs_queue ON runs(project, state, priority DESC, id, task, not_before)",
    "CREATE INDEX runs_parent ON runs(parent) WHERE parent IS NOT NULL",
    "CREATE INDEX runs_search ON runs(search) WHERE search IS NOT NULL",
    "CREATE INDEX artifacts_digest ON artifacts(digest)",
)

STATEMENTS = tuple(statement.strip() for statement in (
    META, PROJECTS, RUNS, BODIES, ATTEMPTS, POINTS, OUTPUT, ARTIFACTS, WORKERS, *INDEXES, *NEW_IN_2,
    *NEW_IN_3))

_SQLITES_OWN = {("table", "sqlite_sequence"), ("table", "sqlite_stat1"), ("table", "sqlite_stat4")}
_NAME = re.compile(r"CREATE (?:TABLE|(?:UNIQUE )?INDEX) (\w+)")


@dataclass(frozen=True)
class SchemaMigration:
    """The statements that upgrade a file from the previous schema to `schema`."""

    schema: int
    statements: tuple[str, ...]


MIGRATIONS: tuple[SchemaMigration, ...] = (       # schema 1 is the first
    SchemaMigration(schema=2, statements=NEW_IN_2),
    SchemaMigration(schema=3, statements=NEW_IN_3),
)


def create(connection: sqlite3.Connection, version: str) -> None:
    """Create all tables; `version`: the hyperspace-core that the schema needs."""
    for statement in STATEMENTS:
        connection.execute(statement)
    connection.execute("INSERT INTO meta(key, value) VALUES('needs', ?)", (version,))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def migrate(connection: sqlite3.Connection, migrations: tuple[SchemaMigration, ...], version: str) -> None:
    """Apply the missing migrations, in the caller's transaction."""
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    for step in migrations:
        if step.schema > schema:
            for statement in step.statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {step.schema}")
            connection.execute("UPDATE meta SET value = ? WHERE key = 'needs'", (version,))


def stand_ins(version: int | None) -> tuple[str, ...]:
    """Statements for temporary tables that an older file lacks, to read it."""
    if version is None:
        return ()
    newer = [statement for step in MIGRATIONS if step.schema > version for statement in step.statements]
    return tuple(statement.replace("CREATE TABLE", "CREATE TEMP TABLE", 1) for statement in newer
                 if statement.startswith("CREATE TABLE"))


def strangers(connection: sqlite3.Connection, schema: int) -> list[str]:
    """Foreign and missing parts of the file's schema, such as "trigger 'x'".

    A foreign view or trigger could change what a statement of hyperspace does. A file with another schema
    version is checked for views and triggers only.
    """
    things = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    if schema != SCHEMA:
        return [f"{kind} {name!r}" for kind, name, _ in things if kind in ("trigger", "view")]
    expected = {match[1]: text for text in STATEMENTS if (match := _NAME.match(text))}
    found = [f"{kind} {name!r}" for kind, name, text in things
             if text is not None and (kind, name) not in _SQLITES_OWN and expected.pop(name, None) != text]
    return found + [f"no {name!r}" for name in expected]
