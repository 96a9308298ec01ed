"""Plots of a search."""

from __future__ import annotations

from typing import Any

import pytest

from hyperspace_core.errors import UsageError
from hyperspace_core.records.run import Metric
from hyperspace_core.records.states import State
from hyperspace_core.results.search_plots import history, importance

from .records import completed

pytest.importorskip("plotly", reason="pictures need plotly")

LESS = Metric(name="loss", goal="minimize")
MORE = Metric(name="accuracy")


def lines(figure: Any) -> dict[str, list[tuple[float, float]]]:
    return {line.name: list(zip(line.x, line.y, strict=True)) for line in figure.data}


def test_the_best_so_far_extends_to_the_last_run() -> None:
    runs = [completed(number, result) for number, result in ((4, 0.5), (7, 0.7), (9, 0.6))]

    shown = lines(history(runs, MORE, "a search"))

    assert shown == {"completed": [(1, 0.5), (2, 0.7), (3, 0.6)],
                     "best so far": [(1, 0.5), (2, 0.7), (3, 0.7), (3, 0.7)]}


def test_history_respects_a_minimized_metric() -> None:
    runs = [completed(number, result) for number, result in enumerate((3.0, 1.0, 2.0), 1)]

    assert lines(history(runs, LESS, "a search"))["best so far"] == [(1, 3.0), (2, 1.0), (3, 1.0), (3, 1.0)]


def test_a_run_stopped_early_is_hollow_and_not_the_best() -> None:
    runs = [completed(1, 0.5), completed(2, 0.9, reason="pruned")]

    shown = lines(history(runs, MORE, "a search"))

    assert shown["stopped early"] == [(2, 0.9)]
    assert [y for _, y in shown["best so far"]] == [0.5, 0.5]


def test_a_failed_run_is_drawn_at_the_rim() -> None:
    runs = [completed(1, 0.5), completed(2, None, state=State.FAILED, reason="on purpose"), completed(3, 0.6)]

    (x, y), = lines(history(runs, MORE, "a search"))["failed"]

    assert x == 2 and y < 0.5


def test_an_outlier_is_clipped_to_the_rim() -> None:
    runs = [completed(number, 0.9 + number / 1000) for number in range(1, 20)] + [completed(20, -500.0)]

    shown = lines(history(runs, MORE, "a search"))

    (x, y), = shown["worse than shown"]
    assert x == 20 and 0.8 < y < 0.901


def test_stored_text_is_escaped() -> None:
    run = completed(1, 0.5, submitted={"name": "<b>x</b>"})

    assert "<b>" not in history([run], MORE, "<b>task</b>").to_json()


def test_the_most_important_bar_is_on_top() -> None:
    bars, = importance({"C": 0.75, "scaler": 0.25}, "what mattered").data

    assert (list(bars.y), list(bars.text)) == (["scaler", "C"], ["25%", "75%"])


def test_an_empty_plot_is_refused_with_the_cure() -> None:
    with pytest.raises(UsageError, match="no run has a result yet"):
        history([completed(1, None)], MORE, "search 1")
    with pytest.raises(UsageError, match="pip install hyperspace-optuna"):
        importance({}, "search 1")
