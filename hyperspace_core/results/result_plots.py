"""`results.plot`: the pictures of just these runs."""

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
    """As `study.plot`, of runs that were chosen already. All raise `HyperspaceError` where plotly is not
    installed, `UsageError` where there is nothing to show.
    """

    def __init__(self, results: Results, read: Read | None) -> None:
        self._results, self._read = results, read

    def curves(self, metric: str | None = None, *, best: int = plots.CURVES) -> Figure:
        """A line for each of the best of them: the series `metric`, by default that of the task's metric."""
        return plots.curves(self, best_first(self._results), metric, best=best)

    def parallel(self) -> Figure:
        """A line for each run through all hyper-parameters that differ, coloured by the result."""
        return plots.parallel(self._results)

    def parameter(self, name: str) -> Figure:
        """One hyper-parameter against the result."""
        return plots.parameter(self._results, name)

    def timeline(self) -> Figure:
        """A row for each worker, a bar for each attempt, coloured by how it ended."""
        return plots.timeline(self._results)

    def history(self) -> Figure:
        """A point for each run in their order, and a line at the best so far."""
        from hyperspace_core.results.search_plots import history

        records = plots.of_one_task(self._results)
        return history(records, records[0].metric, records[0].task)

    def points(self, run: int) -> Iterable[Point]:
        """What a run has logged."""
        if self._read is None:
            raise HyperspaceError("these runs come from no store, so their series cannot be read")
        return self._read(run, None)
