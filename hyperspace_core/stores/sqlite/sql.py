"""SQL statements by store method; T1 to T14 are the state transitions.

A list is passed as one JSON parameter (`json_each`), so that a statement is prepared once for any length.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from hyperspace_core.records import codec
from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.records.run import Attempt, Goal, Metric, NewRun, RunRecord
from hyperspace_core.records.states import Command, State

# -- Conversion between rows of the tables and records of the port --

Row = tuple[Any, ...]

# in the order that `record_of` expects
RUN = ("id, uid, project, task, state, reason, priority, tags, submitted_by, metric, goal, seed, validated, "
       "progress, result, result_special, losses, max_losses, failures, max_failures, command, parent, "
       "search, submitted_at, finished_at")
BODY = ("note, submitted, scenario, config, metrics, info, "
        "(SELECT code FROM codes WHERE codes.run = bodies.run), "
        "(SELECT json_group_array(migration) FROM "
        "(SELECT migration FROM rewrites WHERE rewrites.run = bodies.run ORDER BY number))")
NOT_KNOWN = ""                 # an owner or a time that the source store of a copied attempt did not have
ATTEMPT = "run, number, outcome, reason, worker, started_at, ended_at, traceback, provenance, late"


def now() -> str:
    """The current time as the store writes it; the texts sort by time."""
    return codec.moment_text(datetime.now(UTC))


def moment(at: datetime | None) -> str | None:
    return None if at is None else codec.moment_text(at)


def record_of(row: Row, attempts: tuple[Attempt, ...], alike: codec.InternedTrees | None = None) -> RunRecord:
    """Build a record from `RUN` and `BODY`; `alike` shares equal trees."""
    shared = codec.stored_tree if alike is None else alike.tree
    (number, uid, project, task, state, reason, priority, tags, submitted_by, metric, goal, seed, validated,
     progress, result, special, losses, max_losses, failures, max_failures, command, parent, search,
     submitted_at, finished_at, note, submitted, scenario, config, metrics, info, code, migrated) = row
    return RunRecord(
        id=number, uid=uid, project=project, task=task, state=State(state), reason=reason, priority=priority,
        tags=tuple(codec.from_text(tags)), note=note, submitted=codec.from_text(submitted),
        submitted_by=submitted_by, scenario=shared(scenario), config=codec.stored_tree(config),
        metric=_metric(metric, cast(Goal, goal)), seed=seed, validated=bool(validated),
        progress=None if progress is None else Progress(**codec.from_text(progress)),
        result=number_of(result, special), metrics=codec.from_text(metrics), info=codec.from_text(info),
        attempts=attempts, losses=losses, max_losses=max_losses, failures=failures, max_failures=max_failures,
        command=None if command is None else Command(command), parent=parent, search=search,
        code={} if code is None else shared(code), migrated=tuple(codec.from_text(migrated)),
        submitted_at=codec.moment_of(submitted_at), started_at=attempts[-1].started_at if attempts else None,
        finished_at=codec.moment_of(finished_at))


def row_of_run(run: NewRun | RunRecord) -> dict[str, Any]:
    """The columns of new and of restored runs. Raises `ValueNotStorable`."""
    return {
        **{name: codec.plain_text(getattr(run, name), name) for name in (
            "uid", "project", "task", "submitted_by", "search", "note")},
        **{name: codec.tree_text(getattr(run, name), name) for name in ("submitted", "scenario", "config")},
        **{name: getattr(run, name) for name in ("priority", "max_losses", "max_failures", "seed", "parent")},
        "metric": codec.plain_text(run.metric.name, "metric.name"), "goal": run.metric.goal,
        "validated": int(run.validated), "tags": checked_tags(run.tags),
        "code": codec.tree_text(run.code or None, "code"),
    }


def attempt_of_row(row: Row, alike: codec.InternedTrees | None = None) -> Attempt:
    """Build an attempt from the columns `ATTEMPT`."""
    return codec.attempt_of(row[1:], codec.from_text if alike is None else alike.sections)


def attempts_by_run(rows: Iterable[Row], alike: codec.InternedTrees) -> dict[int, tuple[Attempt, ...]]:
    """Group rows that are sorted by attempt number."""
    found: dict[int, list[Attempt]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(attempt_of_row(row, alike))
    return {run: tuple(attempts) for run, attempts in found.items()}


@lru_cache(maxsize=64)
def _metric(name: str, goal: Goal) -> Metric:
    return Metric(name=name, goal=goal)


def number_of(value: float | None, special: str | None) -> float | None:
    return value if special is None else float(special)


def special_of(value: float | None) -> str | None:
    """The name of a number that SQLite changes: NaN to NULL, -0.0 to 0.0."""
    if value is None:
        return None
    if math.isnan(value):
        return "nan"
    return "-0.0" if value == 0.0 and math.copysign(1.0, value) < 0 else None


def point_of_row(row: Row) -> Point:
    seq, name, step, value, special, at = row
    return Point(seq=seq, name=name, step=step, value=value if special is None else float(special), at=at)


def numbers_text(numbers: Iterable[int]) -> str:
    """A list of ids as one parameter, for `json_each`."""
    return codec.to_text(list(numbers))


def texts_text(texts: Iterable[str]) -> str:
    """Texts as one parameter to compare `hex(column)` with, as JSON ends at NUL."""
    return codec.to_text([text.encode("utf-8", "surrogatepass").hex().upper() for text in texts])


def checked_tags(tags: Sequence[str]) -> str:
    return codec.to_text(codec.storable(list(tags), "tags"))


# -- the queue's settings ----------------------------------------------------------------------------------

SETTINGS = "SELECT paused, heartbeat_s, ttl_s FROM projects WHERE name = ?"
KEEP_SETTINGS = """
INSERT INTO projects(name, paused, heartbeat_s, ttl_s) VALUES(?, ?, ?, ?) ON CONFLICT(name) DO NOTHING"""

CHANGE_SETTINGS = """
UPDATE projects SET paused = ?, heartbeat_s = ?, ttl_s = ?, changes = changes + 1 WHERE name = ?"""

# Counts changes that may make a run claimable; waiting workers poll this number.
RING = """
INSERT INTO projects(name, paused, heartbeat_s, ttl_s, changes) VALUES(?, ?, ?, ?, 1)
 ON CONFLICT(name) DO UPDATE SET changes = changes + 1"""

CHANGES = "SELECT changes FROM projects WHERE name = ?"

# Changes with every commit of another connection: a cheap test before a query.
DATA_VERSION = "PRAGMA data_version"

# -- T1 submit ---------------------------------------------------------------------------------------------

KNOWN_UID = "SELECT id FROM runs WHERE uid = ?"

# Ids are assigned here and not by SQLite, so that a thousand runs and their bodies are two statements. The
# sequence keeps the highest id ever assigned, so that the id of a deleted run is not used again.
LAST_ID = "SELECT seq FROM sqlite_sequence WHERE name = 'runs'"
ADD_RUN = """
INSERT INTO runs(id, uid, project, task, state, priority, attempt, token, beat, max_losses, max_failures,
                 metric, goal, seed, validated, tags, parent, search, submitted_by, submitted_at)
