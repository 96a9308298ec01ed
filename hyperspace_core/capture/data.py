"""The section `data` of a run that has loaded none yet; `run.stages.load_data` puts the fingerprint there."""

from __future__ import annotations

from hyperspace_core.markers import hookimpl
from hyperspace_core.sink import Absent


@hookimpl
def hyperspace_capture() -> Absent:
    """Whoever loads by other ways has no fingerprint, and is to see that."""
    return Absent("data", "nothing was loaded by run.stages.load_data")
