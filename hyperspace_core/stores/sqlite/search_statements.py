"""SQL statements for the table of searches."""

from __future__ import annotations

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

MOVE = "UPDATE searches SET state = ?, reason = NULL, ended_at = NULL WHERE id = ?"

CHANGE = "UPDATE searches SET budget = COALESCE(?, budget), priority = COALESCE(?, priority) WHERE id = ?"