VALUES(:id, :uid, :project, :task, :state, :priority, :attempt, :token, :attempt, :max_losses, :max_failures,
       :metric, :goal, :seed, :validated, :tags, :parent, :search, :submitted_by, :now)"""

ADD_BODY = """
INSERT INTO bodies(run, note, submitted, scenario, config, metrics, info)
VALUES(:id, :note, :submitted, :scenario, :config, '{}', '{}')"""

# -- T2 claim ----------------------------------------------------------------------------------------------

# The highest priority, then the oldest. `not_before` is the back-off before a retry: the only decision that
# uses the wall clock.
CANDIDATE = """
SELECT id FROM runs
 WHERE project = :project AND state = 'QUEUED' AND (not_before IS NULL OR not_before <= :now)
   AND (:tasks IS NULL OR hex(task) IN (SELECT value FROM json_each(:tasks)))
   AND (:exclude IS NULL OR id NOT IN (SELECT value FROM json_each(:exclude)))
   AND (:only IS NULL OR id IN (SELECT value FROM json_each(:only)))
   AND NOT EXISTS (SELECT 1 FROM projects WHERE name = :project AND paused)
 ORDER BY priority DESC, id LIMIT 1"""

# No row where a repeat of this claim was faster: then `OF_TOKEN` finds the run.
CLAIM = f"""
UPDATE runs SET state = 'RUNNING', attempt = attempt + 1, token = :token, beat = beat + 1, command = NULL,
       reason = NULL, progress = NULL, not_before = NULL
 WHERE id = ({CANDIDATE}) AND NOT EXISTS (SELECT 1 FROM attempts WHERE token = :token)
