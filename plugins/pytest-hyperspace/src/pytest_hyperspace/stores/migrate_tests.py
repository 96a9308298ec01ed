"""Migrations of stored configs: finished runs only, once, undone exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from hyperspace_core.errors import NotFound, Refused
from hyperspace_core.records import Migration, Rewrite, Rewritten, RunFilter, State, parse_condition
from hyperspace_core.storage import Migrations, Store
from pytest_hyperspace.stores.base import StoreTests, for_stores_with, same, trees
from pytest_hyperspace.stores.harness import PROJECT, UNKNOWN_ID, Harness, ProcessGroup, migrate_all

OLD = {"classifier": {"className": "Forest", "trees": 100, "odd.$key": -0.0}}
NEW = {"classifier": {"className": "Forest", "trees": 100, "odd.$key": -0.0, "max_depth": None}}
SCENARIO = {"className": "Holdout", "share": 0.25}
ADD = Migration(name="add Forest.max_depth", project=PROJECT, author="ann@host",
                steps=({"op": "add", "at": "Forest", "parameter": "max_depth", "value": None},))
NEXT = Migration(name="next", project=PROJECT, steps=({"op": "rename"},))


def rewrite(run: int, old: Any = OLD, new: Any = NEW) -> Rewrite:
    return Rewrite(run=run, old_scenario=SCENARIO, old_config=old, scenario=SCENARIO, config=new)


@for_stores_with(Migrations)
class MigrationTests(StoreTests):
    @pytest.fixture
    def ended(self, harness: Harness) -> int:
        return harness.in_state(State.COMPLETED, scenario=SCENARIO, config=OLD,
                                submitted={"classifier": "Forest"})

    def test_a_migrated_run_is_rewritten_and_keeps_its_old_values(
            self, harness: Harness, other: Store, ended: int) -> None:
        before = harness.get(ended)

        assert harness.migrations.migrate(ADD, [rewrite(ended)]) == [ended]

        after = other.get(ended)
        assert (after.config, after.scenario, after.migrated) == (NEW, SCENARIO, (ADD.name,))
        assert (after.submitted, after.result, after.attempts) == (
            before.submitted, before.result, before.attempts)
        assert Migrations.of(other).rewritten(ended) == [
            Rewritten(migration=ADD.name, scenario=SCENARIO, config=OLD)]

    def test_filters_see_the_rewritten_config(self, harness: Harness, ended: int) -> None:
        where = RunFilter(project=PROJECT, where=(parse_condition("classifier.max_depth=7"),))
        deep = {"classifier": NEW["classifier"] | {"max_depth": 7}}
        assert list(harness.store.find(where)) == []

        harness.migrations.migrate(ADD, [rewrite(ended, new=deep)])

        assert [record.id for record in harness.store.find(where)] == [ended]

    def test_a_migration_is_listed_with_author_and_count(self, harness: Harness, ended: int) -> None:
        second = harness.in_state(State.FAILED, scenario=SCENARIO, config=OLD)
        assert harness.migrations.migrations(PROJECT) == []
        harness.migrations.migrate(ADD, [rewrite(ended)])
        harness.migrations.migrate(ADD, [rewrite(second)])
        harness.migrations.migrate(NEXT, [])

        first, empty = harness.migrations.migrations(PROJECT)

        assert (first.name, first.project, first.author, first.steps) == (
            ADD.name, PROJECT, "ann@host", ADD.steps)
        assert first.at is not None and first.at.tzinfo is not None
        assert (first.runs, first.undone_at, empty.name, empty.runs) == (2, None, "next", 0)
        assert harness.migrations.migrations("another project") == []

    def test_migrating_again_changes_nothing(self, harness: Harness, ended: int) -> None:
        harness.migrations.migrate(ADD, [rewrite(ended)])
        picture, listed = harness.picture(ended), harness.migrations.migrations(PROJECT)

        assert harness.migrations.migrate(ADD, [rewrite(ended), rewrite(ended, NEW, OLD)]) == []

        assert harness.picture(ended) == picture and harness.migrations.migrations(PROJECT) == listed

    @pytest.mark.parametrize("state", [State.QUEUED, State.PAUSED, State.RUNNING])
    def test_unfinished_runs_are_not_migrated(self, harness: Harness, state: State) -> None:
        run = harness.submit(scenario=SCENARIO, config=OLD)
        if state is not State.QUEUED:
            harness.take(run) if state is State.RUNNING else harness.store.pause(run)

        assert harness.migrations.migrate(ADD, [rewrite(run)]) == []
        assert harness.get(run).config == OLD and harness.get(run).migrated == ()

    def test_runs_changed_meanwhile_are_not_migrated(self, harness: Harness, ended: int) -> None:
        zero = {"classifier": OLD["classifier"] | {"odd.$key": 0.0}}

        assert harness.migrations.migrate(ADD, [rewrite(ended, old=zero), rewrite(UNKNOWN_ID)]) == []
        assert harness.get(ended).config == OLD

    def test_a_run_of_another_project_is_not_migrated(self, harness: Harness) -> None:
        stranger = Harness(harness.store, "stranger")
        run = stranger.in_state(State.COMPLETED, scenario=SCENARIO, config=OLD)

        assert harness.migrations.migrate(ADD, [rewrite(run)]) == []

    def test_a_used_name_with_other_steps_is_refused(
            self, harness: Harness, ended: int) -> None:
        other_steps = Migration(name=ADD.name, project=PROJECT, steps=({"op": "move"},))
        harness.migrations.migrate(other_steps, [])
        harness.migrations.migrate(ADD, [rewrite(ended)])

        with pytest.raises(Refused, match=r"add Forest\.max_depth"):
            harness.migrations.migrate(other_steps, [])
        assert harness.migrations.migrations(PROJECT)[0].steps == ADD.steps

    def test_an_undone_migration_restores_the_run(self, harness: Harness, ended: int) -> None:
        picture = harness.picture(ended)
        harness.migrations.migrate(ADD, [rewrite(ended)])

        assert harness.migrations.unmigrate(PROJECT, ADD.name) == [ended]

        assert harness.picture(ended) == picture and harness.migrations.rewritten(ended) == []
        undone = harness.migrations.migrations(PROJECT)[0]
        assert undone.runs == 0 and undone.undone_at is not None
        assert harness.migrations.unmigrate(PROJECT, ADD.name) == []

    def test_any_tree_is_restored_when_undone(self, harness: Harness) -> None:
        @self.property_settings()
        @given(old=trees, new=trees)
        def holds(old: Any, new: Any) -> None:
            run = harness.in_state(State.COMPLETED, config=old)
            name = f"migration {run}"
            migration = Migration(name=name, project=PROJECT, steps=())
            change = Rewrite(run=run, old_scenario=None, old_config=old, scenario=None, config=new)
            assert harness.migrations.migrate(migration, [change]) == [run]
            assert same(harness.get(run).config, new)
            harness.migrations.unmigrate(PROJECT, name)
            assert same(harness.get(run).config, old)

        holds()

    def test_an_undone_migration_can_be_applied_again(
            self, harness: Harness, ended: int) -> None:
        harness.migrations.migrate(ADD, [rewrite(ended)])
        harness.migrations.unmigrate(PROJECT, ADD.name)
        harness.migrations.migrate(NEXT, [])

        assert harness.migrations.migrate(ADD, [rewrite(ended)]) == [ended]

        assert [found.name for found in harness.migrations.migrations(PROJECT)] == ["next", ADD.name]
        assert harness.migrations.migrations(PROJECT)[1].undone_at is None

    def test_migrations_of_a_run_are_undone_last_first(self, harness: Harness, ended: int) -> None:
        harness.migrations.migrate(ADD, [rewrite(ended)])
        harness.migrations.migrate(NEXT, [rewrite(ended, NEW, {"trees": 1})])
        assert harness.get(ended).migrated == (ADD.name, "next")

        with pytest.raises(Refused, match=f"run {ended}.*'next'"):
            harness.migrations.unmigrate(PROJECT, ADD.name)
        assert harness.get(ended).config == {"trees": 1}
        harness.migrations.unmigrate(PROJECT, "next")
        harness.migrations.unmigrate(PROJECT, ADD.name)
        assert harness.get(ended).config == OLD

    def test_an_unknown_migration_is_not_found(self, harness: Harness) -> None:
        with pytest.raises(NotFound, match="nothing like it"):
            harness.migrations.unmigrate(PROJECT, "nothing like it")
        with pytest.raises(NotFound):
            harness.migrations.rewritten(UNKNOWN_ID)

    def test_a_deleted_run_loses_its_history(self, harness: Harness, ended: int) -> None:
        harness.migrations.migrate(ADD, [rewrite(ended)])
        harness.store.delete([ended])

        assert harness.migrations.migrations(PROJECT)[0].runs == 0
        assert harness.migrations.unmigrate(PROJECT, ADD.name) == []

    def test_two_processes_migrate_each_run_once(self, harness: Harness,
                                                 start_processes: Callable[..., ProcessGroup]) -> None:
        runs = [harness.in_state(State.COMPLETED, scenario=SCENARIO, config=OLD) for _ in range(12)]
        changes = [rewrite(run) for run in runs]

        answers = start_processes(migrate_all, [(ADD, changes)] * 2).answers()

        assert sorted(run for answer in answers for run in answer) == runs
        assert all(harness.get(run).config == NEW for run in runs)
        assert all(len(harness.migrations.rewritten(run)) == 1 for run in runs)
