"""Digests of runs: equal for the same run, different for every difference."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.records.run import Metric, OutputChunk, RunRecord
from hyperspace_core.records.states import Command, State
from hyperspace_core.storage import Store
from hyperspace_migrate.digest import OF_THE_STORE, run_digest
from pytest_hyperspace.stores.restore_tests import FULL, SECOND, full

CHANGES: dict[str, Any] = {
    "uid": "other", "project": "other", "task": "other", "state": State.COMPLETED, "reason": None,
    "priority": 0,
    "tags": ("a", "b", "ü"), "note": "", "submitted": {"trees": 7.0}, "submitted_by": "bob", "scenario": None,
    "config": {"trees": True, "depth": None}, "metric": Metric(name="log_loss"), "seed": None,
    "validated": True,
    "progress": Progress(done=3), "result": float("nan"), "metrics": {"log_loss": -0.5}, "info": {},
    "losses": 0, "max_losses": 1, "failures": 0, "max_failures": 0, "command": Command.PAUSE, "search": None,
    "code": {}, "submitted_at": None, "finished_at": None, "migrated": ("m",),
}


@pytest.fixture
def kept(source: Store) -> RunRecord:
    return source.get(source.restore([full(parent=None)])[0])


def test_ids_of_the_store_are_left_out(source: Store, kept: RunRecord) -> None:
    there = source.get(source.restore([replace(kept, uid="other", parent=kept.id)])[0])

    assert run_digest(source, kept).differences(run_digest(source, there)) == ("uid",)
    assert run_digest(source, kept).digest != run_digest(source, there).digest


def test_every_field_is_part_of_the_digest() -> None:
    assert {field.name for field in fields(RunRecord)} == set(CHANGES) | OF_THE_STORE


@pytest.mark.parametrize("name", [name for name in CHANGES if name != "migrated"])
def test_a_field_that_differs_is_named(source: Store, kept: RunRecord, name: str) -> None:
    other = replace(kept, **{name: CHANGES[name]})

    assert run_digest(source, kept).differences(run_digest(source, other)) == (name,)
    assert run_digest(source, kept).digest != run_digest(source, other).digest


def test_an_attempt_that_differs_is_named(source: Store, kept: RunRecord) -> None:
    other = replace(kept, attempts=(FULL.attempts[0], replace(SECOND, provenance={"git": {}})))

    assert run_digest(source, kept).differences(run_digest(source, other)) == ("attempt 2",)


@pytest.mark.parametrize("second", [
    {"seq": 2}, {"name": "Loss"}, {"step": None}, {"value": -0.0}, {"at": 2.0}, None],
    ids=["seq", "name", "step", "value", "at", "one is missing"])
def test_points_that_differ_are_named(source: Store, second: dict[str, Any] | None) -> None:
    one, other = (source.get(run) for run in source.restore([full(parent=None), full(parent=None)]))
    first, last = (Point(seq=seq, name="loss", step=0, value=0.0, at=1.0) for seq in range(2))
    source.append(one.id, 2, points=[first, last])
    source.append(other.id, 2, points=[first] if second is None else [first, replace(last, **second)])

    differing = run_digest(source, one).differences(run_digest(source, other))

    assert differing == ("uid", "points of attempt 2")


def test_output_is_compared_piece_by_piece(source: Store) -> None:
    one, other = (source.get(run) for run in source.restore([full(parent=None), full(parent=None)]))
    source.append(one.id, 1, output=[OutputChunk(seq=0, text="ab", at=0.0)])
    source.append(other.id, 1, output=[OutputChunk(seq=seq, text=text, at=0.0)
                                       for seq, text in enumerate("ab")])

    assert run_digest(source, one).differences(run_digest(source, other)) == ("uid", "output of attempt 1")
