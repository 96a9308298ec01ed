"""Base class of table-like results: display and export."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperspace_core.config.tree import MISSING
from hyperspace_core.results.align import aligned
from hyperspace_core.results.table import SECONDS, Column, Table
from hyperspace_core.results.uncollected import uncollected
from hyperspace_core.results.words import seconds, value_text

if TYPE_CHECKING:
    import pandas

SHOWN = 30                     # rows that a notebook or prompt shows


class Tabular(ABC):
    """Shown as a table in a notebook or at a prompt; exports to a frame or a file."""

    nothing = "no runs"

    @abstractmethod
    def table(self, *, constant: bool = False) -> Table:
        """Columns and rows, without pandas; `constant=True` keeps constant columns."""

    @uncollected()
    def to_frame(self, *, constant: bool = False) -> pandas.DataFrame:
        """Convert to a pandas frame; `constant=True` keeps constant columns.

        Raises `HyperspaceError` if pandas is not installed.
        """
        from hyperspace_core.results.frame import frame_of

        return frame_of(self.table(constant=constant))

    def to_csv(self, path: str | Path, *, constant: bool = False, raw: bool = False) -> Path:
        """Write CSV for a spreadsheet; formula text gets a leading `'`.

        `raw=True` leaves such text unchanged, for programs.
        """
        from hyperspace_core.results.output import write_csv

        return write_csv(self.table(constant=constant), path, raw=raw)

    def to_jsonl(self, path: str | Path, *, constant: bool = False) -> Path:
        """Write JSON lines: one object a row."""
        from hyperspace_core.results.output import write_jsonl

        return write_jsonl(self.table(constant=constant), path)

    def to_parquet(self, path: str | Path, *, constant: bool = False) -> Path:
        """Write Parquet. Raises `HyperspaceError` if pyarrow is not installed."""
        from hyperspace_core.results.output import write_parquet

        return write_parquet(self.table(constant=constant), path)

    def __repr__(self) -> str:
        head, cells = text_of(self._page())
        return "\n".join([*(aligned([head, *cells]) if cells else [self.nothing]), *self._rest()])

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


def text_of(table: Table) -> tuple[list[str], list[list[str]]]:
    """Format the heads and cells of a table as text."""
    columns = [[_cell(column, value) for value in column.values] for column in table.columns]
    return [_head(column) for column in table.columns], [list(row) for row in zip(*columns, strict=True)]


def _head(column: Column) -> str:
    return "time" if column.path == SECONDS else value_text(column.name)


def _cell(column: Column, value: Any) -> str:
    if value is MISSING:
        return ""
    return seconds(value) if column.path == SECONDS else value_text(value)
