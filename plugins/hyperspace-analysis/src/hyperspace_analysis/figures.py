"""Plots of the runs of one task: learning curves, parameters against results.

Each function returns a plotly figure; plotly is an optional dependency, imported on use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hyperspace_analysis.drawing import COLOURS, Figure, label, lay_out, metric_label, plotly
from hyperspace_core.errors import NotFound, UsageError, did_you_mean
from hyperspace_core.plugin import Column, Table, info, tables, text as text_, trees as trees_
from hyperspace_core.records import Point, RunRecord

CURVES = 10                    # default number of curves in a plot


class Logged(Protocol):
    """Source of logged points, such as a store."""

    def points(self, run: int) -> Iterable[Point]: ...


def curves(store: Logged, records: Sequence[RunRecord], metric: str | None = None, *,
           best: int = CURVES) -> Figure:
    """See `StudyPlots.curves`. `records`: runs of one task, best first."""
    go = plotly()
    shown = list(of_one_task(records))[:best]
    points = {record.id: list(store.points(record.id)) for record in shown}
    name = _series(metric, records[0].metric.name, points.values())
    table = tables.tabulate(shown)
    figure = go.Figure()
    for row, record in enumerate(shown):
        logged = [point for point in points[record.id] if point.name == name]
        if logged:
            x = [number if point.step is None else point.step for number, point in enumerate(logged)]
            figure.add_scatter(x=x, y=[point.value for point in logged], name=_run_label(table, row),
                               mode="lines+markers" if len(logged) < 50 else "lines",
                               line={"width": 3.5 if row == 0 else 1.5})
    several = f"the {len(shown)} best of {len(records)} runs" if len(records) > 1 else f"run {shown[0].id}"
    return lay_out(figure, f"{label(name)}: {several} of {label(shown[0].task)}", "step", label(name),
                   legend="run, best first")


def parallel(records: Sequence[RunRecord]) -> Figure:
    """See `StudyPlots.parallel`."""
    go = plotly()
    records = _with_result(records)
    table = tables.tabulate(records)
    chosen = _parameters(table)
    if not chosen:
        raise UsageError(f"the {len(records)} runs differ in no hyper-parameter; nothing to plot")
    metric = records[0].metric
    results = list(map(_number, table.records))
    dimensions = [_dimension(axis_of(column.name, column.values)) for column in chosen]
    figure = go.Figure(go.Parcoords(
        dimensions=[*dimensions, {"label": label(metric.name), "values": results}],
        labelangle=-12, labelside="top",
        line={"color": results, "colorscale": "Viridis", "reversescale": metric.goal == "minimize",
              "showscale": True, "colorbar": {"title": {"text": metric_label(metric)}},
              **_colour_range(records)}))
    title = f"{len(records)} runs of {label(records[0].task)}, a line each"
    return lay_out(figure, title, "", "", top=120)


def parameter(records: Sequence[RunRecord], name: str) -> Figure:
    """See `StudyPlots.parameter`. `name`: a column name or a dotted path.

    Each class that has the parameter gets its own colour; runs without it are left out.
    """
    go = plotly()
    table = tables.tabulate(_with_result(records))
    column = _column(table, name)
    rows = [row for row, value in enumerate(column.values) if value is not trees_.MISSING]
    axis = axis_of(column.name, [column.values[row] for row in rows])
    metric = table.records[0].metric
    figure = go.Figure()
    owners = _owners(table, column, rows)
    for number, owner in enumerate(dict.fromkeys(owners)):
        own = [(shown, row) for shown, row, by in zip(axis.shown, rows, owners, strict=True) if by == owner]
        colour = COLOURS[number % len(COLOURS)]
        figure.add_scatter(
            x=[shown for shown, _ in own], y=[_number(table.records[row]) for _, row in own], mode="markers",
            name=owner, marker={"size": 9, "opacity": 0.65, "color": colour},
            text=[_run_label(table, row) for _, row in own], hovertemplate="%{text}<br>%{y}<extra></extra>")
        best = _best_at_each(own, table, smallest=metric.goal == "minimize")
        places = sorted(best, key=axis.order)
        # names have no order, hence no line
        look = {"mode": "lines", "line": {"dash": "dot", "color": colour}} if axis.numeric else {
            "mode": "markers", "marker": {"symbol": "line-ew-open", "size": 26, "color": colour}}
        figure.add_scatter(x=places, y=[best[place] for place in places], showlegend=False,
                           hoverinfo="skip", **look)
    rest = f"; {len(table.records) - len(rows)} have none" if len(rows) < len(table.records) else ""
    title = (f"{label(metric.name)} by {label(column.name)}: {len(rows)} runs of "
             f"{label(table.records[0].task)}{rest}")
    lay_out(figure, title, label(column.name), metric_label(metric),
            legend="line: the best at each value")
    kind = {"type": "log", "dtick": 1} if axis.log else {} if axis.numeric else {
        "type": "category", "categoryorder": "array", "categoryarray": [text for _, text in axis.ticks]}
    figure.update_xaxes(**kind)
    return figure


def _best_at_each(own: Sequence[tuple[Any, int]], table: Table, *, smallest: bool) -> dict[Any, float]:
    found: dict[Any, float] = {}
    for shown, row in own:
        result = _number(table.records[row])
        found[shown] = (min if smallest else max)(found.get(shown, result), result)
    return found


def _owners(table: Table, column: Column, rows: Sequence[int]) -> list[str]:
    """The class that has the parameter, for each run."""
    above = column.path.removesuffix(f".{trees_.CLASS_NAME}").rpartition(".")[0]
    trees = [tables.parameters_of(table.records[row]) for row in rows]
    return [label(str(tree.get(f"{above}.{trees_.CLASS_NAME}", "a run"))) for tree in trees]


def of_one_task(records: Sequence[RunRecord]) -> Sequence[RunRecord]:
    """Return the records. Raises `UsageError` for no runs or several tasks."""
    if not records:
        raise UsageError("no run matches; nothing to plot")
    if len({record.task for record in records}) > 1:
        raise UsageError("runs of several tasks have no common scale; name one task")
    return records


def _with_result(records: Sequence[RunRecord]) -> list[RunRecord]:
    found = [record for record in of_one_task(records)
             if (value := info.decisive(record)) is not None and abs(value) < float("inf")]
    if not found:
        raise UsageError(f"none of the {len(records)} runs has a result; nothing to plot")
    return found


def _number(record: RunRecord) -> float:
    return float(info.decisive(record) or 0.0)


def _series(wanted: str | None, decides: str, logged: Iterable[Sequence[Point]]) -> str:
    """Name of the series to plot. Raises `NotFound`, naming the existing series."""
    there = list(dict.fromkeys(point.name for points in logged for point in points))
    if wanted is None:
        if there:
            return decides if decides in there else there[0]
        raise NotFound("these runs have logged no series; call `run.log_scalar` during a run")
    if wanted not in there:
        cure = did_you_mean(wanted, there) or f"; they have {', '.join(there) or 'none'}"
        raise NotFound(f"these runs have logged no series '{wanted}'{cure}")
    return wanted


def _parameters(table: Table) -> list[Column]:
    return [column for column in table.columns if column.path.startswith(("config.", "scenario."))]


def _column(table: Table, name: str) -> Column:
    """Find the column of a hyper-parameter. Raises `NotFound`."""
    columns = _parameters(table)
    for column in columns:
        if name in (column.name, column.path, column.path.removeprefix("config."),
                    column.path.removeprefix("config.").removesuffix(".className")):
            return column
    names = [column.name for column in columns]
    cure = did_you_mean(name, names) or f"; they differ in {', '.join(names) or 'none'}"
    raise NotFound(f"the runs do not differ in a hyper-parameter '{name}'{cure}")


def _dimension(axis: Axis) -> dict[str, Any]:
    found: dict[str, Any] = {"label": axis.name, "values": list(axis.places)}
    if axis.ticks:
        places, texts = zip(*axis.ticks, strict=True)
        found |= {"tickvals": list(places), "ticktext": list(texts)}
    return found


def _colour_range(records: Sequence[RunRecord]) -> dict[str, float]:
    """Colour limits; the worst tenth shares one colour because of outliers."""
    ordered = sorted(map(_number, records))
    tenth = len(ordered) // 10
    low, high = ((ordered[0], ordered[-1 - tenth]) if records[0].metric.goal == "minimize"
                 else (ordered[tenth], ordered[-1]))
    return {"cmin": low, "cmax": high} if low < high else {}


def _run_label(table: Table, row: int) -> str:
    """Label of a run: its id and the hyper-parameters that differ."""
    differ = [f"{column.name}={text_.value_text(column.values[row])}" for column in _parameters(table)
              if column.values[row] is not trees_.MISSING]
    text = f"{table.records[row].id}: {', '.join(differ)}" if differ else f"run {table.records[row].id}"
    return label(text if len(text) <= 60 else f"{text[:59]}…")


# -- Axes: linear, logarithmic or by name ----

NOT_THERE = "–"                # the run's class has no such parameter
WIDE = 20                       # from this ratio on, an axis of positive numbers is logarithmic
FEW = 6                        # up to so many different numbers each get a tick on a parallel axis


@dataclass(frozen=True, kw_only=True)
class Axis:
    """`shown`: plotly values; `places`: as numbers; `ticks`: place and label."""

    name: str
    shown: tuple[Any, ...]
    places: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...] = ()
    numeric: bool = False
    log: bool = False
    order: Callable[[Any], Any] = str      # sort key of the shown values


def axis_of(name: str, values: Sequence[Any]) -> Axis:
    """Build the axis for the values of a column, one value a run."""
    there = [value for value in values if value is not trees_.MISSING]
    numeric = bool(there) and all(isinstance(value, int | float) and not isinstance(value, bool)
                                  and math.isfinite(value) for value in there)
    if not numeric:
        return _named(name, values)
    log = min(there) > 0 and max(there) / min(there) >= WIDE
    scale: Callable[[float], float] = math.log10 if log else float
    places, ticks = _scaled(values, there, scale, log=log)
    return Axis(name=label(name), shown=tuple(values), places=places, ticks=ticks, numeric=True, log=log,
                order=float)


def _scaled(values: Sequence[Any], there: Sequence[float], scale: Callable[[float], float], *,
            log: bool) -> tuple[tuple[float, ...], tuple[tuple[float, str], ...]]:
    low, high = scale(min(there)), scale(max(there))
    below = low - 0.15 * ((high - low) or 1.0)
    places = tuple(below if value is trees_.MISSING else scale(value) for value in values)
    if not log and len(there) == len(values) and len(set(there)) > FEW:
        return places, ()          # plotly's own ticks
    different = sorted(set(there))
    if len(different) > FEW:
        different = [10.0 ** decade for decade in range(math.ceil(low), math.floor(high) + 1)] if log else (
            [min(there), max(there)])
    ticks = [(scale(value), text_.value_text(float(value))) for value in different]
    return places, tuple([(below, NOT_THERE), *ticks] if len(there) < len(values) else ticks)


def _named(name: str, values: Sequence[Any]) -> Axis:
    shown = tuple(NOT_THERE if value is trees_.MISSING else label(text_.value_text(value))
                  for value in values)
    names = sorted(set(shown), key=lambda one: (one != NOT_THERE, one))
    place = {text: float(number) for number, text in enumerate(names)}
    return Axis(name=label(name), shown=shown, places=tuple(place[text] for text in shown),
                ticks=tuple((number, text) for text, number in place.items()), order=place.__getitem__)
