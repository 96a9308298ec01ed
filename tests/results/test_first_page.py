"""The first page of many runs equals that of all runs, with few runs read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from hyperspace_core.records.run import RunRecord
from hyperspace_core.results import results as first_page
from hyperspace_core.results.results import Results
from hyperspace_core.study import Study
from support.garden import changed
from support.openings import Open

OTHER_FOREST = changed("parts.py", "grown(self.trees) +", "2 * grown(self.trees) +")
BATCH = 20


@pytest.fixture(autouse=True)
def _ten_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_page, "MANY", 10)
    monkeypatch.setattr(first_page, "SAMPLE", 5)


def run(study: Study, config: dict[str, Any]) -> RunRecord:
    return study.run("holdout", config, echo=False)


def copies(study: Study, record: RunRecord, results: list[float]) -> None:
    """Copies of a run with different results."""
    study.store.restore([replace(record, uid=f"{number}-{record.uid}", seed=number, result=result)
                         for number, result in enumerate(results)])


def page_of_all(study: Study, limit: int, **wishes: Any) -> list[int]:
    return ids(study.results("holdout", **wishes))[:limit]


def ids(results: Results) -> list[int]:
    return [record.id for record in results]


@pytest.fixture
def mixed(opened: Open) -> Study:
    """Best and newest runs differ in code; one class has only old runs."""
    study = opened()
    copies(study, run(study, {"classifier": "Support"}), [0.3 + number / 1000 for number in range(BATCH)])
    copies(study, run(study, {"classifier": "Forest"}), [0.9 + number / 1000 for number in range(BATCH)])
    study = opened(OTHER_FOREST)
    copies(study, run(study, {"classifier": "Forest"}), [0.2 + number / 100 for number in range(BATCH)])
    return study


@pytest.mark.parametrize("limit", [1, 3, 7, 30, 60, 1000])
def test_the_page_is_that_of_all_runs(mixed: Study, limit: int) -> None:
    assert ids(mixed.results("holdout", limit=limit)) == page_of_all(mixed, limit)


def test_the_page_with_a_filter_is_that_of_all_runs(mixed: Study) -> None:
    for where in ("classifier=Forest", "classifier=Support", "seed<4", "seed>1000"):
        assert ids(mixed.results("holdout", where=where, limit=3)) == page_of_all(mixed, 3, where=where)


def test_the_summary_names_the_number_of_runs_read(mixed: Study) -> None:
    results = mixed.results("holdout", limit=3)

    assert results.looked_at is not None
    assert 3 < results.looked_at < 63
    count = len(results.left_out)
    assert f"{count} runs of the {results.looked_at} runs read left out: Forest had" in repr(results)
    assert f"of the {results.looked_at} runs read" in repr(results.grouped())


def test_the_first_page_reads_few_runs(mixed: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    best = mixed.results("holdout")
    mixed.store.delete([one.record.id for one in best.left_out])
    read, find = [], mixed.store.find

    def counting(*given: Any, **options: Any) -> Iterator[RunRecord]:
        for record in find(*given, **options):
            read.append(record.id)
            yield record

    monkeypatch.setattr(mixed.store, "find", counting)

    assert ids(mixed.results("holdout", limit=3)) == ids(best)[:3]
    assert len(read) < 15


def test_with_few_comparable_runs_all_runs_are_read(mixed: Study) -> None:
    results = mixed.results("holdout", limit=1000)

    assert results.looked_at is None
    assert len(results.left_out) == 21
    assert "21 runs left out: Forest had other code" in repr(results)


def test_a_small_number_of_runs_is_read_completely(opened: Open) -> None:
    study = opened()
    run(study, {"classifier": "Forest"})
    study = opened(OTHER_FOREST)
    run(study, {"classifier": "Forest"})

    results = study.results("holdout", limit=1)

    assert (ids(results), len(results.left_out), results.looked_at) == ([2], 1, None)


def test_runs_without_a_result_come_last(mixed: Study) -> None:
    worst = mixed.get(ids(mixed.results("holdout"))[-1])
    copies(mixed, replace(worst, uid="nan"), [float("nan")])

    assert ids(mixed.results("holdout", limit=45)) == page_of_all(mixed, 45)