RETURNING attempt, {RUN}"""

ADD_ATTEMPT = "INSERT INTO attempts(run, number, token, worker, started_at) VALUES(?, ?, ?, ?, ?)"
OF_TOKEN = "SELECT run FROM attempts WHERE token = ?"

# Read before the lock is taken: whether this claim was made before and its answer was lost, the number of
# changes, and a run to claim.
LOOK = f"""
SELECT EXISTS (SELECT 1 FROM attempts WHERE token = :token),
       (SELECT changes FROM projects WHERE name = :project), ({CANDIDATE})"""

# -- owners ------------------------------------------------------------------------------------------------

# What an owner's write depends on (`Standing`); read within the same transaction.
STANDING = """
SELECT project, state, attempt, token, command, losses, max_losses, failures, max_failures FROM runs
 WHERE id = ?"""

ATTEMPT_OF = "SELECT outcome FROM attempts WHERE run = ? AND number = ? AND token = ?"

# T3. Does not check for expiry: a late heartbeat is accepted unless the run was reaped.
BEAT = """
UPDATE runs SET beat = beat + 1, progress = COALESCE(?, progress)
 WHERE id = ? AND attempt = ? AND token = ? AND state = 'RUNNING' RETURNING command"""

# T4, T5, T6, T7, T8, T10: ends the attempt and the lease.
SETTLE = """
UPDATE runs SET state = :state, reason = :reason, result = :result, result_special = :special, token = NULL,
       command = NULL, losses = :losses, failures = :failures, not_before = :not_before,
       finished_at = :finished_at
 WHERE id = :run"""

END_ATTEMPT = """
UPDATE attempts SET outcome = :outcome, reason = :reason, traceback = :traceback, ended_at = :now
 WHERE run = :run AND number = :attempt"""

KEEP_RESULT = "UPDATE bodies SET metrics = ?, info = COALESCE(?, info) WHERE run = ?"
FILL_RUN = """
UPDATE runs SET metric = COALESCE(?, metric), goal = COALESCE(?, goal), seed = COALESCE(?, seed)
 WHERE id = ?"""

FILL_BODY = """
UPDATE bodies SET scenario = COALESCE(?, scenario), config = COALESCE(?, config), info = COALESCE(?, info)
 WHERE run = ?"""

PROVENANCE = "SELECT provenance FROM attempts WHERE run = ? AND number = ?"
KEEP_PROVENANCE = "UPDATE attempts SET provenance = ? WHERE run = ? AND number = ?"
HELD = """
SELECT r.id, r.attempt, r.token, r.beat, a.worker
  FROM runs r JOIN attempts a ON a.run = r.id AND a.number = r.attempt
 WHERE r.project = ? AND r.state = 'RUNNING' ORDER BY r.id"""

# T8: compares the heartbeat's counter, so that a later heartbeat prevents the reaping.
REAPABLE = STANDING + " AND state = 'RUNNING' AND attempt = ? AND token = ? AND beat = ?"

# T13: reaped, but not claimed again.
READOPT = """
UPDATE runs SET state = 'RUNNING', token = :token, beat = beat + 1, losses = MAX(0, losses - 1),
       reason = NULL, not_before = NULL
 WHERE id = :run AND attempt = :attempt AND state = 'QUEUED' AND EXISTS(
       SELECT 1 FROM attempts a
        WHERE a.run = :run AND a.number = :attempt AND a.token = :token AND a.outcome = 'lost')
