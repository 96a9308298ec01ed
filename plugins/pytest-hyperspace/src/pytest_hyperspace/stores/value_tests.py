"""Values (I10) and series (I9) are read back equal, or refused with their path."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from hyperspace_core.errors import NotFound, ValueNotStorable
from hyperspace_core.records import Finish, Lease, Outcome, OutputChunk, Point, Progress, State, Update
from hyperspace_core.storage import Store
from pytest_hyperspace.stores.base import (
    ODD_KEYS,
    ODD_NUMBERS,
    ODD_TEXTS,
    StoreTests,
    nested,
    same,
    short,
    trees,
)
from pytest_hyperspace.stores.harness import COMPLETED, UNKNOWN_ID, Harness, new_run

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
TEXTS: dict[str, Callable[[Harness, Lease, Path], Any]] = {
    "a note": lambda harness, lease, path: harness.submit(note=HALF),
    "a tag": lambda harness, lease, path: harness.submit(tags=("fine", HALF)),
    "a submitter": lambda harness, lease, path: harness.submit(submitted_by=HALF),
    "a search": lambda harness, lease, path: harness.submit(search=HALF),
    "a note later": lambda harness, lease, path: harness.store.annotate(lease.run, note=HALF),
    "a tag later": lambda harness, lease, path: harness.store.annotate(lease.run, add_tags=["fine", HALF]),
    "a progress note": lambda harness, lease, path: harness.store.beat(lease, Progress(done=1, note=HALF)),
    "a reason": lambda harness, lease, path: harness.store.finish(
        lease, Finish(outcome=Outcome.FAILED, reason=HALF)),
    "a traceback": lambda harness, lease, path: harness.store.finish(
        lease, Finish(outcome=Outcome.FAILED, traceback=HALF)),
    "a reason for the release": lambda harness, lease, path: harness.store.release(lease, HALF),
    "a late reason": lambda harness, lease, path: harness.store.late(
        lease, Finish(outcome=Outcome.FAILED, reason=HALF)),
    "output": lambda harness, lease, path: harness.store.append(
        lease.run, 1, output=[OutputChunk(seq=0, text="fine", at=0), OutputChunk(seq=1, text=HALF, at=0)]),
    "a metric": lambda harness, lease, path: harness.store.append(
        lease.run, 1, points=[Point(seq=0, name=HALF, step=0, value=0.0, at=0.0)]),
    "an artifact": lambda harness, lease, path: harness.store.put_artifact(lease.run, 1, HALF, path),
}
ODD_TREES: dict[str, Any] = {
    "odd keys": {key: [key] for key in ODD_KEYS},
    "odd keys below": {"a": [{key: {key: 1} for key in ODD_KEYS}]},
    "odd texts": {"texts": list(ODD_TEXTS)}, "odd numbers": {"numbers": list(ODD_NUMBERS)},
    "empty ones": {"a": {}, "b": [], "c": [[], {}], "": None}, "64 levels": nested(64),
    "booleans beside numbers": {"values": [True, 1, 1.0, False, 0, 0.0, -0.0, None]},
}


def changed(harness: Harness, tree: dict[str, Any]) -> dict[str, Any]:
    """The fields that do not return a tree unchanged, and their values."""
    run = harness.submit(submitted=tree, scenario=tree, config=tree)
    lease = harness.take(run).lease
    assert harness.store.update(lease, Update(info=tree, provenance=tree))
    assert harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, metrics=tree))
    record = harness.get(run)
    found = {"submitted": record.submitted, "scenario": record.scenario, "config": record.config,
             "info": record.info, "metrics": record.metrics, "provenance": harness.last(run).provenance}
    return {place: value for place, value in found.items() if not same(value, tree)}


class ValueTests(StoreTests):
    def test_any_tree_is_read_back_equal_from_every_field(self, harness: Harness) -> None:
        @self.property_settings()
        @given(tree=trees)
        def holds(tree: dict[str, Any]) -> None:
            assert changed(harness, tree) == {}

        holds()

    @pytest.mark.parametrize("name", ODD_TREES)
    def test_an_odd_tree_is_read_back_equal(self, harness: Harness, name: str) -> None:
        assert changed(harness, ODD_TREES[name]) == {}

    @pytest.mark.parametrize("number", ODD_NUMBERS, ids=short)
    def test_a_result_is_read_back_equal(self, harness: Harness, number: float) -> None:
        lease = harness.start()
        assert harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=float(number)))

        assert same(harness.get(lease.run).result, float(number))

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=short)
    def test_texts_of_users_are_read_back_equal(self, harness: Harness, text: str) -> None:
        run = harness.submit(note=text, submitted_by=text, tags=(text,), search=text)
        harness.store.annotate(run, note=text + text, add_tags=[text + "2"])

        record = harness.get(run)
        assert (record.note, record.submitted_by, record.search) == (text + text, text, text)
        assert set(record.tags) == {text, text + "2"}

    @pytest.mark.parametrize("text", ODD_TEXTS, ids=short)
    def test_texts_about_an_end_are_read_back_equal(self, harness: Harness, text: str) -> None:
        lease = harness.start()
        assert harness.store.finish(lease, Finish(outcome=Outcome.FAILED, reason=text, traceback=text))

        assert harness.get(lease.run).reason == harness.last(lease.run).reason == text
        assert harness.last(lease.run).traceback == text

    def test_a_tree_may_be_large(self, harness: Harness) -> None:
        tree = {"numbers": [number / 7 for number in range(20_000)], "text": "x" * 500_000}

        assert same(harness.get(harness.submit(submitted=tree)).submitted, tree)

    def test_given_values_are_copied(self, harness: Harness) -> None:
        tree = {"a": [1]}
        run = harness.submit(submitted=tree)
        tree["a"].append(2)
        harness.get(run).submitted["a"].append(3)

        assert harness.get(run).submitted == {"a": [1]}

    @pytest.mark.parametrize("place", WRITES)
    @pytest.mark.parametrize("what", UNSTORABLE)
    def test_an_invalid_value_is_refused_with_its_path(
            self, harness: Harness, place: str, what: str) -> None:
        lease = harness.start()
        before = harness.picture(*harness.ids())

        with pytest.raises(ValueNotStorable, match=r"outer\.inner|outer\.\.\.|nested deeper"):
            WRITES[place](harness.store, lease, {"fine": 1, "outer": {"inner": UNSTORABLE[what]}})

        assert harness.picture(*harness.ids()) == before
        assert harness.state(lease.run) is State.RUNNING

    @pytest.mark.parametrize("place", TEXTS)
    def test_half_of_a_surrogate_pair_is_refused_in_every_field(
            self, harness: Harness, tmp_path: Path, place: str) -> None:
        (tmp_path / "file").write_text("content")
        lease = harness.start()
        before = harness.picture(*harness.ids())

        with pytest.raises(ValueNotStorable):
            TEXTS[place](harness, lease, tmp_path / "file")

        assert harness.picture(*harness.ids()) == before
        store, run = harness.store, lease.run
        assert [*store.points(run), *store.output(run), *store.artifacts(run)] == []

    def test_a_too_large_number_is_refused_in_every_field(self, harness: Harness) -> None:
        lease = harness.start()
        points = [Point(seq=seq, name="loss", step=step, value=0.0, at=0.0)
                  for seq, step in enumerate((1, 2**63))]
        before = harness.picture(*harness.ids())

        with pytest.raises(ValueNotStorable, match="'loss'"):
            harness.store.append(lease.run, 1, points=points)
        with pytest.raises(ValueNotStorable):
            harness.submit(seed=2**63)
        with pytest.raises(ValueNotStorable):
            harness.store.update(lease, Update(seed=-(2**63) - 1))
        with pytest.raises(ValueNotStorable):
            harness.store.annotate(lease.run, priority=2**63)

        assert harness.picture(*harness.ids()) == before
        assert list(harness.store.points(lease.run)) == []


# -- I9: metric series and output ----

LONGEST_CHUNK = 64 * 1024
BATCH = 5000


def point(seq: int, value: float = 0.5, name: str = "loss", step: int | None = None) -> Point:
    return Point(seq=seq, name=name, step=step, value=value, at=1_700_000_000.25 + seq)


def chunk(seq: int, text: str = "line\n") -> OutputChunk:
    return OutputChunk(seq=seq, text=text, at=1_700_000_000.5 + seq)


class SeriesTests(StoreTests):
    def test_points_are_read_back_equal(self, harness: Harness) -> None:
        run = harness.start().run
        points = [point(0, 0.1, "loss", 0), point(1, 0.2, "a.b $c % \u200f😀", None),
                  point(2, -1e300, "loss", 2**62), point(3, 5e-324, "n" * 200, -1)]
        harness.store.append(run, 1, points=points)

        assert list(harness.store.points(run)) == points

    @pytest.mark.parametrize("value", ODD_NUMBERS, ids=short)
    def test_a_value_is_read_back_equal(self, harness: Harness, value: float) -> None:
        run = harness.start().run
        harness.store.append(run, 1, points=[point(0, float(value))])

        assert [same(found.value, float(value)) for found in harness.store.points(run)] == [True]

    def test_unordered_points_are_read_in_order(self, harness: Harness) -> None:
        run = harness.start().run
        for batch in ([5, 3], [0], [4, 1, 2]):
            harness.store.append(run, 1, points=[point(seq, float(seq)) for seq in batch],
                                 output=[chunk(seq, str(seq)) for seq in batch])

        assert [found.value for found in harness.store.points(run)] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        assert "".join(found.text for found in harness.store.output(run)) == "012345"

    def test_a_stored_seq_is_not_overwritten(self, harness: Harness) -> None:
        run = harness.start().run
        harness.store.append(run, 1, points=[point(0, 1.0), point(1, 2.0)], output=[chunk(0, "first")])
        harness.store.append(run, 1, points=[point(1, -2.0), point(2, 3.0)],
                             output=[chunk(0, "other"), chunk(1, "new")])

        assert [found.value for found in harness.store.points(run)] == [1.0, 2.0, 3.0]
        assert [found.text for found in harness.store.output(run)] == ["first", "new"]

    def test_a_series_ignores_repeats_and_order(self, harness: Harness) -> None:
        @self.property_settings()
        @given(batches=st.lists(st.lists(st.integers(0, 12), max_size=5), max_size=6))
        def holds(batches: list[list[int]]) -> None:
            run = harness.start().run
            for batch in batches:
                harness.store.append(run, 1, points=[point(seq, seq / 4) for seq in batch],
                                     output=[chunk(seq, f"{seq}\n") for seq in batch])
            expected = sorted({seq for batch in batches for seq in batch})
            assert list(harness.store.points(run)) == [point(seq, seq / 4) for seq in expected]
            assert list(harness.store.output(run)) == [chunk(seq, f"{seq}\n") for seq in expected]

        holds()

    def test_each_attempt_has_its_own_series(self, harness: Harness) -> None:
        first = harness.start()
        harness.store.append(first.run, 1, points=[point(0, 1.0)], output=[chunk(0, "one")])
        harness.store.release(first)
        assert [found.value for found in harness.store.points(first.run)] == [1.0]
        harness.take(first.run)
        assert list(harness.store.points(first.run)) == [] and list(harness.store.output(first.run)) == []
        harness.store.append(first.run, 2, points=[point(0, 2.0)], output=[chunk(0, "two")])

        assert [found.value for found in harness.store.points(first.run)] == [2.0]
        assert [found.value for found in harness.store.points(first.run, attempt=1)] == [1.0]
        assert [found.text for found in harness.store.output(first.run)] == ["two"]
        assert [found.text for found in harness.store.output(first.run, attempt=1)] == ["one"]
        assert list(harness.store.points(first.run, attempt=3)) == []

    def test_a_fenced_owners_points_stay_in_its_attempt(self, harness: Harness) -> None:
        zombie = harness.zombie()
        harness.take(zombie.run)
        harness.store.append(zombie.run, zombie.attempt, points=[point(0, 1.0)])

        assert list(harness.store.points(zombie.run)) == []
        assert len(list(harness.store.points(zombie.run, attempt=zombie.attempt))) == 1

    def test_a_finished_run_accepts_late_points(self, harness: Harness) -> None:
        lease = harness.start()
        harness.store.finish(lease, COMPLETED)
        harness.store.append(lease.run, 1, points=[point(0)], output=[chunk(0)])

        assert len(list(harness.store.points(lease.run))) == len(list(harness.store.output(lease.run))) == 1

    def test_a_reader_continues_where_it_stopped(self, harness: Harness) -> None:
        run = harness.start().run
        harness.store.append(run, 1, points=[point(seq) for seq in range(10)],
                             output=[chunk(seq) for seq in range(10)])

        assert [found.seq for found in harness.store.points(run, after=6)] == [7, 8, 9]
        assert [found.seq for found in harness.store.points(run, after=2, limit=3)] == [3, 4, 5]
        assert [found.seq for found in harness.store.points(run, limit=2)] == [0, 1]
        assert list(harness.store.points(run, limit=0)) == []
        assert list(harness.store.points(run, after=9)) == []
        assert [found.seq for found in harness.store.output(run, after=7)] == [8, 9]

    def test_series_are_separate_by_name(self, harness: Harness) -> None:
        run = harness.start().run
        names = ["a", "A", "a.b", "$a"]
        harness.store.append(run, 1, points=[point(seq, name=names[seq % 4]) for seq in range(12)])

        assert [found.seq for found in harness.store.points(run, names=["a"])] == [0, 4, 8]
        points = harness.store.points(run, names={"a.b", "$a"}, after=3)
        assert [found.seq for found in points] == [6, 7, 10, 11]
        assert [found.seq for found in harness.store.points(run, names=["A"], limit=2)] == [1, 5]
        assert list(harness.store.points(run, names=["b"])) == []
        assert list(harness.store.points(run, names=[])) == []

    def test_a_run_without_an_attempt_has_no_series(self, harness: Harness) -> None:
        run = harness.submit()

        assert list(harness.store.points(run)) == [] and list(harness.store.output(run)) == []

    def test_very_many_points_are_kept_once_and_in_order(self, harness: Harness) -> None:
        run = harness.start().run
        for start in range(0, self.many_points, BATCH):
            batch = [point(seq, seq / 7, "ab"[seq % 2], seq) for seq in range(start, start + BATCH)]
            harness.store.append(run, 1, points=batch)
        harness.store.append(run, 1, points=batch)        # the last answer was lost

        found = list(harness.store.points(run))
        assert [one.seq for one in found] == list(range(self.many_points))
        assert found[-1] == batch[-1]
        assert sum(1 for _ in harness.store.points(run, names=["a"])) == self.many_points / 2

    def test_long_output_is_read_back_whole(self, harness: Harness) -> None:
        run = harness.start().run
        texts = [chr(ord("a") + seq % 26) * LONGEST_CHUNK for seq in range(100)]
        for start in range(0, 100, 10):
            harness.store.append(run, 1, output=[chunk(seq, texts[seq]) for seq in range(start, start + 10)])

        assert [found.text for found in harness.store.output(run)] == texts
        assert all(one.at < other.at for one, other in pairwise(harness.store.output(run)))

    @pytest.mark.parametrize("text", [*ODD_TEXTS, "\x1b[31mred\x1b[0m\r\n", ""], ids=short)
    def test_output_is_read_back_as_printed(self, harness: Harness, text: str) -> None:
        run = harness.start().run
        harness.store.append(run, 1, output=[chunk(0, text)])

        assert list(harness.store.output(run)) == [chunk(0, text)]

    def test_an_append_may_be_empty(self, harness: Harness) -> None:
        run = harness.start().run
        harness.store.append(run, 1)

        assert list(harness.store.points(run)) == []

    def test_a_run_that_does_not_exist_has_no_series(self, harness: Harness) -> None:
        with pytest.raises(NotFound, match=str(UNKNOWN_ID)):
            harness.store.append(UNKNOWN_ID, 1, points=[point(0)])
        with pytest.raises(NotFound, match=str(UNKNOWN_ID)):
            list(harness.store.points(UNKNOWN_ID))
        with pytest.raises(NotFound, match=str(UNKNOWN_ID)):
            list(harness.store.output(UNKNOWN_ID))
