"""SQL statements by store method; T1 to T14 are the state transitions.

A list is passed as one JSON parameter (`json_each`), so that a statement is prepared once for any length.
"""

from __future__ import annotations

from hyperspace_core.stores.sqlite.rows import ATTEMPT, BODY, RUN

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
