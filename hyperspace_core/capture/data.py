"""The section `data` until `run.stages.load_data` sets the fingerprint."""

from __future__ import annotations

from hyperspace_core.markers import hookimpl
from hyperspace_core.sink import Absent


@hookimpl
def hyperspace_capture() -> Absent:
    """Record why there is no fingerprint, for runs that load data in another way."""
    return Absent("data", "nothing was loaded by run.stages.load_data")
