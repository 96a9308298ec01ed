"""What `Study.results` gives back: records to loop over, a frame to work on, a table to look at."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from hyperspace_core.config.tree import MISSING
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.align import aligned
from hyperspace_core.results.table import SECONDS, Column, Table, best_first, tabulate
from hyperspace_core.results.words import seconds, value_text

if TYPE_CHECKING:
    import pandas

    from hyperspace_core.results.comparable import LeftOut

SHOWN = 30                     # rows that a notebook or prompt is shown; all are there


class Results(Sequence[RunRecord]):
    """Runs, best first by their task's metric. Looks like a table in a notebook and at a prompt.

    `left_out`: the runs that are not comparable with these, each with its `record` and `reasons`.
    """

    def __init__(self, records: Iterable[RunRecord] = (), left_out: Iterable[LeftOut] = ()) -> None:
        self._records = tuple(best_first(records))
        self.left_out = tuple(left_out)

    @overload
    def __getitem__(self, index: int) -> RunRecord: ...
    @overload
    def __getitem__(self, index: slice) -> Results: ...
    def __getitem__(self, index: int | slice) -> RunRecord | Results:
        found = self._records[index]
        return found if isinstance(found, RunRecord) else Results(found, self.left_out)

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[RunRecord]:
        return iter(self._records)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Results) and self._records == other._records

    __hash__ = None  # type: ignore[assignment]

    def to_frame(self, *, constant: bool = False) -> pandas.DataFrame:
        """A pandas frame under the index `run`; `constant=True` keeps columns that tell nothing apart.

        Raises `HyperspaceError` where pandas is not installed.
        """
        from hyperspace_core.results.frame import to_frame

        return to_frame(self._records, constant=constant)

    def table(self, *, constant: bool = False) -> Table:
        """The comparison as columns and rows, without pandas."""
        return tabulate(self._records, constant=constant)

    def __repr__(self) -> str:
        if not self._records:
            return "\n".join(["no runs", *self._rest()])
        head, cells = text_of(tabulate(self._records[:SHOWN]))
        return "\n".join([*aligned([head, *cells]), *self._rest()])

    def _repr_html_(self) -> str:
        rest = "".join(f"<p>{html.escape(line)}</p>" for line in self._rest())
        if not self._records:
            return f"<p>no runs</p>{rest}"
        head, cells = text_of(tabulate(self._records[:SHOWN]))
        top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
        rows = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in cells)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>{rest}"

    def _rest(self) -> list[str]:
        from hyperspace_core.results.comparable import summary

        more = [f"… {len(self) - SHOWN} more"] if len(self) > SHOWN else []
        return [*more, *filter(None, [summary(self.left_out, 'comparable="all"')])]


def text_of(table: Table) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of a table as people read them."""
    columns = [[_cell(column, value) for value in column.values] for column in table.columns]
    return [_head(column) for column in table.columns], [list(row) for row in zip(*columns, strict=True)]


def _head(column: Column) -> str:
    return "time" if column.path == SECONDS else value_text(column.name)


def _cell(column: Column, value: Any) -> str:
    if value is MISSING:
        return ""
    return seconds(value) if column.path == SECONDS else value_text(value)