RETURNING id"""

REOPEN_ATTEMPT = """
UPDATE attempts SET outcome = NULL, reason = NULL, ended_at = NULL, worker = ? WHERE run = ? AND number = ?"""

# T12: stored as a note, never as the outcome.
LATE = "UPDATE attempts SET late = ? WHERE run = ? AND number = ? AND token = ?"

# -- edits by users ----------------------------------------------------------------------------------------

# T9, T11: a waiting run changes at once, a running run gets a command.
MOVE = "UPDATE runs SET state = ?, reason = NULL, not_before = NULL, finished_at = ? WHERE id = ?"
COMMAND = "UPDATE runs SET command = ? WHERE id = ?"

# T14: `attempt` and `beat` are never reset.
REQUEUE = """
UPDATE runs SET state = 'QUEUED', losses = 0, failures = 0, result = NULL, result_special = NULL,
       reason = NULL, progress = NULL, not_before = NULL, finished_at = NULL
 WHERE id = ?"""

FORGET_METRICS = "UPDATE bodies SET metrics = '{}' WHERE run = ?"
ANNOTATE = "UPDATE runs SET tags = ?, priority = COALESCE(?, priority) WHERE id = ?"
NOTE = "UPDATE bodies SET note = ? WHERE run = ?"
AMEND = "UPDATE bodies SET info = ? WHERE run = ?"
STATES = "SELECT id, state FROM runs WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"

# Deletes their rows in the other tables, too (ON DELETE CASCADE).
DELETE = "DELETE FROM runs WHERE id IN (SELECT value FROM json_each(?))"

# -- store copy --------------------------------------------------------------------------------------------

RESTORABLE = "SELECT id, state, attempt FROM runs WHERE uid = ?"
REMOVE = "DELETE FROM runs WHERE id = ?"

# `beat` starts as if each attempt had been claimed here.
RESTORE_RUN = """
INSERT INTO runs(id, uid, project, task, state, reason, priority, attempt, beat, losses, max_losses, failures,
                 max_failures, metric, goal, result, result_special, seed, validated, tags, progress, parent,
                 search, submitted_by, submitted_at, finished_at)
VALUES(:id, :uid, :project, :task, :state, :reason, :priority, :attempt, :attempt, :losses, :max_losses,
       :failures, :max_failures, :metric, :goal, :result, :special, :seed, :validated, :tags, :progress,
       :parent, :search, :submitted_by, :submitted_at, :finished_at)"""

RESTORE_BODY = """
INSERT INTO bodies(run, note, submitted, scenario, config, metrics, info)
VALUES(:id, :note, :submitted, :scenario, :config, :metrics, :info)"""

RESTORE_ATTEMPT = f"""
INSERT INTO attempts({ATTEMPT}, token) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""

# -- reading -----------------------------------------------------------------------------------------------

RECORD = f"SELECT {RUN}, {BODY} FROM runs JOIN bodies ON run = id WHERE id = ?"
RECORDS = f"""
SELECT {RUN}, {BODY} FROM runs JOIN bodies ON run = id WHERE id IN (SELECT value FROM json_each(?))"""

BODY_OF = f"SELECT {BODY} FROM bodies WHERE run = ?"
ATTEMPTS = f"SELECT {ATTEMPT} FROM attempts WHERE run = ? ORDER BY number"
ATTEMPTS_OF = f"""
SELECT {ATTEMPT} FROM attempts WHERE run IN (SELECT value FROM json_each(?)) ORDER BY run, number"""

IDS = "SELECT min(id), max(id) FROM runs WHERE project = ?"
CURRENT_ATTEMPT = "SELECT attempt FROM runs WHERE id = ?"

# -- series, output, artifacts -----------------------------------------------------------------------------

ADD_POINT = """
INSERT INTO points(run, attempt, seq, name, step, value, special, at) VALUES(?, ?, ?, ?, ?, ?, ?, ?)
 ON CONFLICT DO NOTHING"""

ADD_OUTPUT = "INSERT INTO output(run, attempt, seq, text, at) VALUES(?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
POINTS = """
SELECT seq, name, step, value, special, at FROM points
 WHERE run = ? AND attempt = ? AND seq > ? AND (?4 IS NULL OR hex(name) IN (SELECT value FROM json_each(?4)))
 ORDER BY seq LIMIT ?"""

