"""I9: metric series and output, exactly once by `(run, attempt, seq)`."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperspace_core.errors import NotFound
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import OutputChunk
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import COMPLETED, UNKNOWN_ID, Desk
from hyperspace_core.testing.stores.strategies import ODD_NUMBERS, ODD_TEXTS, same, short

LONGEST_CHUNK = 64 * 1024
BATCH = 5000


def point(seq: int, value: float = 0.5, name: str = "loss", step: int | None = None) -> Point:
    return Point(seq=seq, name=name, step=step, value=value, at=1_700_000_000.25 + seq)


def chunk(seq: int, text: str = "line\n") -> OutputChunk:
    return OutputChunk(seq=seq, text=text, at=1_700_000_000.5 + seq)


class Series(StoreTests):
    def test_points_are_read_back_equal(self, desk: Desk) -> None:
        run = desk.start().run
        points = [point(0, 0.1, "loss", 0), point(1, 0.2, "a.b $c % \u200f😀", None),
                  point(2, -1e300, "loss", 2**62), point(3, 5e-324, "n" * 200, -1)]
        desk.store.append(run, 1, points=points)

        assert list(desk.store.points(run)) == points

    @pytest.mark.parametrize("value", ODD_NUMBERS, ids=short)
    def test_a_value_is_read_back_equal(self, desk: Desk, value: float) -> None:
        run = desk.start().run
        desk.store.append(run, 1, points=[point(0, float(value))])

        assert [same(found.value, float(value)) for found in desk.store.points(run)] == [True]

    def test_unordered_points_are_read_in_order(self, desk: Desk) -> None:
        run = desk.start().run
        for batch in ([5, 3], [0], [4, 1, 2]):
            desk.store.append(run, 1, points=[point(seq, float(seq)) for seq in batch],
                              output=[chunk(seq, str(seq)) for seq in batch])

        assert [found.value for found in desk.store.points(run)] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        assert "".join(found.text for found in desk.store.output(run)) == "012345"

    def test_a_stored_seq_is_not_overwritten(self, desk: Desk) -> None:
        run = desk.start().run
        desk.store.append(run, 1, points=[point(0, 1.0), point(1, 2.0)], output=[chunk(0, "first")])
        desk.store.append(run, 1, points=[point(1, -2.0), point(2, 3.0)],
                          output=[chunk(0, "other"), chunk(1, "new")])

        assert [found.value for found in desk.store.points(run)] == [1.0, 2.0, 3.0]
        assert [found.text for found in desk.store.output(run)] == ["first", "new"]

    def test_a_series_ignores_repeats_and_order(self, desk: Desk) -> None:
        @self.property_settings()
        @given(batches=st.lists(st.lists(st.integers(0, 12), max_size=5), max_size=6))
        def holds(batches: list[list[int]]) -> None:
            run = desk.start().run
            for batch in batches:
                desk.store.append(run, 1, points=[point(seq, seq / 4) for seq in batch],
                                  output=[chunk(seq, f"{seq}\n") for seq in batch])
            expected = sorted({seq for batch in batches for seq in batch})
            assert list(desk.store.points(run)) == [point(seq, seq / 4) for seq in expected]
            assert list(desk.store.output(run)) == [chunk(seq, f"{seq}\n") for seq in expected]

        holds()

    def test_each_attempt_has_its_own_series(self, desk: Desk) -> None:
        first = desk.start()
        desk.store.append(first.run, 1, points=[point(0, 1.0)], output=[chunk(0, "one")])
        desk.store.release(first)
        assert [found.value for found in desk.store.points(first.run)] == [1.0]
        desk.take(first.run)
        assert list(desk.store.points(first.run)) == [] and list(desk.store.output(first.run)) == []
        desk.store.append(first.run, 2, points=[point(0, 2.0)], output=[chunk(0, "two")])

        assert [found.value for found in desk.store.points(first.run)] == [2.0]
        assert [found.value for found in desk.store.points(first.run, attempt=1)] == [1.0]
        assert [found.text for found in desk.store.output(first.run)] == ["two"]
        assert [found.text for found in desk.store.output(first.run, attempt=1)] == ["one"]
        assert list(desk.store.points(first.run, attempt=3)) == []

    def test_a_fenced_owners_points_stay_in_its_attempt(self, desk: Desk) -> None:
        zombie = desk.zombie()
        desk.take(zombie.run)
        desk.store.append(zombie.run, zombie.attempt, points=[point(0, 1.0)])

        assert list(desk.store.points(zombie.run)) == []
        assert len(list(desk.store.points(zombie.run, attempt=zombie.attempt))) == 1

    def test_a_finished_run_accepts_late_points(self, desk: Desk) -> None:
        lease = desk.start()
        desk.store.finish(lease, COMPLETED)
        desk.store.append(lease.run, 1, points=[point(0)], output=[chunk(0)])

        assert len(list(desk.store.points(lease.run))) == len(list(desk.store.output(lease.run))) == 1

    def test_a_reader_continues_where_it_stopped(self, desk: Desk) -> None:
        run = desk.start().run
        desk.store.append(run, 1, points=[point(seq) for seq in range(10)],
                          output=[chunk(seq) for seq in range(10)])

        assert [found.seq for found in desk.store.points(run, after=6)] == [7, 8, 9]
        assert [found.seq for found in desk.store.points(run, after=2, limit=3)] == [3, 4, 5]
        assert [found.seq for found in desk.store.points(run, limit=2)] == [0, 1]
        assert list(desk.store.points(run, limit=0)) == [] and list(desk.store.points(run, after=9)) == []
        assert [found.seq for found in desk.store.output(run, after=7)] == [8, 9]

    def test_series_are_separate_by_name(self, desk: Desk) -> None:
        run = desk.start().run
        names = ["a", "A", "a.b", "$a"]
        desk.store.append(run, 1, points=[point(seq, name=names[seq % 4]) for seq in range(12)])

        assert [found.seq for found in desk.store.points(run, names=["a"])] == [0, 4, 8]
        assert [found.seq for found in desk.store.points(run, names={"a.b", "$a"}, after=3)] == [6, 7, 10, 11]
        assert [found.seq for found in desk.store.points(run, names=["A"], limit=2)] == [1, 5]
        assert list(desk.store.points(run, names=["b"])) == []
        assert list(desk.store.points(run, names=[])) == []

    def test_a_run_without_an_attempt_has_no_series(self, desk: Desk) -> None:
        run = desk.submit()

        assert list(desk.store.points(run)) == [] and list(desk.store.output(run)) == []

    def test_very_many_points_are_kept_once_and_in_order(self, desk: Desk) -> None:
        run = desk.start().run
        for start in range(0, self.many_points, BATCH):
            batch = [point(seq, seq / 7, "ab"[seq % 2], seq) for seq in range(start, start + BATCH)]
            desk.store.append(run, 1, points=batch)
        desk.store.append(run, 1, points=batch)        # the last answer was lost

        found = list(desk.store.points(run))
        assert [one.seq for one in found] == list(range(self.many_points))
        assert found[-1] == batch[-1]
        assert sum(1 for _ in desk.store.points(run, names=["a"])) == self.many_points / 2

    def test_long_output_is_read_back_whole(self, desk: Desk) -> None:
        run = desk.start().run
        texts = [chr(ord("a") + seq % 26) * LONGEST_CHUNK for seq in range(100)]
        for start in range(0, 100, 10):
            desk.store.append(run, 1, output=[chunk(seq, texts[seq]) for seq in range(start, start + 10)])

        assert [found.text for found in desk.store.output(run)] == texts
        assert all(one.at < other.at for one, other in pairwise(desk.store.output(run)))

    @pytest.mark.parametrize("text", [*ODD_TEXTS, "\x1b[31mred\x1b[0m\r\n", ""], ids=short)
    def test_output_is_read_back_as_printed(self, desk: Desk, text: str) -> None:
        run = desk.start().run
        desk.store.append(run, 1, output=[chunk(0, text)])

        assert list(desk.store.output(run)) == [chunk(0, text)]

    def test_an_append_may_be_empty(self, desk: Desk) -> None:
        run = desk.start().run
        desk.store.append(run, 1)

        assert list(desk.store.points(run)) == []

    def test_a_run_that_does_not_exist_has_no_series(self, desk: Desk) -> None:
        with pytest.raises(NotFound, match=str(UNKNOWN_ID)):
            desk.store.append(UNKNOWN_ID, 1, points=[point(0)])
        with pytest.raises(NotFound, match=str(UNKNOWN_ID)):
            list(desk.store.points(UNKNOWN_ID))
        with pytest.raises(NotFound, match=str(UNKNOWN_ID)):
            list(desk.store.output(UNKNOWN_ID))
