"""I10: a value is read back equal, or refused with its path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from hyperspace_core.errors import ValueNotStorable
from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.records.run import Finish, Lease, OutputChunk, Update
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import Desk, new_run
from hyperspace_core.testing.stores.strategies import (
    ODD_KEYS,
    ODD_NUMBERS,
    ODD_TEXTS,
    nested,
    same,
    short,
    trees,
)

UNSTORABLE: dict[str, Any] = {
    "an object": object(), "a set": {1}, "bytes": b"raw", "an integer beyond 64 bit": 2**63,
    "half a surrogate pair": "\ud800", "a key that is no text": {1: 2}, "a key with NUL": {"\0": 1},
    "a complex number": 1j, "too deep": nested(70),
}

HALF = "half of \ud800 a pair"

Write = Callable[[Store, Lease, Any], Any]
WRITES: dict[str, Write] = {
    "submitted": lambda store, lease, tree: store.submit([new_run(submitted=tree)]),
    "scenario": lambda store, lease, tree: store.submit([new_run(scenario=tree)]),
    "config": lambda store, lease, tree: store.submit([new_run(config=tree)]),
    "update info": lambda store, lease, tree: store.update(lease, Update(info=tree)),
    "update provenance": lambda store, lease, tree: store.update(lease, Update(provenance=tree)),
    "update scenario": lambda store, lease, tree: store.update(lease, Update(scenario=tree)),
    "update config": lambda store, lease, tree: store.update(lease, Update(config=tree)),
    "finish metrics": lambda store, lease, tree: store.finish(
        lease, Finish(outcome=Outcome.COMPLETED, metrics=tree)),
    "finish info": lambda store, lease, tree: store.finish(
        lease, Finish(outcome=Outcome.COMPLETED, info=tree)),
}
# the other fields that hold text
TEXTS: dict[str, Callable[[Desk, Lease, Path], Any]] = {
    "a note": lambda desk, lease, path: desk.submit(note=HALF),
    "a tag": lambda desk, lease, path: desk.submit(tags=("fine", HALF)),
    "a submitter": lambda desk, lease, path: desk.submit(submitted_by=HALF),
    "a search": lambda desk, lease, path: desk.submit(search=HALF),
    "a note later": lambda desk, lease, path: desk.store.annotate(lease.run, note=HALF),
    "a tag later": lambda desk, lease, path: desk.store.annotate(lease.run, add_tags=["fine", HALF]),
    "a progress note": lambda desk, lease, path: desk.store.beat(lease, Progress(done=1, note=HALF)),
    "a reason": lambda desk, lease, path: desk.store.finish(
        lease, Finish(outcome=Outcome.FAILED, reason=HALF)),
    "a traceback": lambda desk, lease, path: desk.store.finish(
        lease, Finish(outcome=Outcome.FAILED, traceback=HALF)),
    "a reason for the release": lambda desk, lease, path: desk.store.release(lease, HALF),
    "a late reason": lambda desk, lease, path: desk.store.late(
        lease, Finish(outcome=Outcome.FAILED, reason=HALF)),
    "output": lambda desk, lease, path: desk.store.append(
        lease.run, 1, output=[OutputChunk(seq=0, text="fine", at=0), OutputChunk(seq=1, text=HALF, at=0)]),
    "a metric": lambda desk, lease, path: desk.store.append(
        lease.run, 1, points=[Point(seq=0, name=HALF, step=0, value=0.0, at=0.0)]),
    "an artifact": lambda desk, lease, path: desk.store.put_artifact(lease.run, 1, HALF, path),
}
ODD_TREES: dict[str, Any] = {
    "odd keys": {key: [key] for key in ODD_KEYS},
    "odd keys below": {"a": [{key: {key: 1} for key in ODD_KEYS}]},
    "odd texts": {"texts": list(ODD_TEXTS)}, "odd numbers": {"numbers": list(ODD_NUMBERS)},
    "empty ones": {"a": {}, "b": [], "c": [[], {}], "": None}, "64 levels": nested(64),
    "booleans beside numbers": {"values": [True, 1, 1.0, False, 0, 0.0, -0.0, None]},
}


def changed(desk: Desk, tree: dict[str, Any]) -> dict[str, Any]:
    """The fields that do not return a tree unchanged, and their values."""
    run = desk.submit(submitted=tree, scenario=tree, config=tree)
    lease = desk.take(run).lease
    assert desk.store.update(lease, Update(info=tree, provenance=tree))
    assert desk.store.finish(lease, Finish(outcome=Outcome.COMPLETED, metrics=tree))
    record = desk.get(run)
    found = {"submitted": record.submitted, "scenario": record.scenario, "config": record.config,
             "info": record.info, "metrics": record.metrics, "provenance": desk.last(run).provenance}
    return {place: value for place, value in found.items() if not same(value, tree)}


class Values(StoreTests):
    def test_any_tree_is_read_back_equal_from_every_field(self, desk: Desk) -> None:
        @self.property_settings()
        @given(tree=trees)
        def holds(tree: dict[str, Any]) -> None:
            assert changed(desk, tree) == {}

        holds()

    @pytest.mark.parametrize("name", ODD_TREES)
    def test_an_odd_tree_is_read_back_equal(self, desk: Desk, name: str) -> None:
        assert changed(desk, ODD_TREES[name]) == {}

    @pytest.mark.parametrize("number", ODD_NUMBERS, ids=short)
    def test_a_result_is_read_back_equal(self, desk: Desk, number: float) -> None:
        lease = desk.start()
        assert desk.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=float(number)))

        assert same(desk.get(lease.run).result, float(number))

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=short)
    def test_texts_of_users_are_read_back_equal(self, desk: Desk, text: str) -> None:
        run = desk.submit(note=text, submitted_by=text, tags=(text,), search=text)
        desk.store.annotate(run, note=text + text, add_tags=[text + "2"])

        record = desk.get(run)
        assert (record.note, record.submitted_by, record.search) == (text + text, text, text)
        assert set(record.tags) == {text, text + "2"}

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=short)
    def test_texts_about_an_end_are_read_back_equal(self, desk: Desk, text: str) -> None:
        lease = desk.start()
        assert desk.store.finish(lease, Finish(outcome=Outcome.FAILED, reason=text, traceback=text))

        assert desk.get(lease.run).reason == desk.last(lease.run).reason == text
        assert desk.last(lease.run).traceback == text

    def test_a_tree_may_be_large(self, desk: Desk) -> None:
        tree = {"numbers": [number / 7 for number in range(20_000)], "text": "x" * 500_000}

        assert same(desk.get(desk.submit(submitted=tree)).submitted, tree)

    def test_given_values_are_copied(self, desk: Desk) -> None:
        tree = {"a": [1]}
        run = desk.submit(submitted=tree)
        tree["a"].append(2)
        desk.get(run).submitted["a"].append(3)

        assert desk.get(run).submitted == {"a": [1]}

    @pytest.mark.parametrize("place", WRITES)
    @pytest.mark.parametrize("what", UNSTORABLE)
    def test_an_invalid_value_is_refused_with_its_path(
            self, desk: Desk, place: str, what: str) -> None:
        lease = desk.start()
        before = desk.picture(*desk.ids())

        with pytest.raises(ValueNotStorable, match=r"outer\.inner|outer\.\.\.|nested deeper"):
            WRITES[place](desk.store, lease, {"fine": 1, "outer": {"inner": UNSTORABLE[what]}})

        assert desk.picture(*desk.ids()) == before
        assert desk.state(lease.run) is State.RUNNING

    @pytest.mark.parametrize("place", TEXTS)
    def test_half_of_a_surrogate_pair_is_refused_in_every_field(
            self, desk: Desk, tmp_path: Path, place: str) -> None:
        (tmp_path / "file").write_text("content")
        lease = desk.start()
        before = desk.picture(*desk.ids())

        with pytest.raises(ValueNotStorable):
            TEXTS[place](desk, lease, tmp_path / "file")

        assert desk.picture(*desk.ids()) == before
        store, run = desk.store, lease.run
        assert [*store.points(run), *store.output(run), *store.artifacts(run)] == []

    def test_a_too_large_number_is_refused_in_every_field(self, desk: Desk) -> None:
        lease = desk.start()
        points = [Point(seq=seq, name="loss", step=step, value=0.0, at=0.0)
                  for seq, step in enumerate((1, 2**63))]
        before = desk.picture(*desk.ids())

        with pytest.raises(ValueNotStorable, match="'loss'"):
            desk.store.append(lease.run, 1, points=points)
        with pytest.raises(ValueNotStorable):
            desk.submit(seed=2**63)
        with pytest.raises(ValueNotStorable):
            desk.store.update(lease, Update(seed=-(2**63) - 1))
        with pytest.raises(ValueNotStorable):
            desk.store.annotate(lease.run, priority=2**63)

        assert desk.picture(*desk.ids()) == before
        assert list(desk.store.points(lease.run)) == []
