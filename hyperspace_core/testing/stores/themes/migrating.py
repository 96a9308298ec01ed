"""Migrations of stored configs: finished runs only, once, undone exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from hyperspace_core.errors import NotFound, Refused
from hyperspace_core.records.filter import RunFilter, parse_condition
from hyperspace_core.records.migration import Migration, Rewrite, Rewritten
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.crowd import Crowd
from hyperspace_core.testing.stores.desk import PROJECT, UNKNOWN_ID, Desk
from hyperspace_core.testing.stores.others import migrate_all
from hyperspace_core.testing.stores.strategies import same, trees

OLD = {"classifier": {"className": "Forest", "trees": 100, "odd.$key": -0.0}}
NEW = {"classifier": {"className": "Forest", "trees": 100, "odd.$key": -0.0, "max_depth": None}}
SCENARIO = {"className": "Holdout", "share": 0.25}
ADD = Migration(name="add Forest.max_depth", project=PROJECT, author="ann@host",
                steps=({"op": "add", "at": "Forest", "parameter": "max_depth", "value": None},))
NEXT = Migration(name="next", project=PROJECT, steps=({"op": "rename"},))


def rewrite(run: int, old: Any = OLD, new: Any = NEW) -> Rewrite:
    return Rewrite(run=run, old_scenario=SCENARIO, old_config=old, scenario=SCENARIO, config=new)


class Migrating(StoreTests):
    @pytest.fixture
    def ended(self, desk: Desk) -> int:
        return desk.in_state(State.COMPLETED, scenario=SCENARIO, config=OLD,
                             submitted={"classifier": "Forest"})

    def test_a_migrated_run_is_rewritten_and_keeps_its_old_values(
            self, desk: Desk, other: Store, ended: int) -> None:
        before = desk.get(ended)

        assert desk.store.migrate(ADD, [rewrite(ended)]) == [ended]

        after = other.get(ended)
        assert (after.config, after.scenario, after.migrated) == (NEW, SCENARIO, (ADD.name,))
        assert (after.submitted, after.result, after.attempts) == (
            before.submitted, before.result, before.attempts)
        assert other.rewritten(ended) == [Rewritten(migration=ADD.name, scenario=SCENARIO, config=OLD)]

    def test_filters_see_the_rewritten_config(self, desk: Desk, ended: int) -> None:
        where = RunFilter(project=PROJECT, where=(parse_condition("classifier.max_depth=7"),))
        deep = {"classifier": NEW["classifier"] | {"max_depth": 7}}
        assert list(desk.store.find(where)) == []

        desk.store.migrate(ADD, [rewrite(ended, new=deep)])

        assert [record.id for record in desk.store.find(where)] == [ended]

    def test_a_migration_is_listed_with_author_and_count(self, desk: Desk, ended: int) -> None:
        second = desk.in_state(State.FAILED, scenario=SCENARIO, config=OLD)
        assert desk.store.migrations(PROJECT) == []
        desk.store.migrate(ADD, [rewrite(ended)])
        desk.store.migrate(ADD, [rewrite(second)])
        desk.store.migrate(NEXT, [])

        first, empty = desk.store.migrations(PROJECT)

        assert (first.name, first.project, first.author, first.steps) == (
            ADD.name, PROJECT, "ann@host", ADD.steps)
        assert first.at is not None and first.at.tzinfo is not None
        assert (first.runs, first.undone_at, empty.name, empty.runs) == (2, None, "next", 0)
        assert desk.store.migrations("another project") == []

    def test_migrating_again_changes_nothing(self, desk: Desk, ended: int) -> None:
        desk.store.migrate(ADD, [rewrite(ended)])
        picture, listed = desk.picture(ended), desk.store.migrations(PROJECT)

        assert desk.store.migrate(ADD, [rewrite(ended), rewrite(ended, NEW, OLD)]) == []

        assert desk.picture(ended) == picture and desk.store.migrations(PROJECT) == listed

    @pytest.mark.parametrize("state", [State.QUEUED, State.PAUSED, State.RUNNING])
    def test_unfinished_runs_are_not_migrated(self, desk: Desk, state: State) -> None:
        run = desk.submit(scenario=SCENARIO, config=OLD)
        if state is not State.QUEUED:
            desk.take(run) if state is State.RUNNING else desk.store.pause(run)

        assert desk.store.migrate(ADD, [rewrite(run)]) == []
        assert desk.get(run).config == OLD and desk.get(run).migrated == ()

    def test_runs_changed_meanwhile_are_not_migrated(self, desk: Desk, ended: int) -> None:
        zero = {"classifier": OLD["classifier"] | {"odd.$key": 0.0}}

        assert desk.store.migrate(ADD, [rewrite(ended, old=zero), rewrite(UNKNOWN_ID)]) == []
        assert desk.get(ended).config == OLD

    def test_a_run_of_another_project_is_not_migrated(self, desk: Desk) -> None:
        stranger = Desk(desk.store, "stranger")
        run = stranger.in_state(State.COMPLETED, scenario=SCENARIO, config=OLD)

        assert desk.store.migrate(ADD, [rewrite(run)]) == []

    def test_a_used_name_with_other_steps_is_refused(
            self, desk: Desk, ended: int) -> None:
        other_steps = Migration(name=ADD.name, project=PROJECT, steps=({"op": "move"},))
        desk.store.migrate(other_steps, [])
        desk.store.migrate(ADD, [rewrite(ended)])

        with pytest.raises(Refused, match=r"add Forest\.max_depth"):
            desk.store.migrate(other_steps, [])
        assert desk.store.migrations(PROJECT)[0].steps == ADD.steps

    def test_an_undone_migration_restores_the_run(self, desk: Desk, ended: int) -> None:
        picture = desk.picture(ended)
        desk.store.migrate(ADD, [rewrite(ended)])

        assert desk.store.unmigrate(PROJECT, ADD.name) == [ended]

        assert desk.picture(ended) == picture and desk.store.rewritten(ended) == []
        undone = desk.store.migrations(PROJECT)[0]
        assert undone.runs == 0 and undone.undone_at is not None
        assert desk.store.unmigrate(PROJECT, ADD.name) == []

    def test_any_tree_is_restored_when_undone(self, desk: Desk) -> None:
        @self.property_settings()
        @given(old=trees, new=trees)
        def holds(old: Any, new: Any) -> None:
            run = desk.in_state(State.COMPLETED, config=old)
            name = f"migration {run}"
            migration = Migration(name=name, project=PROJECT, steps=())
            change = Rewrite(run=run, old_scenario=None, old_config=old, scenario=None, config=new)
            assert desk.store.migrate(migration, [change]) == [run]
            assert same(desk.get(run).config, new)
            desk.store.unmigrate(PROJECT, name)
            assert same(desk.get(run).config, old)

        holds()

    def test_an_undone_migration_can_be_applied_again(
            self, desk: Desk, ended: int) -> None:
        desk.store.migrate(ADD, [rewrite(ended)])
        desk.store.unmigrate(PROJECT, ADD.name)
        desk.store.migrate(NEXT, [])

        assert desk.store.migrate(ADD, [rewrite(ended)]) == [ended]

        assert [found.name for found in desk.store.migrations(PROJECT)] == ["next", ADD.name]
        assert desk.store.migrations(PROJECT)[1].undone_at is None

    def test_migrations_of_a_run_are_undone_last_first(self, desk: Desk, ended: int) -> None:
        desk.store.migrate(ADD, [rewrite(ended)])
        desk.store.migrate(NEXT, [rewrite(ended, NEW, {"trees": 1})])
        assert desk.get(ended).migrated == (ADD.name, "next")

        with pytest.raises(Refused, match=f"run {ended}.*'next'"):
            desk.store.unmigrate(PROJECT, ADD.name)
        assert desk.get(ended).config == {"trees": 1}
        desk.store.unmigrate(PROJECT, "next")
        desk.store.unmigrate(PROJECT, ADD.name)
        assert desk.get(ended).config == OLD

    def test_an_unknown_migration_is_not_found(self, desk: Desk) -> None:
        with pytest.raises(NotFound, match="nothing like it"):
            desk.store.unmigrate(PROJECT, "nothing like it")
        with pytest.raises(NotFound):
            desk.store.rewritten(UNKNOWN_ID)

    def test_a_deleted_run_loses_its_history(self, desk: Desk, ended: int) -> None:
        desk.store.migrate(ADD, [rewrite(ended)])
        desk.store.delete([ended])

        assert desk.store.migrations(PROJECT)[0].runs == 0
        assert desk.store.unmigrate(PROJECT, ADD.name) == []

    def test_two_processes_migrate_each_run_once(self, desk: Desk, crowd: Callable[..., Crowd]) -> None:
        runs = [desk.in_state(State.COMPLETED, scenario=SCENARIO, config=OLD) for _ in range(12)]
        changes = [rewrite(run) for run in runs]

        answers = crowd(migrate_all, [(ADD, changes)] * 2).answers()

        assert sorted(run for answer in answers for run in answer) == runs
        assert all(desk.get(run).config == NEW and len(desk.store.rewritten(run)) == 1 for run in runs)
