"""Columns of text that line up, for pipes, files and prompts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

GAP = "  "
_NUMBER = re.compile(r"[-+]?(\d[\d.,e+-]*|nan|inf)(\s?(%|s|min|h|d|B|kB|MB|GB))?|")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines, the first being the heads; columns of numbers lean to the right."""
    if not rows:
        return []
    columns = list(zip(*rows, strict=True))
    widths = [max(map(width, column)) for column in columns]
    right = [is_numeric(column[1:]) for column in columns]
    return [GAP.join(_padded(cell, size, lean) for cell, size, lean in zip(row, widths, right, strict=True)).rstrip()
            for row in rows]


def is_numeric(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers, perhaps with a unit, and nothing else."""
    return any(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)


def width(text: str) -> int:
    """How many places of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
               for letter in text)


def _padded(cell: str, size: int, right: bool) -> str:
    space = " " * (size - width(cell))
    return space + cell if right else cell + space