OUTPUT = "SELECT seq, text, at FROM output WHERE run = ? AND attempt = ? AND seq > ? ORDER BY seq LIMIT ?"
NAME_ARTIFACT = """
INSERT INTO artifacts(run, attempt, name, digest, size) VALUES(?, ?, ?, ?, ?)
 ON CONFLICT(run, attempt, name) DO UPDATE SET digest = excluded.digest, size = excluded.size"""

ARTIFACTS = "SELECT name, digest, size FROM artifacts WHERE run = ? AND attempt = ? ORDER BY name"
ALL_ARTIFACTS = "SELECT run, attempt, name, digest, size FROM artifacts ORDER BY run, attempt, name"
NAMED = "SELECT digest FROM artifacts WHERE digest IN (SELECT value FROM json_each(?))"
ARTIFACT_BYTES = "SELECT COALESCE(sum(size), 0) FROM (SELECT DISTINCT digest, size FROM artifacts)"

# -- workers -----------------------------------------------------------------------------------------------

PRESENT = """
INSERT INTO workers(project, worker, info, beat, seen_at) VALUES(?, ?, ?, ?, ?)
 ON CONFLICT(project, worker) DO UPDATE SET info = excluded.info, seen_at = excluded.seen_at,
                                            beat = MAX(beat + 1, excluded.beat)"""

ABSENT = "DELETE FROM workers WHERE worker = ?"
WORKERS = "SELECT info, beat, seen_at FROM workers WHERE project = ? ORDER BY worker"

# -- maintenance -------------------------------------------------------------------------------------------

RUNS_BY_PROJECT = "SELECT project, count(*) FROM runs GROUP BY project ORDER BY project"
INTEGRITY = "PRAGMA integrity_check(20)"
ORPHANS = "PRAGMA foreign_key_check"

# -- snapshots ---------------------------------------------------------------------------------------------

KEEP_SNAPSHOT = """
INSERT INTO snapshots(digest, files, at) VALUES(?, ?, ?) ON CONFLICT(digest) DO UPDATE SET at = excluded.at"""

SNAPSHOT = "SELECT files FROM snapshots WHERE digest = ?"
NAMED_SNAPSHOTS = """
SELECT json_extract(code, '$.snapshot') AS digest FROM codes
 UNION SELECT json_extract(code, '$.changes') FROM codes
 UNION SELECT json_extract(provenance, '$.source.snapshot') FROM attempts
 UNION SELECT json_extract(provenance, '$.source.changes') FROM attempts"""

FORGET_SNAPSHOTS = f"""
DELETE FROM snapshots WHERE at < ? AND digest NOT IN (
 SELECT digest FROM ({NAMED_SNAPSHOTS}) WHERE digest IS NOT NULL)"""

ALL_SNAPSHOTS = "SELECT digest, files FROM snapshots ORDER BY digest"
SOURCES_NAMED = f"""
SELECT DISTINCT json_extract(file.value, '$[1]') FROM snapshots, json_each(snapshots.files) AS file
 WHERE json_extract(file.value, '$[1]') IN (SELECT value FROM json_each(?))
   AND (at >= ? OR digest IN (SELECT digest FROM ({NAMED_SNAPSHOTS}) WHERE digest IS NOT NULL))"""

SOURCE_BYTES = """
SELECT COALESCE(sum(size), 0) FROM (
 SELECT DISTINCT json_extract(value, '$[1]'), json_extract(value, '$[2]') AS size
   FROM snapshots, json_each(snapshots.files))"""

ADD_CODE = "INSERT INTO codes(run, code) VALUES(:id, :code)"

# -- migrations --------------------------------------------------------------------------------------------

_MIGRATION = """
SELECT name, project, steps, author, at, undone_at,
       (SELECT count(*) FROM rewrites JOIN runs ON runs.id = rewrites.run
         WHERE rewrites.migration = name AND runs.project = migrations.project)
  FROM migrations"""

MIGRATIONS = _MIGRATION + " WHERE project = ? ORDER BY number"

# its steps and the number of runs it has rewritten
MIGRATION = """
SELECT steps, (SELECT count(*) FROM rewrites JOIN runs ON runs.id = rewrites.run
                WHERE rewrites.migration = name AND runs.project = migrations.project)
  FROM migrations WHERE project = ? AND name = ?"""

