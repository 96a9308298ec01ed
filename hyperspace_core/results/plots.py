"""Plots of runs: learning curves, parameters against results, timeline.

Each function returns a plotly figure; plotly is an optional dependency, imported on use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from hyperspace_core.config.tree import CLASS_NAME, MISSING
from hyperspace_core.errors import HyperspaceError, NotFound, UsageError, did_you_mean
from hyperspace_core.records.info import decisive
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.results.axes import Axis, axis_of, label
from hyperspace_core.results.format import value_text
from hyperspace_core.results.lanes import Bar, bars_of
from hyperspace_core.results.table import Column, Table, parameters_of, tabulate

if TYPE_CHECKING:
    from hyperspace_core.records.filter import Condition
    from hyperspace_core.study import Study

ENDED = (State.COMPLETED, State.FAILED)        # states that a history shows
CURVES = 10                    # default number of curves in a plot
MISSING_PLOTLY = "a plot needs plotly, which is not installed; pip install 'hyperspace-core[plot]'"
OUTCOMES = {"completed": "#2a9d8f", "running": "#4361ee", "failed": "#d1495b", "cancelled": "#8d99ae",
            "lost": "#f4a261", "released": "#e9c46a"}

COLOURS = ("#4361ee", "#d1495b", "#2a9d8f", "#f4a261", "#6d597a", "#8d99ae")

Figure = Any                   # plotly.graph_objects.Figure


class Plots:
    """`study.plot`: plots of the study's runs; each method returns a plotly figure.

    `where`: as in `Study.results`. All raise `HyperspaceError` if plotly is not installed, `UsageError` if
    there is nothing to plot.
    """

    def __init__(self, study: Study) -> None:
        self._study = study

    def curves(self, task: str, metric: str | None = None, *, where: str | Iterable[str | Condition] = (),
               best: int = CURVES) -> Figure:
        """Plot the series `metric` of the best runs; default: the task's metric."""
        return curves(self._study.store, self._study.results(task, where=where), metric, best=best)

    def parallel(self, task: str, *, where: str | Iterable[str | Condition] = ()) -> Figure:
        """Parallel coordinates of the differing hyper-parameters, coloured by result."""
        return parallel(self._study.results(task, where=where))

    def parameter(self, task: str, name: str, *, where: str | Iterable[str | Condition] = ()) -> Figure:
        """Plot the result against one hyper-parameter."""
        return parameter(self._study.results(task, where=where), name)

    def timeline(self, task: str | None = None, *, where: str | Iterable[str | Condition] = ()) -> Figure:
        """Timeline: a row for each worker, a bar for each attempt, coloured by outcome."""
        return timeline(self._study.results(task, where=where, states=(), comparable="all"))

    def history(self, task: str | None = None, *, search: int | None = None,
                where: str | Iterable[str | Condition] = ()) -> Figure:
        """Plot the results of a task or a search in order, with the best so far."""
        from hyperspace_core.results.search_plots import history

        if (task is None) == (search is None):
            raise UsageError("history: name a task or a search, as in history(search=1)")
        if search is not None:
            found = self._study.search(search)
            return history(found.runs(), found.record.metrics[0], f"search {search} of {found.record.task}")
        records = of_one_task(self._study.results(task, where=where, states=ENDED))
        return history(records, records[0].metric, str(task))

    def importance(self, search: int) -> Figure:
        """Plot the importance of each parameter of a search.

        It uses all runs that the search learns from, and needs a tuner such as those of `hyperspace-optuna`.
        """
        from hyperspace_core.results.search_plots import importance

        found = self._study.search(search)
        return importance(found.importance(), f"importance in search {search} of {found.record.task}")


class Logged(Protocol):
    """Source of logged points, such as a store."""

    def points(self, run: int) -> Iterable[Point]: ...


def curves(store: Logged, records: Sequence[RunRecord], metric: str | None = None, *,
           best: int = CURVES) -> Figure:
    """See `Plots.curves`. `records`: runs of one task, best first."""
    go = plotly()
    shown = list(of_one_task(records))[:best]
    points = {record.id: list(store.points(record.id)) for record in shown}
    name = _series(metric, records[0].metric.name, points.values())
    table = tabulate(shown)
    figure = go.Figure()
    for row, record in enumerate(shown):
        logged = [point for point in points[record.id] if point.name == name]
        if logged:
            x = [number if point.step is None else point.step for number, point in enumerate(logged)]
            figure.add_scatter(x=x, y=[point.value for point in logged], name=_run_label(table, row),
                               mode="lines+markers" if len(logged) < 50 else "lines",
                               line={"width": 3.5 if row == 0 else 1.5})
    several = f"the {len(shown)} best of {len(records)} runs" if len(records) > 1 else f"run {shown[0].id}"
    return laid_out(figure, f"{label(name)}: {several} of {label(shown[0].task)}", "step", label(name),
                     legend="run, best first")


