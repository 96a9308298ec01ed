"""The conformance suite: no test is hidden, and a missing fixture is named."""

from __future__ import annotations

from collections import Counter

import pytest

from hyperspace_core.storage import Migrations, Searches
from pytest_hyperspace.stores import StoreConformance, StoreTests

pytest_plugins = ["pytester"]

CLASSES = [cls for cls in StoreConformance.__mro__ if issubclass(cls, StoreTests)
           and cls not in (StoreConformance, StoreTests)]


def test_no_class_overrides_a_test_or_helper_of_another() -> None:
    names = Counter(name for cls in CLASSES for name in vars(cls) if not name.startswith("__"))

    assert [name for name, count in names.items() if count > 1] == []
    assert set(names) & {name for name in vars(StoreTests) if not name.startswith("__")} == set()


def test_every_class_has_tests() -> None:
    empty = [cls for cls in CLASSES if not any(name.startswith("test_") for name in vars(cls))]

    assert empty == []


def test_a_store_is_tested_for_what_it_declares() -> None:
    class Least(StoreConformance):
        declares = ()
        processes = False

    class Migrating(StoreConformance):
        declares = (Migrations,)

    def tests_of(cls: type) -> set[str]:
        return {name for name in dir(cls) if name.startswith("test_") and getattr(cls, name) is not None}

    class Searching(StoreConformance):
        declares = (Searches,)

    alone, processes = "test_an_empty_submission_is_accepted", "test_one_run_goes_to_one_of_very_many"
    migrate, collect = "test_an_undone_migration_restores_the_run", "test_named_contents_are_never_collected"
    search, proposers = "test_no_number_is_left_out", "test_killed_proposers_give_each_number_once"
    some = {alone, processes, migrate, collect, search, proposers}
    every = tests_of(StoreConformance)
    assert some <= every
    assert tests_of(Least) & some == {alone}
    assert tests_of(Migrating) & some == {alone, processes, migrate}
    assert tests_of(Searching) & some == {alone, processes, search, proposers}
    assert tests_of(StoreConformance) == every         # declaring less changes only the subclass


def test_a_missing_backend_fixture_is_named(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from pytest_hyperspace.stores import StoreConformance

        class TestNothing(StoreConformance):
            pass
    """)

    result = pytester.runpytest_inprocess("-q", "-k", "test_an_empty_submission_is_accepted")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*define the fixture `backend`*"])


def test_a_broken_store_does_not_pass_the_suite(pytester: pytest.Pytester) -> None:
    """A store without the fence: several tests of the suite fail."""
    pytester.makepyfile("""
        import pytest
        from dataclasses import replace
        from hyperspace_core.stores.sqlite import open_store
        from pytest_hyperspace.stores import Backend, StoreConformance
        from pytest_hyperspace.stores.lease_tests import FencingTests

        def without_a_fence(url):
            store = open_store(url)
            beat = store.beat

            def current(lease):
                held = {row.run: row for row in store.held("conformance")}
                row = held.get(lease.run)
                return lease if row is None else replace(lease, attempt=row.attempt, token=row.token)

            store.beat = lambda lease, progress=None: beat(current(lease), progress)
            return store

        class TestBroken(FencingTests):
            @pytest.fixture
            def backend(self, tmp_path):
                return Backend(new_url=lambda: f"sqlite:///{tmp_path}/runs.db", open=without_a_fence)
    """)

    result = pytester.runpytest_inprocess("-q", "-k", "a_fenced_beat")

    result.assert_outcomes(passed=2, failed=3)


def test_a_store_that_breaks_a_declared_capability_is_caught(pytester: pytest.Pytester) -> None:
    """One store proposes without comparing numbers; another does not declare that it keeps searches."""
    pytester.makepyfile("""
        import pytest
        from dataclasses import replace
        from hyperspace_core.storage import Searches
        from hyperspace_core.stores.sqlite import open_store
        from pytest_hyperspace.stores import Backend
        from pytest_hyperspace.stores.base import CAPABILITIES
        from pytest_hyperspace.stores.read_tests import CapabilityTests
        from pytest_hyperspace.stores.search_tests import SearchTests

        def without_comparison(url):
            store = open_store(url)
            propose = store.propose

            def next_one(search, number, run, **given):
                known = store.get_search(search)
                run = replace(run, uid=known.run_uid(known.proposed))
                return propose(search, known.proposed, run, **given)

            store.propose = next_one
            return store

        class TestRacing(SearchTests):
            declares = CAPABILITIES

            @pytest.fixture
            def backend(self, tmp_path):
                return Backend(new_url=lambda: f"sqlite:///{tmp_path}/runs.db", open=without_comparison)

        class TestUndeclared(CapabilityTests):
            declares = tuple(set(CAPABILITIES) - {Searches})

            @pytest.fixture
            def backend(self, tmp_path):
                return Backend(new_url=lambda: f"sqlite:///{tmp_path}/runs.db", open=open_store)
    """)

    broken = pytester.runpytest_inprocess("-q", "-k", "no_number_is_left_out or first_counts")
    undeclared = pytester.runpytest_inprocess("-q", "-k", "has_what_it_declares")

    broken.assert_outcomes(failed=2)
    undeclared.assert_outcomes(failed=1)
