"""Pictures of a search, or of all runs of a task in their order: how the best came about, what mattered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate

from hyperspace_core.errors import UsageError
from hyperspace_core.records.run import Metric, RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.results.axes import label
from hyperspace_core.results.plots import COLOURS, Figure, laid_out, plotly
from hyperspace_core.results.words import brief

PRUNED = "pruned"              # reason of a completed run that was stopped early
CLEAR = 0.05                   # of the whole range, that points stay away from the rim


def history(records: Sequence[RunRecord], metric: Metric, title: str) -> Figure:
    """A point for each run in the order of submission, and a line at the best so far.

    Runs that were stopped early are hollow and never the best; failed ones are crosses at the rim. Raises
    `UsageError` where no run has a result.
    """
    go = plotly()
    runs = sorted(records, key=lambda run: run.id)
    x = {run.id: number for number, run in enumerate(runs, start=1)}
    done = [run for run in runs if _result(run) is not None]
    whole = [run for run in done if run.reason != PRUNED]
    if not done:
        raise UsageError(f"{title}: no run has a result yet; there is nothing to show")
    failed = [run for run in runs if run.state is State.FAILED]
    figure = go.Figure()
    _points(figure, "completed", whole, x, {"color": COLOURS[0], "size": 8, "opacity": 0.65})
    _points(figure, "stopped early", [run for run in done if run.reason == PRUNED], x,
            {"color": COLOURS[5], "size": 8, "symbol": "circle-open"})
    if failed:
        figure.add_scatter(x=[x[run.id] for run in failed], y=[_rim(done, metric)] * len(failed),
                           mode="markers", name="failed", text=[_told(run) for run in failed],
                           marker={"color": COLOURS[1], "size": 9, "symbol": "x"},
                           hovertemplate="%{text}<extra></extra>")
    if whole:
        better = min if metric.goal == "minimize" else max
        best = list(accumulate((run.result or 0.0 for run in whole), better))
        # up to the last run of all, so that a long time without an improvement is seen
        figure.add_scatter(x=[*(x[run.id] for run in whole), len(runs)], y=[*best, best[-1]], mode="lines",
                           name="best so far", line={"color": COLOURS[2], "width": 2.5, "shape": "hv"},
                           hoverinfo="skip")
    aim = f"{label(metric.name)} ({'lower' if metric.goal == 'minimize' else 'higher'} is better)"
    return laid_out(figure, f"{label(title)}: {len(done)} results of {len(runs)} runs",
                    "run, in the order of submission", aim)


def importance(shares: Mapping[str, float], title: str) -> Figure:
    """A bar for each parameter, the most important one on top. `shares`: together 1."""
    go = plotly()
    if not shares:
        raise UsageError(f"{title}: nothing is known of what mattered; it takes some results, and a tuner "
                         "that can tell: pip install hyperspace-optuna")
    names = sorted(shares, key=lambda name: shares[name])
    figure = go.Figure(go.Bar(
        orientation="h", x=[shares[name] for name in names], y=[label(name) for name in names],
        text=[f"{shares[name]:.0%}" for name in names], textposition="outside", cliponaxis=False,
        marker={"color": COLOURS[0]}, hovertemplate="%{y}: %{x:.1%}<extra></extra>"))
    laid_out(figure, label(title), "importance", "", height=max(320, 160 + 36 * len(names)))
    figure.update_layout(showlegend=False)
    figure.update_xaxes(tickformat=".0%", range=[0, min(1.08, 1.12 * max(shares.values()) + 0.01)])
    figure.update_yaxes(automargin=True)
    return figure


def _points(figure: Figure, name: str, runs: Sequence[RunRecord], x: Mapping[int, int],
            look: Mapping[str, object]) -> None:
    if runs:
        figure.add_scatter(x=[x[run.id] for run in runs], y=[run.result for run in runs], mode="markers",
                           name=name, marker=dict(look), text=[_told(run) for run in runs],
                           hovertemplate="%{text}<br>%{y}<extra></extra>")


def _rim(done: Sequence[RunRecord], metric: Metric) -> float:
    """Where a run without a result stands: a little worse than the worst."""
    results = [run.result or 0.0 for run in done]
    low, high = min(results), max(results)
    clear = CLEAR * ((high - low) or abs(high) or 1.0)
    return high + clear if metric.goal == "minimize" else low - clear


def _result(run: RunRecord) -> float | None:
    if run.state is not State.COMPLETED or run.result is None or not math.isfinite(run.result):
        return None
    return run.result


def _told(run: RunRecord) -> str:
    text = f"{run.id}: {brief(run.submitted)}"
    return label(text if len(text) <= 80 else f"{text[:79]}…")
