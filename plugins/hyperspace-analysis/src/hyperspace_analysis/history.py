"""Plots of a search or of a task's runs: history of the best, importances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from hyperspace_analysis.drawing import COLOURS, Figure, label, lay_out, metric_label, plotly
from hyperspace_analysis.figures import of_one_task
from hyperspace_core.errors import UsageError
from hyperspace_core.plugin import info, text as text_
from hyperspace_core.records import Metric, RunRecord, SearchRecord, State

CLEAR = 0.05                   # margin between the points and the rim, as a share of the range
FAR = 2.0                      # results further off than this many ranges of the best 90 % are clipped
COMPLETED, EARLY, WORSE, FAILED = "completed", "stopped early", "worse than shown", "failed"
LOOKS: Mapping[str, Mapping[str, Any]] = {
    COMPLETED: {"color": COLOURS[0], "opacity": 0.65},
    EARLY: {"color": COLOURS[5], "symbol": "circle-open"},
    WORSE: {"color": COLOURS[0], "symbol": "triangle-down"},
    FAILED: {"color": COLOURS[1], "symbol": "x"},
}


def history(records: Sequence[RunRecord], metric: Metric, title: str) -> Figure:
    """Plot the results in the order of submission, with a line at the best so far.

    Runs stopped early are hollow and never the best; failed runs are crosses at the rim. Results that are far
    worse than all others are clipped to the rim. Raises `UsageError` if no run has a result.
    """
    go = plotly()
    runs = sorted(records, key=lambda run: run.id)
    order = {run.id: number for number, run in enumerate(runs, start=1)}
    done = [run for run in runs if run.finite_result is not None]
    if not done:
        raise UsageError(f"{title}: no run has a result yet; nothing to plot")
    rim, figure = _rim(done, metric), go.Figure()
    placed = [(run, *_placed(run, rim, metric)) for run in runs
              if run.state is State.FAILED or run.finite_result is not None]
    for name, look in LOOKS.items():
        points = [(run, y) for run, y, kind in placed if kind == name]
        if points:
            symbol = {"symbol": "triangle-up"} if name == WORSE and metric.goal == "minimize" else {}
            figure.add_scatter(x=[order[run.id] for run, _ in points], y=[y for _, y in points], name=name,
                               mode="markers", marker={"size": 8, **look, **symbol},
                               text=[_text(run) for run, _ in points], hovertemplate="%{text}<extra></extra>")
    whole = [run for run in done if not info.is_pruned(run)]
    if whole:
        x, y = _best_so_far(whole, order, rim, metric)
        figure.add_scatter(x=x, y=y, mode="lines", line={"color": COLOURS[2], "width": 2.5, "shape": "hv"},
                           name="best so far", hoverinfo="skip")
    return lay_out(figure, f"{label(title)}: {len(done)} results of {len(runs)} runs",
                   "run, in the order of submission", metric_label(metric))


def history_of_task(records: Sequence[RunRecord]) -> Figure:
    """Plot the history of the runs of one task."""
    first = of_one_task(records)[0]
    return history(records, first.metric, first.task)


def history_of_search(records: Sequence[RunRecord], search: SearchRecord) -> Figure:
    """Plot the history of a search; `records`: its runs in all states."""
    return history(records, search.metrics[0], f"search {search.id} of {search.task}")


def importance(shares: Mapping[str, float], title: str) -> Figure:
    """Plot a bar for each parameter, the most important on top. `shares` sum to 1."""
    go = plotly()
    if not shares:
        raise UsageError(f"{title}: no importances; they need some results and a tuner that computes them, "
                         "such as TPE or GP")
    names = sorted(shares, key=lambda name: shares[name])
    figure = go.Figure(go.Bar(
        orientation="h", x=[shares[name] for name in names], y=[label(name) for name in names],
        text=[f"{shares[name]:.0%}" for name in names], textposition="outside", cliponaxis=False,
        marker={"color": COLOURS[0]}, hovertemplate="%{y}: %{x:.1%}<extra></extra>"))
    lay_out(figure, label(title), "importance", "", height=max(320, 160 + 36 * len(names)))
    figure.update_layout(showlegend=False)
    figure.update_xaxes(tickformat=".0%", range=[0, min(1.08, 1.12 * max(shares.values()) + 0.01)])
    figure.update_yaxes(automargin=True)
    return figure


def _placed(run: RunRecord, rim: float, metric: Metric) -> tuple[float, str]:
    """Position and kind of a run's point."""
    result = run.finite_result
    if result is None:
        return rim, FAILED
    if (result > rim) if metric.goal == "minimize" else (result < rim):
        return rim, WORSE
    return result, EARLY if info.is_pruned(run) else COMPLETED


def _best_so_far(whole: Sequence[RunRecord], order: Mapping[int, int], rim: float,
                 metric: Metric) -> tuple[list[int], list[float]]:
    """Points of the line of the best result, up to the last run."""
    better, worse = (min, max) if metric.goal == "minimize" else (max, min)
    best = list(accumulate((run.result or 0.0 for run in whole), better))
    return ([*(order[run.id] for run in whole), len(order)],
            [value if worse(value, rim) == rim else rim for value in (*best, best[-1])])


def _rim(done: Sequence[RunRecord], metric: Metric) -> float:
    """Limit of the axis, a little worse than all results except outliers."""
    ordered = sorted((run.result or 0.0 for run in done), reverse=metric.goal == "maximize")
    tenth = abs(ordered[-1 - len(ordered) // 10] - ordered[0])
    most = next(result for result in reversed(ordered) if abs(result - ordered[0]) <= FAR * tenth)
    clear = CLEAR * (abs(most - ordered[0]) or abs(most) or 1.0)
    return most + clear if metric.goal == "minimize" else most - clear


def _text(run: RunRecord) -> str:
    what = text_.number(run.result) if run.state is State.COMPLETED else run.reason or run.state.value
    text = f"{run.id}: {text_.one_line(what, 60)}, {text_.brief(run.submitted)}"
    return label(text if len(text) <= 120 else f"{text[:119]}…")
