"""`results.plot`: plots of the selected runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hyperspace_core.errors import HyperspaceError
from hyperspace_core.records.logged import Point
from hyperspace_core.results import plots
from hyperspace_core.results.table import best_first

if TYPE_CHECKING:
    from hyperspace_core.results.plots import Figure
    from hyperspace_core.results.results import Read, Results


class ResultPlots:
    """Like `study.plot`, for selected runs.
    All raise `HyperspaceError` if plotly is not installed, `UsageError` if there is nothing to plot.
    """

    def __init__(self, results: Results, read: Read | None) -> None:
        self._results, self._read = results, read

    def curves(self, metric: str | None = None, *, best: int = plots.CURVES) -> Figure:
        """Plot the series `metric` of the best runs; default: the task's metric."""
        return plots.curves(self, best_first(self._results), metric, best=best)

    def parallel(self) -> Figure:
        """Parallel coordinates of the differing hyper-parameters, coloured by result."""
        return plots.parallel(self._results)

    def parameter(self, name: str) -> Figure:
        """Plot the result against one hyper-parameter."""
        return plots.parameter(self._results, name)

    def timeline(self) -> Figure:
        """Timeline: a row for each worker, a bar for each attempt, coloured by outcome."""
        return plots.timeline(self._results)

    def history(self) -> Figure:
        """Plot the results in order, with the best so far."""
        from hyperspace_core.results.search_plots import history

        records = plots.of_one_task(self._results)
        return history(records, records[0].metric, records[0].task)

    def points(self, run: int) -> Iterable[Point]:
        """Points that a run has logged."""
        if self._read is None:
            raise HyperspaceError("these runs do not come from a store, so their series cannot be read")
        return self._read(run, None)
