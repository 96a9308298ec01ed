"""Format values for display: short, on one line, safe for terminals."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from itertools import pairwise
from pathlib import PurePath
from typing import Any

from hyperspace_core.config.tree import CLASS_NAME

# colours and "erase to the end of the line" are dropped; other control characters are escaped
_HARMLESS = re.compile(r"\x1b\[[0-9;]*[mK]")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def harmless(text: str) -> str:
    """Escape control characters except newlines and tabs, for terminals."""
    return _CONTROLS.sub(_spelled, _HARMLESS.sub("", text))


def one_line(text: str, limit: int | None = None) -> str:
    """Make text safe and put it on one line, cut to `limit` characters."""
    line = harmless(text.replace("\n", "⏎").replace("\t", " "))
    return line if limit is None or len(line) <= limit else f"{line[:max(0, limit - 1)]}…"


def number(value: float | None) -> str:
    """Format with six significant digits; integers in full; empty for None."""
    if value is None:
        return ""
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    return f"{value:.6g}"


def value_text(value: Any) -> str:
    """Format a value of a config, a metric or a note on one line."""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, Mapping):
        return _inner(value) if CLASS_NAME in value else brief(value)
    return one_line(json.dumps(value, ensure_ascii=False, default=str))


def brief(tree: Mapping[str, Any]) -> str:
    """Format a config on one line: `classifier=Forest(trees=200) scaler=Standard`."""
    return " ".join(f"{one_line(str(key))}={_inner(value)}" for key, value in tree.items())


def seconds(value: float | None) -> str:
    """`0.8s`, `42s`, `3 min 10 s`, `2 h 5 min`, `3 d 4 h`; empty for None."""
    if value is None or not math.isfinite(value):
        return ""
    value = max(0.0, value)        # a wall clock that was set back
    if value < 9.95:
        return f"{value:.1f}s"
    if value < 60:
        return f"{value:.0f}s"
    (size, unit), (below, short) = next(pair for pair in pairwise(_UNITS) if value >= pair[0][0])
    whole, rest = divmod(value, size)
    part = int(rest // below)
    return f"{int(whole)} {unit} {part} {short}" if part else f"{int(whole)} {unit}"


def ago(moment: datetime | None, now: datetime) -> str:
    """Time since a moment: `3 min 10 s ago`; empty for None."""
    return "" if moment is None else f"{seconds((now - moment).total_seconds())} ago"


def age(moment: datetime | None, now: datetime) -> str:
    """Time since a moment in its largest unit, for columns: `3 min`."""
    return "" if moment is None else " ".join(seconds((now - moment).total_seconds()).split()[:2])


def byte_count(count: int | None) -> str:
    """`712 B`, `3.4 MB`; empty for None."""
    if count is None:
        return ""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return ""


def counted(count: int, what: str = "run") -> str:
    """`1 run`, `1,200 runs`."""
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"


def ids_text(ids: Sequence[int]) -> str:
    """`1 to 6, 9`."""
    spans: list[list[int]] = []
    for run in ids:
        if spans and run == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], run]
        else:
            spans.append([run])
    return ", ".join((" to " if span[-1] - span[0] > 1 else ", ").join(map(str, span)) for span in spans)


def _inner(value: Any) -> str:
    if isinstance(value, Mapping):
        name = value.get(CLASS_NAME)
        rest = {key: inner for key, inner in value.items() if key != CLASS_NAME}
        inside = ", ".join(f"{one_line(str(key))}={_inner(inner)}" for key, inner in rest.items())
        if isinstance(name, str):
            return one_line(name) + (f"({inside})" if rest else "")
        return "{" + inside + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inner(inner) for inner in value) + "]"
    if isinstance(value, str):
        return one_line(value) if value and value == value.strip() else json.dumps(value)
    return value_text(value)


def _spelled(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


# -- Align columns of text for terminals, pipes and files --

GAP = "  "
_NUMBER = re.compile(r"[-+]?(\d[\d.,e+-]*|nan|inf)(\s?(%|s|min|h|d|B|kB|MB|GB))?(\s\d+ (s|min|h))?|")


def align_columns(rows: Sequence[Sequence[str]]) -> list[str]:
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


# -- Convert records to trees for JSON, under their Python field names --

def to_json(value: Any) -> Any:
    """Convert a record, or any value of a record, to dicts, lists and scalars.

    Times become ISO texts. NaN and infinities, which JSON lacks, become the texts "NaN", "Infinity" and
    "-Infinity".
    """
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else json.dumps(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(to_json(key)): to_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(inner) for inner in value]
    return sorted(map(to_json, value), key=repr) if isinstance(value, set | frozenset) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, PurePath) else repr(value)
