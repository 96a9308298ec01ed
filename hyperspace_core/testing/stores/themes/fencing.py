"""I3: an owner that has lost its lease can no longer write."""

from __future__ import annotations

from typing import Any

import pytest

from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Finish, Lease, Update
from hyperspace_core.records.states import Outcome
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import CANCELLED, COMPLETED, FAILED, Desk


class Fencing(StoreTests):
    @pytest.fixture(params=["reaped", "claimed by another", "wrong token", "wrong attempt", "done"])
    def fenced(self, desk: Desk, request: Any) -> Lease:
        lease = desk.start()
        if request.param == "done":
            desk.store.finish(lease, COMPLETED)
            return lease
        if request.param == "wrong token":
            return Lease(run=lease.run, attempt=lease.attempt, token="0" * 32)
        if request.param == "wrong attempt":
            return Lease(run=lease.run, attempt=lease.attempt + 1, token=lease.token)
        desk.lose(lease.run)
        if request.param == "claimed by another":
            desk.take(lease.run, "another")
        return lease

    def test_a_fenced_beat_is_answered_but_has_no_effect(self, desk: Desk, fenced: Lease) -> None:
        before = desk.picture(fenced.run), desk.store.held(desk.project)

        answer = desk.store.beat(fenced, Progress(done=99))

        assert (answer.held, answer.command) == (False, None)
        assert (desk.picture(fenced.run), desk.store.held(desk.project)) == before

    def test_a_fenced_update_is_refused(self, desk: Desk, fenced: Lease) -> None:
        before = desk.picture(fenced.run)

        assert not desk.store.update(fenced, Update(info={"zombie": 1}, provenance={"zombie": {}}, seed=666))
        assert desk.picture(fenced.run) == before

    @pytest.mark.parametrize("finish", [FAILED, CANCELLED])
    def test_a_fenced_finish_is_refused(self, desk: Desk, fenced: Lease, finish: Finish) -> None:
        before = desk.picture(fenced.run), desk.store.held(desk.project)

        assert not desk.store.finish(fenced, finish)
        assert (desk.picture(fenced.run), desk.store.held(desk.project)) == before

    def test_a_fenced_release_is_refused(self, desk: Desk, fenced: Lease) -> None:
        before = desk.picture(fenced.run), desk.store.held(desk.project)

        assert not desk.store.release(fenced, "zombie")
        assert (desk.picture(fenced.run), desk.store.held(desk.project)) == before

    def test_a_result_is_refused_after_another_has_claimed_the_run(self, desk: Desk) -> None:
        zombie = desk.zombie()
        lease = desk.take(zombie.run, "another").lease

        assert not desk.store.finish(zombie, COMPLETED)
        assert desk.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=2.0))
        assert not desk.store.finish(zombie, COMPLETED)
        assert desk.get(zombie.run).result == 2.0
