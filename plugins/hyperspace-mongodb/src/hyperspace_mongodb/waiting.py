"""`wait_for_change`: an idle worker hears of work in time, and asks for little while there is none.

Whatever makes a run claimable raises a number of the project. Where the server has change streams, the
waiting thread is told; else it asks for the number, soon at first and then less often.
"""

from __future__ import annotations

import random
from time import monotonic

from hyperspace_mongodb.queueing import QueueVerbs

FIRST_LOOK_S, LAST_LOOK_S = 0.02, 0.25         # between two looks; well under half a second


class WaitingVerbs(QueueVerbs):
    """One verb; what it has seen, `claim` has seen as well."""

    def wait_for_change(self, project: str, timeout_s: float) -> bool:
        until = monotonic() + timeout_s
        pause = FIRST_LOOK_S
        while True:
            with self._database.using():
                found = self._database.projects.find_one({"_id": {"$eq": project}}, {"changes": 1}) or {}
            changes = int(found.get("changes", 0))
            if changes != self._seen().get(project, 0):
                self._has_looked(project, changes)
                return True
            left = until - monotonic()
            if left <= 0:
                return False
            self._database.closed.wait(min(left, pause * random.uniform(0.7, 1.0)))
            pause = min(LAST_LOOK_S, pause * 1.5)
