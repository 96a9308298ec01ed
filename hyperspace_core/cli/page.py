"""A page for people: headings, lines of pieces, tables. Whatever was stored is harmless on it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from hyperspace_core.results.align import GAP, aligned, cut, width
from hyperspace_core.results.words import harmless, one_line

# what a piece of a line may be, and how a terminal shows it
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
    """Grows line by line. `room`: longer lines are cut to it; None, as for a pipe, leaves them whole."""

    def __init__(self, room: int | None = None, *, dots: str = "…") -> None:
        self._room, self._dots = room, dots
        self._lines: list[str] = []

    def line(self, *pieces: Piece, indent: int = 0) -> None:
        """One line; its pieces stand two blanks apart, empty ones are left out."""
        used = indent
        shown: list[str] = []
        for piece in pieces:
            text, style = piece if isinstance(piece, tuple) else (piece, "")
            text = one_line(text)
            if not text:
                continue
            text = (GAP if shown else "") + text
            if self._room is not None:
                text = cut(text, max(0, self._room - used), self._dots)
            used += width(text)
            shown.append(click.style(text, **STYLES[style]) if style and text else text)
        self._lines.append(" " * indent + "".join(shown) if shown else "")

    def heading(self, text: str, *rest: Piece) -> None:
        """A line above others, with an empty one before it."""
        self.gap()
        self.line((text, "head"), *rest)

    def gap(self) -> None:
        """An empty line, but for the top of the page and after another."""
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def rows(self, rows: Iterable[Sequence[str]], *, heads: Sequence[str] = (), indent: int = 2) -> None:
        """Columns that line up; without heads, those that are empty throughout are left out."""
        cells = [[one_line(cell) for cell in row] for row in rows]
        if not cells:
            return
        columns = zip(heads or [""] * len(cells[0]), *cells, strict=True)
        kept = [column for column in columns if heads or any(column[1:])]
        first, *rest = aligned(list(zip(*kept, strict=True)))
        if heads:
            self.line((first, "quiet"), indent=indent)
        for text in rest:
            self.line(text, indent=indent)

    def block(self, text: str, *, indent: int = 4) -> None:
        """Text of several lines, such as a traceback, whole: it is folded on a terminal, not cut."""
        for raw in harmless(text).rstrip("\n").split("\n"):
            self._lines.append(textwrap.indent(raw, " " * indent).rstrip())

    @property
    def text(self) -> str:
        return "\n".join(self._lines)
