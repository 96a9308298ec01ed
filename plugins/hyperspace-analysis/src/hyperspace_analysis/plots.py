"""`study.plot` and `results.plot`: plots of a study's runs, and of selected runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hyperspace_analysis import figures
from hyperspace_analysis.history import history_of_search, history_of_task, importance
from hyperspace_analysis.timeline import timeline
from hyperspace_core.errors import UsageError
from hyperspace_core.plugin import get_search, tables
from hyperspace_core.records import RunFilter, State

if TYPE_CHECKING:
    from hyperspace_analysis.drawing import Figure
    from hyperspace_core.plugin import Results
    from hyperspace_core.records import Condition
    from hyperspace_core.study import Study

ENDED = (State.COMPLETED, State.FAILED)        # states that a history shows


class StudyPlots:
    """`study.plot`: plots of the study's runs; each method returns a plotly figure.

    `where`: as in `Study.results`. All raise `HyperspaceError` if plotly is not installed, `UsageError` if
    there is nothing to plot.
    """

    def __init__(self, study: Study) -> None:
        self._study = study

    def curves(self, task: str, metric: str | None = None, *, where: str | Iterable[str | Condition] = (),
               best: int = figures.CURVES) -> Figure:
        """Plot the series `metric` of the best runs; default: the task's metric."""
        return figures.curves(self._study.store, self._study.results(task, where=where), metric, best=best)

    def parallel(self, task: str, *, where: str | Iterable[str | Condition] = ()) -> Figure:
        """Parallel coordinates of the differing hyper-parameters, coloured by result."""
        return figures.parallel(self._study.results(task, where=where))

    def parameter(self, task: str, name: str, *, where: str | Iterable[str | Condition] = ()) -> Figure:
        """Plot the result against one hyper-parameter."""
        return figures.parameter(self._study.results(task, where=where), name)

    def timeline(self, task: str | None = None, *, where: str | Iterable[str | Condition] = ()) -> Figure:
        """Timeline: a row for each worker, a bar for each attempt, coloured by outcome."""
        return timeline(self._study.results(task, where=where, states=(), comparable="all"))

    def history(self, task: str | None = None, *, search: int | None = None,
                where: str | Iterable[str | Condition] = ()) -> Figure:
        """Plot the results of a task or a search in order, with the best so far."""
        if (task is None) == (search is None):
            raise UsageError("history: name a task or a search, as in history(search=1)")
        if search is None:
            return history_of_task(self._study.results(task, where=where, states=ENDED))
        found = get_search(self._study.store, self._study.name, search)
        runs = self._study.store.find(RunFilter(project=self._study.name, search=found.uid))
        return history_of_search(list(runs), found)

    def importance(self, search: int) -> Figure:
        """Plot the importance of each parameter of a search.

        It uses all runs that the search learns from, and needs a tuner that computes it, such as TPE or GP.
        """
        found = self._study.search(search)
        return importance(found.importance(), f"importance in search {search} of {found.record.task}")


class ResultPlots:
    """`results.plot`: like `study.plot`, of the selected runs.

    All raise `HyperspaceError` if plotly is not installed, `UsageError` if there is nothing to plot.
    """

    def __init__(self, results: Results) -> None:
        self._results = results

    def curves(self, metric: str | None = None, *, best: int = figures.CURVES) -> Figure:
        """Plot the series `metric` of the best runs; default: the task's metric."""
        return figures.curves(self._results, tables.best_first(self._results), metric, best=best)

    def parallel(self) -> Figure:
        """Parallel coordinates of the differing hyper-parameters, coloured by result."""
        return figures.parallel(self._results)

    def parameter(self, name: str) -> Figure:
        """Plot the result against one hyper-parameter."""
        return figures.parameter(self._results, name)

    def timeline(self) -> Figure:
        """Timeline: a row for each worker, a bar for each attempt, coloured by outcome."""
        return timeline(self._results)

    def history(self) -> Figure:
        """Plot the results in order, with the best so far."""
        return history_of_task(self._results)
