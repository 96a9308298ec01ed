"""The whole suite: all test classes in one class that a backend subclasses."""

from __future__ import annotations

from pytest_hyperspace.stores.content_tests import ArtifactTests, SnapshotTests
from pytest_hyperspace.stores.edit_tests import (
    AmendTests,
    AnnotationTests,
    CommandTests,
    DeleteTests,
    QueueSettingTests,
)
from pytest_hyperspace.stores.lease_tests import (
    FencingTests,
    FinishTests,
    HeartbeatTests,
    UpdateTests,
    WorkerTests,
)
from pytest_hyperspace.stores.migrate_tests import MigrationTests
from pytest_hyperspace.stores.model import ModelTests
from pytest_hyperspace.stores.process_tests import ProcessTests
from pytest_hyperspace.stores.queue_tests import ClaimTests, SubmissionTests, WaitTests
from pytest_hyperspace.stores.read_tests import CapabilityTests, FilterTests, OrderTests, ReadTests
from pytest_hyperspace.stores.recovery_tests import LateOutcomeTests, ReadoptTests, ReapTests
from pytest_hyperspace.stores.repeat_tests import RepeatTests
from pytest_hyperspace.stores.restore_tests import RestoreTests
from pytest_hyperspace.stores.search_tests import SearchTests
from pytest_hyperspace.stores.transition_tests import TransitionTests
from pytest_hyperspace.stores.value_tests import SeriesTests, ValueTests


class StoreConformance(
    SubmissionTests, ValueTests, ClaimTests, HeartbeatTests, UpdateTests, FinishTests, FencingTests,
    ReapTests, ReadoptTests, LateOutcomeTests, TransitionTests, ModelTests, RepeatTests, CommandTests,
    AnnotationTests, DeleteTests, QueueSettingTests, FilterTests, OrderTests, ReadTests, CapabilityTests,
    SeriesTests, ArtifactTests, WorkerTests, WaitTests, RestoreTests, SnapshotTests, MigrationTests,
    AmendTests, SearchTests, ProcessTests,
):
    """The tests that every store must pass; see `pytest_hyperspace.stores`."""
