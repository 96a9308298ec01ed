"""Base class of table-like results: display and export."""

from __future__ import annotations

import copy
import csv
import html
import json
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import NoneType
from typing import IO, TYPE_CHECKING, Any, Self, TypeVar, overload

from hyperspace_core.config.tree import LEAVES, MISSING, Missing
from hyperspace_core.errors import HyperspaceError, UsageError, did_you_mean
from hyperspace_core.results.format import align_columns, seconds, to_json, value_text
from hyperspace_core.results.table import ID, SECONDS, Column, Table, gc_paused

if TYPE_CHECKING:
    import pandas

Item = TypeVar("Item")

SHOWN = 30                     # rows that a notebook or prompt shows


class Tabular(ABC):
    """Shown as a table in a notebook or at a prompt; exports to a frame or a file."""

    nothing = "no runs"

    @abstractmethod
    def table(self, *, constant: bool = False) -> Table:
        """Columns and rows, without pandas; `constant=True` keeps constant columns."""

    @gc_paused()
    def to_frame(self, *, constant: bool = False) -> pandas.DataFrame:
        """Convert to a pandas frame; `constant=True` keeps constant columns.

        Raises `HyperspaceError` if pandas is not installed.
        """
        return frame_of(self.table(constant=constant))

    def to_csv(self, path: str | Path, *, constant: bool = False, raw: bool = False) -> Path:
        """Write CSV for a spreadsheet; formula text gets a leading `'`.

        `raw=True` leaves such text unchanged, for programs.
        """
        return write_csv(self.table(constant=constant), path, raw=raw)

    def to_jsonl(self, path: str | Path, *, constant: bool = False) -> Path:
        """Write JSON lines: one object a row."""
        return write_jsonl(self.table(constant=constant), path)

    def to_parquet(self, path: str | Path, *, constant: bool = False) -> Path:
        """Write Parquet. Raises `HyperspaceError` if pyarrow is not installed."""
        return write_parquet(self.table(constant=constant), path)

    def __repr__(self) -> str:
        head, cells = text_of(self._page())
        return "\n".join([*(align_columns([head, *cells]) if cells else [self.nothing]), *self._rest()])

    def _repr_html_(self) -> str:
        rest = "".join(f"<p>{html.escape(line)}</p>" for line in self._rest())
        head, cells = text_of(self._page())
        if not cells:
            return f"<p>{html.escape(self.nothing)}</p>{rest}"
        top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
        rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in cells)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{rest}"

    def _page(self) -> Table:
        """The part of the table that is shown."""
        return self.table()

    def _rest(self) -> list[str]:
        """Lines below the shown table."""
        return []


class Rows(Tabular, Sequence[Item]):
    """A sequence of items, shown as a table of the first ones and a count of the rest."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = tuple(items)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Item | Self:
        if not isinstance(index, slice):
            return self._items[index]
        part = copy.copy(self)
        part._items = self._items[index]
        return part

    def __len__(self) -> int:
        return len(self._items)

    def _rest(self) -> list[str]:
        return [f"… {len(self) - SHOWN:,} more"] if len(self) > SHOWN else []


def text_of(table: Table) -> tuple[list[str], list[list[str]]]:
    """Format the heads and cells of a table as text."""
    columns = [[_cell(column, value) for value in column.values] for column in table.columns]
    heads = ["time" if column.path == SECONDS else value_text(column.name) for column in table.columns]
    return heads, [list(row) for row in zip(*columns, strict=True)]


def _cell(column: Column, value: Any) -> str:
    if value is MISSING:
        return ""
    return seconds(value) if column.path == SECONDS else value_text(value)


# -- Write tables as CSV (safe for spreadsheets), JSON lines or Parquet --

# a cell that begins with one of these is a formula to some spreadsheet; the last four are full-width
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")


def write_csv(table: Table, path: str | Path, *, raw: bool = False) -> Path:
    """Write CSV (RFC 4180); formula text gets a leading `'` unless `raw`.

    Numbers stay numbers. A missing value is an empty cell; lists and dicts are JSON.
    """
    with _written(path) as file:
        writer = csv.writer(file)
        writer.writerow([_text(name, raw) for name in table.names])
        for row in _rows(table):
            writer.writerow([_csv_cell(value, raw) for value in row])
    return Path(path)


def write_jsonl(table: Table, path: str | Path) -> Path:
    """Write JSON lines without missing values; NaN and infinities become texts."""
    with _written(path) as file:
        for row in _rows(table):
            cells = {name: to_json(value) for name, value in zip(table.names, row, strict=True)
                     if value is not MISSING}
            file.write(json.dumps(cells, ensure_ascii=False) + "\n")
    return Path(path)


def write_parquet(table: Table, path: str | Path) -> Path:
    """Write Parquet; mixed types become JSON. Raises `HyperspaceError`."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise HyperspaceError("Parquet needs pyarrow, which is not installed; "
                              "pip install 'hyperspace-core[parquet]'") from error
    columns = {column.name: _arrow(pyarrow, column.shown) for column in table.columns}
    with _written(path, "wb") as file:
        pyarrow.parquet.write_table(pyarrow.table(columns), file)
    return Path(path)


