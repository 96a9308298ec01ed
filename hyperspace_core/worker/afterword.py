"""The end of a run, told to observers where none could hear of it in the run's own process.

Killed, crashed, out of memory, or stopped in its midst: what became of it is known here alone.
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
    """Once a run has really ended, and nobody has heard of it yet. Raises `StoreError`."""
    if not conducted.silent or ward.journal.settlement is not Settlement.STORED:
        return
    record = store.get(ward.lease.run)
    closed = Run(sink=Memory(), seed=record.seed or 0, workdir=ward.workdir or Path(tempfile.gettempdir()),
                 id=record.id, attempt=ward.lease.attempt, project=record.project, task=record.task,
                 config=record.config, scenario=record.scenario)
    extensions.observers("hyperspace_run_finished", run=closed, record=record)
