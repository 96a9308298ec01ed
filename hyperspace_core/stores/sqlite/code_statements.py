"""SQL statements for the tables of snapshots, of pinned code, and of migrations."""

from __future__ import annotations

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
