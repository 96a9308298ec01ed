"""Repeats: means with intervals, and one row for each config."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from hyperspace_core.errors import UsageError
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.repeats import Grouped, estimate, group_repeats, has_repeats, t_quantile
from hyperspace_core.results.results import Results
from support.records import completed


def forest(trees: int, **others: Any) -> dict[str, Any]:
    return {"classifier": {"className": "Forest", "trees": trees}, **others}


def runs_of(first: int, config: dict[str, Any], *results: float, seed: int = 0,
            **others: Any) -> list[RunRecord]:
    """Runs of a config at consecutive seeds."""
    return [completed(first + place, result, config, seed=seed + place, **others)
            for place, result in enumerate(results)]


SMALL = runs_of(1, forest(10), 0.50, 0.60, 0.55, 0.58)
LARGE = runs_of(11, forest(50), 0.60, 0.71, 0.64, 0.69)


# -- means and intervals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("probability", "freedom", "known"), [
    # from a textbook table
    (0.975, 1, 12.706), (0.975, 2, 4.303), (0.975, 4, 2.776), (0.975, 10, 2.228), (0.975, 30, 2.042),
    (0.995, 5, 4.032), (0.8, 3, 0.978), (0.95, 1000, 1.646), (0.975, 100_000, 1.960), (0.5, 7, 0.0),
])
def test_quantiles_of_t_are_those_of_the_tables(probability: float, freedom: int, known: float) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(known, abs=5e-4)


def test_the_interval_is_that_of_a_worked_example() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0, 5.0])

    assert (found.n, found.mean) == (5, 3.0)
    assert found.sd == pytest.approx(1.5811388)
    assert found.low == pytest.approx(3 - 2.7764451 * 1.5811388 / math.sqrt(5))
    assert found.high == pytest.approx(3 + 1.9632432)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_the_mean_lies_in_its_interval(values: list[float]) -> None:
    found = estimate(values)

    assert found.low is not None and found.high is not None
    assert found.low <= found.mean <= found.high


def test_one_number_has_no_spread_and_nan_has_no_mean() -> None:
    assert (estimate([0.5]).sd, estimate([0.5]).low) == (None, None)
    assert math.isnan(estimate([0.5, math.nan]).mean)
    assert not estimate([0.5, math.nan]).differs


def test_a_few_equal_numbers_are_not_significant() -> None:
    assert not estimate([0.1] * 5).differs
    assert estimate([0.1] * 6).differs and not estimate([0.0] * 6).differs


# -- one row a config ----------------------------------------------------------------------------------------


def test_repeats_are_one_row_with_the_best_mean_first() -> None:
    table = Grouped([*SMALL, *LARGE]).table()

    assert table.names == ("runs", "n", "accuracy", "sd", "low", "high", "trees")
    (runs, count, mean, sd, low, high, trees), second = table.rows
    assert (runs, count, trees) == ("11 to 14", 4, 50)
    assert mean == pytest.approx(0.66) and low < mean < high and sd == pytest.approx(0.0496655)
    assert second[0] == "1 to 4"


def test_the_lowest_mean_is_first_where_lower_is_better() -> None:
    groups = group_repeats([*runs_of(1, forest(1), 2.0, 3.0, goal="minimize"),
                      *runs_of(5, forest(2), 1.0, 2.0, goal="minimize")])

    assert [group.ids for group in groups] == [(5, 6), (1, 2)]


def test_folds_count_as_repeats_and_have_no_column() -> None:
    runs = [completed(fold + 1, 0.5 + fold / 10, forest(1, fold=fold)) for fold in range(3)]

    assert has_repeats(runs)
    assert [group.ids for group in group_repeats(runs)] == [(1, 2, 3)]
    assert Grouped(runs).table(constant=True).names == (
        "runs", "n", "task", "state", "accuracy", "sd", "low", "high", "classifier", "trees")


def test_a_seed_parameter_of_single_run_counts_as_seed() -> None:
    runs = [completed(seed + 1, 0.5, {"lr": 1, "seed": seed}, seed=seed) for seed in range(2)]

    assert [group.ids for group in group_repeats(runs)] == [(1, 2)]


def test_different_problems_and_tasks_are_not_repeats() -> None:
    runs = [completed(1, 0.5), completed(2, 0.5, seed=1, scenario={"className": "Holdout", "share": 0.5}),
            completed(3, 0.5, task="other", seed=2)]

    assert len(group_repeats(runs)) == 3
    assert not has_repeats(runs)


def test_a_config_with_a_diverged_run_is_last() -> None:
    lost = runs_of(1, forest(1), 0.99, math.nan)
    fine = [replace(run, metrics={"accuracy": run.result, "loss": loss, "note": "x"})
            for run, loss in zip(runs_of(5, forest(2), 0.1, 0.2), (1.0, 2.0), strict=True)]

    table = Grouped([*lost, *fine]).table()

    assert [row[0] for row in table.rows] == ["5, 6", "1, 2"]
    assert dict(zip(table.names, table.rows[0], strict=True))["loss"] == 1.5
    assert "note" not in table.names


def test_a_parameter_keeps_a_name_that_a_column_uses() -> None:
    table = Grouped([*runs_of(1, {"n": 5, "sd": 1}, 0.1), *runs_of(2, {"n": 6, "sd": 2}, 0.2)]).table()

    assert {"n", "sd", "n_", "sd_"} <= set(table.names) and len(set(table.names)) == len(table.names)


def test_groups_are_shown_as_a_table_with_the_rest_counted() -> None:
    shown = Grouped(run for n in range(35) for run in runs_of(2 * n + 1, forest(n), n / 100, n / 50))

    assert len(repr(shown).splitlines()) == 32 and repr(shown).endswith("… 5 more")
    assert "<td>69, 70</td>" in shown._repr_html_()
    assert len(shown[:2]) == 2 and shown[0].ids == (69, 70)
    assert repr(Grouped()) == "no runs"


# -- the same from `Results` ---------------------------------------------------------------------------------


def test_results_offer_the_best_run_and_groups() -> None:
    results = Results([*SMALL, *LARGE])

    assert results.best() == LARGE[1]
    assert len(results.grouped()) == 2
    assert Results().best() is None
    with pytest.raises(UsageError, match="best of holdout, other: several tasks cannot be ranked"):
        Results([*SMALL, completed(30, 1.0, task="other")]).best()


def test_the_best_run_does_not_depend_on_the_order() -> None:
    results = Results([*SMALL, *LARGE], order_by="accuracy")

    assert results[0] == SMALL[0] and results.best() == LARGE[1] and results[:3].best() == SMALL[3]