def parallel(records: Sequence[RunRecord]) -> Figure:
    """See `Plots.parallel`."""
    go = plotly()
    records = _with_result(records)
    table = tabulate(records)
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
              "showscale": True, "colorbar": {"title": {"text": _aim(records)}}, **_colour_range(records)}))
    title = f"{len(records)} runs of {label(records[0].task)}, a line each"
    return laid_out(figure, title, "", "", top=120)


def parameter(records: Sequence[RunRecord], name: str) -> Figure:
    """See `Plots.parameter`. `name`: a column name or a dotted path.

    Each class that has the parameter gets its own colour; runs without it are left out.
    """
    go = plotly()
    table = tabulate(_with_result(records))
    column = _column(table, name)
    rows = [row for row, value in enumerate(column.values) if value is not MISSING]
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
    laid_out(figure, title, label(column.name), _aim(table.records),
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
    above = column.path.removesuffix(f".{CLASS_NAME}").rpartition(".")[0]
    trees = [parameters_of(table.records[row]) for row in rows]
    return [label(str(tree.get(f"{above}.{CLASS_NAME}", "a run"))) for tree in trees]


def timeline(records: Iterable[RunRecord], now: datetime | None = None) -> Figure:
    """See `Plots.timeline`. A running attempt ends at `now`."""
    go = plotly()
    bars = bars_of(records, now or datetime.now(UTC))
    if not bars:
        raise UsageError("none of these runs has begun; nothing to plot")
    figure = go.Figure()
    for outcome in dict.fromkeys(bar.outcome for bar in bars):
        _add_bars(figure, outcome, [bar for bar in bars if bar.outcome == outcome])
    lanes = list(dict.fromkeys(bar.lane for bar in bars))
    workers = len({bar.worker for bar in bars})
    laid_out(figure, f"{len(bars)} attempts of {'1 worker' if workers == 1 else f'{workers} workers'}",
              "time (UTC)", "worker", legend="ended as", height=max(360, 200 + 40 * len(lanes)))
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(type="date")
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=lanes)
    return figure


def _add_bars(figure: Figure, outcome: str, bars: Sequence[Bar]) -> None:
    figure.add_bar(
        orientation="h", name=outcome, y=[bar.lane for bar in bars],
        base=[bar.start.replace(tzinfo=None).isoformat() for bar in bars],
        x=[1000 * bar.seconds for bar in bars],
        text=[str(bar.run) for bar in bars], textposition="inside", insidetextanchor="middle",
        marker={"color": OUTCOMES.get(outcome, "#6d597a"), "line": {"color": "white", "width": 1}},
        customdata=[[label(bar.text), round(bar.seconds, 1)] for bar in bars],
        hovertemplate="%{customdata[0]}<br>%{customdata[1]} s<extra></extra>")


def plotly() -> Any:
    """Import plotly's graph objects. Raises `HyperspaceError` if it is not installed."""
    try:
        import plotly.graph_objects
    except ImportError as error:
        raise HyperspaceError(MISSING_PLOTLY) from error
    return plotly.graph_objects


def of_one_task(records: Sequence[RunRecord]) -> Sequence[RunRecord]:
    """Return the records. Raises `UsageError` for no runs or several tasks."""
    if not records:
        raise UsageError("no run matches; nothing to plot")
    if len({record.task for record in records}) > 1:
        raise UsageError("runs of several tasks have no common scale; name one task")
    return records


def _with_result(records: Sequence[RunRecord]) -> list[RunRecord]:
    found = [record for record in of_one_task(records)
             if (value := decisive(record)) is not None and abs(value) < float("inf")]
    if not found:
        raise UsageError(f"none of the {len(records)} runs has a result; nothing to plot")
    return found


def _number(record: RunRecord) -> float:
    return float(decisive(record) or 0.0)


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
    differ = [f"{column.name}={value_text(column.values[row])}" for column in _parameters(table)
              if column.values[row] is not MISSING]
    text = f"{table.records[row].id}: {', '.join(differ)}" if differ else f"run {table.records[row].id}"
    return label(text if len(text) <= 60 else f"{text[:59]}…")


def _aim(records: Sequence[RunRecord]) -> str:
    metric = records[0].metric
    return f"{label(metric.name)} ({'lower' if metric.goal == 'minimize' else 'higher'} is better)"


def laid_out(figure: Figure, title: str, x: str, y: str, *, legend: str = "", height: int = 520,
              top: int = 70) -> Figure:
    figure.update_layout(
        title={"text": title}, template="plotly_white", width=960, height=height,
        margin={"l": 80, "r": 40, "t": top, "b": 70}, legend={"title": {"text": legend}}, showlegend=True)
    figure.update_xaxes(title={"text": x})
    figure.update_yaxes(title={"text": y})
    return figure