# applied again after an undo: gets a new number, after all migrations applied since
KEEP_MIGRATION = """
INSERT INTO migrations(project, name, steps, author, at, number)
VALUES(:project, :name, :steps, :author, :now, (SELECT COALESCE(max(number), 0) + 1 FROM migrations))
 ON CONFLICT(project, name) DO UPDATE
   SET steps = excluded.steps, author = excluded.author, at = excluded.at, number = excluded.number,
       undone_at = NULL
 WHERE undone_at IS NOT NULL OR steps <> excluded.steps"""

REWRITABLE = """
SELECT state, scenario, config FROM runs JOIN bodies ON run = id
 WHERE id = ?1 AND project = ?2 AND NOT EXISTS (SELECT 1 FROM rewrites WHERE run = ?1 AND migration = ?3)"""

KEEP_REWRITE = """
INSERT INTO rewrites(run, number, migration, scenario, config)
SELECT :run, (SELECT COALESCE(max(number), 0) + 1 FROM rewrites WHERE run = :run), :migration, scenario,
       config
  FROM bodies WHERE run = :run"""

REWRITE = "UPDATE bodies SET scenario = ?, config = ? WHERE run = ?"
REWRITES = "SELECT migration, scenario, config FROM rewrites WHERE run = ? ORDER BY number"
REWRITTEN_BY = """
SELECT rewrites.run, rewrites.scenario, rewrites.config FROM rewrites JOIN runs ON runs.id = rewrites.run
 WHERE runs.project = ? AND rewrites.migration = ? ORDER BY rewrites.run"""

LATER_MIGRATION = """
SELECT later.run, later.migration
  FROM rewrites AS mine JOIN rewrites AS later ON later.run = mine.run AND later.number > mine.number
  JOIN runs ON runs.id = mine.run
 WHERE runs.project = ? AND mine.migration = ? ORDER BY later.number DESC, later.run LIMIT 1"""

FORGET_REWRITES = """
DELETE FROM rewrites WHERE migration = ?2 AND run IN (SELECT id FROM runs WHERE project = ?1)"""

UNDO_MIGRATION = "UPDATE migrations SET undone_at = ? WHERE project = ? AND name = ?"

# -- searches ----------------------------------------------------------------------------------------------

# in the order that `_search_of` expects
COLUMNS = ("id", "uid", "project", "task", "state", "reason", "priority", "budget", "plan", "proposed",
           "redrawn", "repeats", "submitted_at", "ended_at")

ADD_SEARCH = """
INSERT INTO searches(uid, project, task, state, priority, budget, plan, submitted_at)
VALUES(:uid, :project, :task, 'OPEN', :priority, :budget, :plan, :now) ON CONFLICT(uid) DO NOTHING"""

RESTORE_SEARCH = f"""
INSERT INTO searches({', '.join(COLUMNS[1:])}) VALUES({', '.join(f':{name}' for name in COLUMNS[1:])})
ON CONFLICT(uid) DO UPDATE SET proposed = max(proposed, excluded.proposed),
   redrawn = max(redrawn, excluded.redrawn), repeats = max(repeats, excluded.repeats)"""

KNOWN_SEARCH = "SELECT id FROM searches WHERE uid = ?"
SEARCH = f"SELECT {', '.join(COLUMNS)} FROM searches WHERE id = ?"
SEARCHES = f"""
SELECT {', '.join(COLUMNS)} FROM searches
 WHERE project = :project AND (:states IS NULL OR hex(state) IN (SELECT value FROM json_each(:states)))
   AND (:uids IS NULL OR hex(uid) IN (SELECT value FROM json_each(:uids)))
 ORDER BY id"""

PROPOSED = """
UPDATE searches SET proposed = proposed + 1, redrawn = redrawn + ?, repeats = repeats + ? WHERE id = ?"""

PROPOSAL = "SELECT id, config, seed FROM runs JOIN bodies ON run = id WHERE uid = ?"
END = "UPDATE searches SET state = 'ENDED', reason = ?, ended_at = ? WHERE id = ?"
MOVE_SEARCH = "UPDATE searches SET state = ?, reason = NULL, ended_at = NULL WHERE id = ?"
CHANGE = "UPDATE searches SET budget = COALESCE(?, budget), priority = COALESCE(?, priority) WHERE id = ?"
