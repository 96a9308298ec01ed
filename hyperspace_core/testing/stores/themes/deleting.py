"""Deleted runs: removed with their content, and nothing else is removed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import NotFound, Refused
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import OutputChunk
from hyperspace_core.records.states import State
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import COMPLETED, UNKNOWN_ID, Desk, new_run


class Deleting(StoreTests):
    def test_a_deleted_run_is_gone_with_all_that_it_has(self, desk: Desk, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("content")
        lease, kept = desk.start(), desk.submit()
        desk.store.append(lease.run, 1, points=[Point(seq=0, name="m", step=0, value=1.0, at=0.0)],
                          output=[OutputChunk(seq=0, text="out", at=0.0)])
        artifact = desk.store.put_artifact(lease.run, 1, "file", file)
        desk.store.finish(lease, COMPLETED)

        assert desk.store.delete([lease.run]) == [lease.run]

        assert desk.ids() == [kept]
        reading: list[Callable[[], Any]] = [
            lambda: desk.get(lease.run), lambda: list(desk.store.points(lease.run)),
            lambda: list(desk.store.output(lease.run)), lambda: desk.store.artifacts(lease.run)]
        for read in reading:
            with pytest.raises(NotFound, match=str(lease.run)):
                read()
        assert desk.store.collect_garbage(dry_run=False).blobs == 1
        with pytest.raises(NotFound):
            desk.store.open_artifact(artifact)

    @pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
    def test_a_run_that_is_not_running_can_be_deleted(self, desk: Desk, state: State) -> None:
        run = desk.in_state(state)

        assert desk.store.delete([run]) == [run]
        assert desk.ids() == [] and desk.claim() is None

    def test_a_running_run_is_refused_and_then_nothing_is_deleted(self, desk: Desk) -> None:
        idle, running = desk.submit(), desk.start().run

        for dry_run in (True, False):
            with pytest.raises(Refused, match=str(running)):
                desk.store.delete([idle, running], dry_run=dry_run)
        assert desk.ids() == [idle, running]

    def test_a_dry_run_returns_the_ids_and_deletes_nothing(self, desk: Desk) -> None:
        runs = desk.submit_many(3)

        assert sorted(desk.store.delete(runs[:2], dry_run=True)) == runs[:2]
        assert desk.ids() == runs

    def test_only_existing_ids_are_returned(self, desk: Desk) -> None:
        run = desk.submit()

        assert desk.store.delete([]) == []
        assert desk.store.delete([run, UNKNOWN_ID]) == [run]
        assert desk.store.delete([run, UNKNOWN_ID]) == []

    def test_many_runs_are_deleted_at_once(self, desk: Desk) -> None:
        runs = desk.submit_many(self.many_runs)

        assert sorted(desk.store.delete(runs[1:])) == runs[1:]
        assert desk.ids() == runs[:1]

    def test_an_id_is_never_given_twice(self, desk: Desk) -> None:
        runs = desk.submit_many(3)
        desk.store.delete(runs)

        assert desk.submit() > runs[-1]

    def test_a_deleted_uid_may_come_again_as_another_run(self, desk: Desk) -> None:
        new = new_run()
        first = desk.store.submit([new])[0]
        desk.store.delete([first])

        second = desk.store.submit([new])[0]
        assert second != first and desk.state(second) is State.QUEUED

    def test_children_outlive_their_parent(self, desk: Desk) -> None:
        parent = desk.submit()
        child = desk.submit(parent=parent)
        desk.store.delete([parent])

        assert desk.get(child).parent == parent

    def test_other_runs_keep_what_they_have(self, desk: Desk) -> None:
        runs = [desk.start().run for _ in range(2)]
        for run in runs:
            desk.store.append(run, 1, points=[Point(seq=0, name="m", step=0, value=float(run), at=0.0)])
        desk.store.cancel(runs[0])
        desk.lose(runs[0])
        desk.store.delete([runs[0]])

        assert [point.value for point in desk.store.points(runs[1])] == [float(runs[1])]
        assert desk.held(runs[1]).run == runs[1]
