"""Call the observers of a run's end where the run's own process could not.

That is so for runs that were killed, crashed, ran out of memory or were stopped midway.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hyperspace_core.run import Run
from hyperspace_core.sink import Memory
from hyperspace_core.storage import Store
from hyperspace_core.worker.endings import Conducted
from hyperspace_core.worker.journal import Settlement
from hyperspace_core.worker.ward import Ward

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions


def tell_observers(ward: Ward, conducted: Conducted, store: Store, extensions: Extensions) -> None:
    """Call observers of a stored end that were not called yet. Raises `StoreError`."""
    if not conducted.silent or ward.journal.settlement is not Settlement.STORED:
        return
    record = store.get(ward.lease.run)
    closed = Run(sink=Memory(), seed=record.seed or 0, workdir=ward.workdir or Path(tempfile.gettempdir()),
                 id=record.id, attempt=ward.lease.attempt, project=record.project, task=record.task,
                 config=record.config, scenario=record.scenario)
    extensions.observers("hyperspace_run_finished", run=closed, record=record)
