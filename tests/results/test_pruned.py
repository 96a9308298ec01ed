"""Pruned runs in results: ranked by their value, marked, excluded from means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hyperspace_core.records.info import is_pruned, pruned_at
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import PRUNED, State
from hyperspace_core.results.results import Results
from hyperspace_core.results.table import tabulate
from support.records import completed


def forest(trees: int) -> dict[str, Any]:
    return {"classifier": {"className": "Forest", "trees": trees}}


def pruned(number: int, result: float, config: dict[str, Any], **others: Any) -> RunRecord:
    info = {PRUNED: {"series": "accuracy", "values": 3, "step": 3}}
    return replace(completed(number, result, config, **others), reason=PRUNED, info=info)


SMALL = [completed(seed, result, forest(10), seed=seed) for seed, result in enumerate((0.5, 0.6, 0.55), 1)]



def test_a_pruned_run_is_ranked_by_its_value_and_marked() -> None:
    table = tabulate([SMALL[0], pruned(20, 0.58, forest(30)), SMALL[1]])

    shown = {column.name: column.shown for column in table.columns}
    assert shown["run"] == (2, 20, 1)
    assert shown["reason"] == (None, PRUNED, None)
    assert "state" not in shown


def test_without_pruned_runs_there_is_no_reason_column() -> None:
    assert "reason" not in tabulate(SMALL).names


def test_a_mean_excludes_pruned_runs() -> None:
    (group,) = Results([*SMALL, pruned(4, 0.1, forest(10), seed=4)]).grouped()

    assert group.ids == (1, 2, 3, 4)
    assert group.results == (0.5, 0.6, 0.55)
    assert group.as_one.metrics["accuracy"] == pytest.approx(0.55)
    assert group.to_json()["pruned"] == [4]
    table = Results([*SMALL, pruned(4, 0.1, forest(10), seed=4)]).grouped().table()
    assert "reason" not in table.names
    assert dict(zip(table.names, table.rows[0], strict=True))["n"] == 3


def test_a_mean_excludes_a_pruned_oldest_run() -> None:
    (group,) = Results([pruned(1, 0.1, forest(10), seed=4), *(replace(one, id=one.id + 1) for one in SMALL)]
                       ).grouped()

    assert (group.as_one.id, group.as_one.reason, group.results) == (1, None, (0.5, 0.6, 0.55))


def test_a_config_with_only_pruned_runs_is_marked() -> None:
    grouped = Results([pruned(seed, 0.2, forest(10), seed=seed) for seed in (1, 2)]).grouped()

    assert [group.results for group in grouped] == [(0.2, 0.2)]
    assert dict(zip(grouped.table().names, grouped.table().rows[0], strict=True))["reason"] == PRUNED


def test_only_a_completed_run_counts_as_pruned() -> None:
    run = pruned(1, 0.5, forest(10))

    assert is_pruned(run)
    assert pruned_at(run) is not None
    for other in (replace(run, state=State.QUEUED), replace(run, reason=None)):
        assert not is_pruned(other)
        assert pruned_at(other) is None            # the note may be of an earlier attempt
    for info in ({}, {PRUNED: 3}, {PRUNED: {"series": "accuracy", "values": "3", "step": 3}}):
        assert pruned_at(replace(run, info=info)) is None