FORMATS: dict[str, Callable[[Table, Path, bool], Path]] = {
    ".csv": lambda table, path, raw: write_csv(table, path, raw=raw),
    ".jsonl": lambda table, path, _: write_jsonl(table, path),
    ".parquet": lambda table, path, _: write_parquet(table, path),
}


def write(table: Table, path: Path, *, raw: bool = False) -> Path:
    """Write in the format given by the file's suffix. See `checked_format`."""
    return FORMATS[checked_format(path)](table, path, raw)


def checked_format(path: Path) -> str:
    """Return the file's suffix. Raises `UsageError` for an unknown format."""
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise UsageError(f"{path}: expected a name that ends with {', '.join(FORMATS)}, "
                         f"got {ending or 'none'!r}{did_you_mean(ending, FORMATS)}")
    return ending


@contextmanager
def _written(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file that replaces the target at the end. Raises `UsageError`."""
    target = Path(path)
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        number, part = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(number, mode, **text) as file:
                yield file
            mask = os.umask(0)
            os.umask(mask)
            Path(part).chmod(0o666 & ~mask)
            Path(part).replace(target)
        finally:
            Path(part).unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {error.strerror}") from error


def _rows(table: Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.values for column in table.columns), strict=True)


def _csv_cell(value: Any, raw: bool) -> str:
    if value is MISSING:
        return ""
    if isinstance(value, str):
        return _text(value, raw)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return repr(value) if isinstance(value, int | float) else _json(value)


def _text(text: str, raw: bool) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) and not raw else text


def _json(value: Any) -> str:
    return json.dumps(to_json(value), ensure_ascii=False)


def _arrow(pyarrow: Any, values: tuple[Any, ...]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        kind = pyarrow.int64() if kinds == {int} else pyarrow.float64()
        return pyarrow.array(list(values), type=kind)
    if len(kinds) == 1 and kinds <= {bool, str}:
        return pyarrow.array(list(values))
    return pyarrow.array([None if value is None else _json(value) for value in values])


# -- Runs as a pandas frame; pandas is an optional dependency, imported on use --

def frame_of(table: Table) -> pandas.DataFrame:
    """Convert a table; the index is the run id, else the row number.

    A missing value is NaN in a column of numbers, None elsewhere; lists become tuples, for grouping.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise HyperspaceError("a frame needs pandas, which is not installed; "
                              "pip install 'hyperspace-core[pandas]'") from error
    ids = next((column for column in table.columns if column.path == ID), None)
    index = (pd.RangeIndex(len(table.rows)) if ids is None else
             pd.Index(ids.values, name=ids.name, dtype="int64"))
    columns = {column.name: _series(pd, column.values, index)
               for column in table.columns if column is not ids}
    frame: pandas.DataFrame = pd.DataFrame(columns, index=index)
    return frame


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
