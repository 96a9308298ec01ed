"""Runs as a pandas frame; pandas is an optional dependency, imported on use."""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType
from typing import TYPE_CHECKING, Any

from hyperspace_core.config.tree import LEAVES, MISSING, Missing
from hyperspace_core.errors import HyperspaceError
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.table import ID, Table, tabulate

if TYPE_CHECKING:
    import pandas


def to_frame(records: Iterable[RunRecord], *, constant: bool = False) -> pandas.DataFrame:
    """Frame with one row a run, best first, without constant columns.

    `constant=True` keeps them. The index is `run`. A missing value is NaN in a column of numbers, None
    elsewhere; lists become tuples, for grouping. Without runs the frame is empty. Raises `HyperspaceError` if
    pandas is not installed.
    """
    return frame_of(tabulate(records, constant=constant))


def frame_of(table: Table) -> pandas.DataFrame:
    """Convert a table; the index is the run id, else the row number."""
    pd = _imported()
    ids = next((column for column in table.columns if column.path == ID), None)
    index = (pd.RangeIndex(len(table.rows)) if ids is None else
             pd.Index(ids.values, name=ids.name, dtype="int64"))
    columns = {column.name: _series(pd, column.values, index)
               for column in table.columns if column is not ids}
    frame: pandas.DataFrame = pd.DataFrame(columns, index=index)
    return frame


def _imported() -> Any:
    """Import pandas. Raises `HyperspaceError` if it is not installed."""
    try:
        import pandas as pd
    except ImportError as error:
        raise HyperspaceError("a frame needs pandas, which is not installed; "
                              "pip install 'hyperspace-core[pandas]'") from error
    return pd


def _series(pd: Any, values: tuple[Any, ...], index: Any) -> Any:
    kinds = set(map(type, values))
    some = kinds - {NoneType, Missing}
    if some and all(issubclass(kind, int | float) and kind is not bool for kind in some):
        if some == kinds:
            return pd.Series(list(values), index=index)
        filled = [float("nan") if value is None or value is MISSING else value for value in values]
        return pd.Series(filled, index=index, dtype="float64")
    if not kinds <= LEAVES:
        values = tuple(map(_hashable, values))
    return pd.Series(list(values), index=index, dtype=object)


def _hashable(value: Any) -> Any:
    if value is MISSING:
        return None
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value
