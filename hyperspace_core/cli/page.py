"""A page of text: headings, lines, tables. Control characters in it are escaped."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import click

from hyperspace_core.results.align import GAP, aligned, cut, folds, width
from hyperspace_core.results.words import harmless, one_line

# the styles of a piece of a line, and how a terminal shows them
STYLES: Mapping[str, Mapping[str, Any]] = {
    "": {},
    "head": {"bold": True},
    "quiet": {"dim": True},
    "good": {"fg": "green"},
    "busy": {"fg": "cyan"},
    "held": {"fg": "yellow"},
    "bad": {"fg": "red"},
}
STATES = {"QUEUED": "", "PAUSED": "held", "RUNNING": "busy", "COMPLETED": "good", "FAILED": "bad",
          "CANCELLED": "quiet"}

Piece = str | tuple[str, str]      # text, or text and the name of a style


class Page:
    """A list of lines. `room`: the width to which lines are cut; None for a pipe.

    `fold`: longer lines are folded instead of cut.
    """

    def __init__(self, room: int | None = None, *, dots: str = "…", fold: bool = False) -> None:
        self._room, self._dots, self._fold = room, dots, fold
        self._lines: list[str] = []

    def line(self, *pieces: Piece, indent: int = 0, hang: int = 4) -> None:
        """Add a line; its pieces are separated by two blanks, empty ones are left out.

        `hang`: the extra indent of continuation lines, if the line is folded.
        """
        texts = [(one_line(text), style) for text, style in map(_styled, pieces)]
        spans = [(f"{GAP if number else ''}{text}", style)
                 for number, (text, style) in enumerate((text, style) for text, style in texts if text)]
        if self._fold and self._room is not None:
            self._lines += _folded(spans, self._room, indent, hang)
            return
        used, shown = indent, ""
        for text, style in spans:
            kept = text if self._room is None else cut(text, max(0, self._room - used), self._dots)
            used += width(kept)
            shown += _coloured(kept, style)
        self._lines.append(" " * indent + shown if shown else "")

    def heading(self, text: str, *rest: Piece) -> None:
        """Add a heading, with an empty line before it."""
        self.gap()
        self.line((text, "head"), *rest)

    def gap(self) -> None:
        """Add an empty line, except at the top and after another empty line."""
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def rows(self, rows: Iterable[Sequence[str]], *, heads: Sequence[str] = (), indent: int = 2) -> None:
        """Add aligned columns; without heads, columns without any text are left out."""
        cells = [[one_line(cell) for cell in row] for row in rows]
        if not cells:
            return
        columns = zip(heads or [""] * len(cells[0]), *cells, strict=True)
        kept = [column for column in columns if heads or any(column[1:])]
        first, *rest = aligned(list(zip(*kept, strict=True)))
        last = sum(max(map(width, column)) + len(GAP) for column in kept[:-1])
        hang = last if self._room is not None and last < self._room / 2 else 4
        if heads:
            self.line((first, "quiet"), indent=indent, hang=hang)
        for text in rest:
            self.line(text, indent=indent, hang=hang)

    def block(self, text: str, *, indent: int = 4) -> None:
        """Add text of several lines, such as a traceback; its lines are not cut."""
        for raw in harmless(text).rstrip("\n").split("\n"):
            self._lines.append(textwrap.indent(raw, " " * indent).rstrip())

    @property
    def text(self) -> str:
        return "\n".join(self._lines)


def _styled(piece: Piece) -> tuple[str, str]:
    return piece if isinstance(piece, tuple) else (piece, "")


def _coloured(text: str, style: str) -> str:
    return click.style(text, **STYLES[style]) if style and text else text


def _folded(spans: Sequence[tuple[str, str]], room: int, indent: int, hang: int) -> list[str]:
    """Fold to lines of at most `room` characters; each keeps the style of its span."""
    styles = [style for text, style in spans for _ in text]
    lines, at, whole = [], 0, "".join(text for text, _ in spans)
    deeper = indent + hang
    for number, line in enumerate(folds(whole, room - indent, room - deeper)):
        at = whole.index(line, at)
        shown = "".join(_coloured("".join(letter for letter, _ in group), style) for style, group in groupby(
            zip(line, styles[at:at + len(line)], strict=True), key=itemgetter(1)))
        at += len(line)
        lines.append(" " * (deeper if number else indent) + shown if line else "")
    return lines
