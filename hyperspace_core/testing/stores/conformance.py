"""The whole suite: every theme in one class that a backend subclasses."""

from __future__ import annotations

from hyperspace_core.testing.stores.themes.amending import Amending
from hyperspace_core.testing.stores.themes.artifacts import Artifacts
from hyperspace_core.testing.stores.themes.claiming import Claiming
from hyperspace_core.testing.stores.themes.deleting import Deleting
from hyperspace_core.testing.stores.themes.fencing import Fencing
from hyperspace_core.testing.stores.themes.finding import Filtering
from hyperspace_core.testing.stores.themes.listing import Looking, Ordering
from hyperspace_core.testing.stores.themes.migrating import Migrating
from hyperspace_core.testing.stores.themes.owning import Beating, Ending, Updating
from hyperspace_core.testing.stores.themes.people import Annotations, Commands, Settings
from hyperspace_core.testing.stores.themes.presence import Presence
from hyperspace_core.testing.stores.themes.processes import Processes
from hyperspace_core.testing.stores.themes.recovery import Reaping
from hyperspace_core.testing.stores.themes.repeats import Repeats
from hyperspace_core.testing.stores.themes.restoring import Restoring
from hyperspace_core.testing.stores.themes.returning import BeingLate, Readopting
from hyperspace_core.testing.stores.themes.searching import Searching
from hyperspace_core.testing.stores.themes.series import Series
from hyperspace_core.testing.stores.themes.snapshots import Snapshots
from hyperspace_core.testing.stores.themes.stories import Stories
from hyperspace_core.testing.stores.themes.submission import Submission
from hyperspace_core.testing.stores.themes.transitions import Transitions
from hyperspace_core.testing.stores.themes.values import Values
from hyperspace_core.testing.stores.themes.waiting import Waiting


class StoreConformance(
    Submission, Values, Claiming, Beating, Updating, Ending, Fencing, Reaping, Readopting, BeingLate,
    Transitions, Stories, Repeats, Commands, Annotations, Deleting, Settings, Filtering, Ordering, Looking,
    Series, Artifacts, Presence, Waiting, Restoring, Snapshots, Migrating, Amending,
    Searching, Processes,
):
    """The tests that every store must pass; see `hyperspace_core.testing.stores`."""
