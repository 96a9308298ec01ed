"""Runs as a pandas frame; pandas is an extra and imported on use only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from hyperspace_core.errors import HyperspaceError
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.table import ID, tabulate

if TYPE_CHECKING:
    import pandas


def to_frame(records: Iterable[RunRecord], *, constant: bool = False) -> pandas.DataFrame:
    """One row a run, best first, under the index `run`; columns that tell nothing are left out.

    `constant=True` keeps them. A run without a value has NaN in a column of numbers, None elsewhere. Without
    runs the frame is empty. Raises `HyperspaceError` where pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise HyperspaceError("a frame needs pandas, which is not installed; "
                              "pip install 'hyperspace-core[pandas]'") from error
    table = tabulate(records, constant=constant)
    ids = [record.id for record in table.records]
    index = pd.Index(ids, name="run", dtype="int64")
    columns: dict[str, Any] = {column.name: _series(pd, column.shown, index)
                               for column in table.columns if column.path != ID}
    return pd.DataFrame(columns, index=index)


def _series(pd: Any, values: tuple[Any, ...], index: Any) -> Any:
    numbers = [value for value in values if value is not None]
    plain = all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers)
    if plain and len(numbers) == len(values):
        return pd.Series(list(values), index=index)
    if plain and numbers:
        filled = [float("nan") if value is None else value for value in values]
        return pd.Series(filled, index=index, dtype="float64")
    return pd.Series(list(values), index=index, dtype=object)
