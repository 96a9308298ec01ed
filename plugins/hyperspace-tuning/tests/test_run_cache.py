"""A worker reads only changes from the store, and all runs from time to time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.study import Study
from hyperspace_tuning import history
from hyperspace_tuning.history import RunCache
from hyperspace_tuning.study import Search
from pytest_hyperspace.project import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def mirrored(study: Study, clock: FakeClock) -> RunCache:
    search: Search = study.tune("main", runs=5, tuner="Random")
    return RunCache(study.store, search.record, clock)


def heard(mirrored: RunCache, *, fresh: bool = False) -> tuple[list[int], bool]:
    records, whole = mirrored.changes(fresh=fresh)
    mirrored.mark_sent()
    return [record.id for record in records], whole


def test_all_runs_come_first_then_new_and_changed_ones(
        study: Study, mirrored: RunCache) -> None:
    first = study.submit("main")
    study.submit("near")
    assert heard(mirrored) == ([first], True)
    assert heard(mirrored) == ([], False)

    second = study.submit("main")
    assert isinstance(first, int) and isinstance(second, int)
    study.queue.cancel(first)

    sent, whole = heard(mirrored)
    assert (sorted(sent), whole) == ([first, second], False)
    assert heard(mirrored) == ([], False)


def test_changes_without_an_answer_are_sent_again(study: Study, mirrored: RunCache) -> None:
    heard(mirrored)
    run = study.submit("main")
    mirrored.changes(fresh=False)          # no answer came

    assert heard(mirrored) == ([run], False)


def test_a_new_proposer_gets_all_runs(study: Study, mirrored: RunCache) -> None:
    run = study.submit("main")
    heard(mirrored)
    assert heard(mirrored, fresh=True) == ([run], True)


def test_runs_that_had_ended_are_read_again_from_time_to_time(
        study: Study, mirrored: RunCache, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, again = (study.run("main", echo=False).id for _ in range(2))
    monkeypatch.setattr(history, "LATE", 0)         # both are recent enough to be read again
    heard(mirrored)
    study.store.delete([gone])
    study.queue.requeue(again)
    assert heard(mirrored) == ([], False)

    clock.advance(history.WHOLE_S)

    records, whole = mirrored.changes(fresh=False)
    assert ([(record.id, record.state) for record in records], whole) == ([(again, State.QUEUED)], True)


def test_a_large_store_is_not_read_whole_all_the_time(
        study: Study, mirrored: RunCache, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    find = study.store.find
    reads: list[RunFilter] = []

    def slow(where: RunFilter, **options: object) -> Iterator[RunRecord]:
        reads.append(where)
        clock.advance(10.0)                # the duration of the reading
        return find(where, **options)      # type: ignore[arg-type]

    monkeypatch.setattr(study.store, "find", slow)
    heard(mirrored)
    clock.advance(history.WHOLE_S)
    assert heard(mirrored)[1] is False
    clock.advance(history.RARELY * 10.0)
    assert heard(mirrored)[1] is True
    assert len(reads) == 3
