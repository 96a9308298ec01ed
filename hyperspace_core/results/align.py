"""Align columns of text for terminals, pipes and files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

GAP = "  "
_NUMBER = re.compile(r"[-+]?(\d[\d.,e+-]*|nan|inf)(\s?(%|s|min|h|d|B|kB|MB|GB))?(\s\d+ (s|min|h))?|")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Format rows as aligned lines: heading first, numbers to the right."""
    if not rows:
        return []
    columns = list(zip(*rows, strict=True))
    widths = [max(map(width, column)) for column in columns]
    right = [is_numeric(column[1:]) for column in columns]
    shapes = list(zip(widths, right, strict=True))
    return [GAP.join(_padded(cell, *shape) for cell, shape in zip(row, shapes, strict=True)).rstrip()
            for row in rows]


def fitting(rows: Sequence[Sequence[str]], room: int) -> int:
    """Number of columns from the left that fit into `room`; at least one."""
    used, count = -len(GAP), 0
    for column in zip(*rows, strict=True):
        used += len(GAP) + max(map(width, column))
        if used > room:
            break
        count += 1
    return max(1, count)


def is_numeric(cells: Sequence[str]) -> bool:
    """Whether all cells are numbers (with or without a unit) or empty."""
    return any(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)


def width(text: str) -> int:
    """Number of terminal columns that the text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
               for letter in text)


def cut(text: str, room: int, dots: str = "…") -> str:
    """Shorten a text to `room` terminal columns; `dots` mark the cut."""
    if width(text) <= room:
        return text
    left = room - len(dots)
    kept = []
    for letter in text:
        left -= width(letter)
        if left < 0:
            break
        kept.append(letter)
    return "".join(kept) + dots[:room]


def folds(text: str, room: int, rest: int) -> list[str]:
    """Wrap the text at blanks: first line to `room` columns, others to `rest`.

    A word that is longer than a line, such as a path, stays whole.
    """
    lines = []
    while width(text) > room:
        end = len(cut(text, room, ""))
        blank = text.rfind(" ", 0, end + 1)
        if not text[:max(0, blank)].strip():
            blank = text.find(" ", end)
        if blank < 0:
            break
        lines.append(text[:blank].rstrip())
        text, room = text[blank:].lstrip(), rest
    return [*lines, text]


def _padded(cell: str, size: int, right: bool) -> str:
    space = " " * (size - width(cell))
    return space + cell if right else cell + space
