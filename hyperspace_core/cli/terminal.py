"""Output: text for a terminal, plain columns for a pipe, JSON for a program.

Results go to stdout; warnings, progress and hints go to stderr.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

import click

from hyperspace_core.errors import ExitCode, UsageError
from hyperspace_core.results import format as fmt

T = TypeVar("T")

SHOWN = 40                     # rows that a terminal gets by default
_OBEYED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def echo_raw(text: str = "", *, nl: bool = True, err: bool = False) -> None:
    """Print text unchanged."""
    # with an explicit stream, because click by default replaces an ASCII stream
    click.echo(text, nl=nl, file=sys.stderr if err else sys.stdout)


def echo(text: str = "") -> None:
    """Print a result, or a part of one; control characters are escaped."""
    echo_raw(fmt.harmless(text))


def echo_hint(text: str) -> None:
    """Print a hint to stderr, on a terminal only."""
    if sys.stderr.isatty():
        echo_raw(click.style(fmt.harmless(text), dim=True), err=True)


def echo_note(text: str) -> None:
    """Print a note to stderr, on a terminal or not."""
    echo_raw(fmt.harmless(text), err=True)


def warn(text: str) -> None:
    """Print a warning to stderr."""
    echo_raw(message_line(text), err=True)


def echo_error(text: str) -> None:
    """Print an error to stderr."""
    echo_raw(message_line(text, bad=True), err=True)


def message_line(text: str, *, bad: bool = False) -> str:
    """The text of a warning, or of an error."""
    head = click.style("error: ", fg="red", bold=True) if bad else click.style("warning: ", fg="yellow")
    return head + fmt.harmless(text)


def echo_json(value: Any) -> None:
    """Print records as JSON; the keys are their Python names."""
    text = json.dumps(fmt.to_json(value), ensure_ascii=not speaks_unicode(),
                      indent=2 if sys.stdout.isatty() else None)
    # JSON does not escape some control characters
    echo_raw(_OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def echo_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str = "",
               whole: bool = False) -> None:
    """Print columns under heads, or the hint `empty` if there are no rows.

    A pipe gets everything. On a terminal lines are cut; with `whole`, columns that do not fit are left out.
    """
    cells = [[fmt.one_line(cell) for cell in row] for row in (heads, *rows)]
    if len(cells) == 1:
        if empty:
            echo_hint(empty)
        return
    room = stdout_width()
    count = fmt.fitting(cells, room) if whole and room is not None else len(heads)
    lines = fmt.align_columns([row[:count] for row in cells])
    for number, line in enumerate(lines if room is None else [fmt.cut(line, room, dots()) for line in lines]):
        echo_raw(click.style(line, bold=True) if number == 0 else line)
    if count < len(heads):
        left_out = ", ".join(cells[0][count:])
        echo_hint(f"no room for {left_out}: widen the terminal, or pipe it into `less -S`")


def bearable(limit: int | None) -> int | None:
    """The number of rows to show: `limit`, else `SHOWN` on a terminal, else None."""
    return SHOWN if limit is None and stdout_width() is not None else limit


def hint_at_more(count: int) -> None:
    """Print how many rows were left out."""
    if count > 0:
        echo_hint(f"{count} more; --limit shows more of them")


def new_page(*, fold: bool = False) -> Page:
    """A page for the present stdout; see `Page`."""
    return Page(stdout_width(), dots=dots(), fold=fold)


def echo_page(page: Page) -> None:
    echo_raw(page.text)


def stdout_width() -> int | None:
    """The width of the terminal in characters; None if stdout is not a terminal."""
    if not sys.stdout.isatty():
        return None
    from shutil import get_terminal_size

    return max(20, get_terminal_size().columns)


def dots() -> str:
    """The mark of a line that is cut."""
    return "…" if speaks_unicode() else "..."


def bars_of_stdout() -> str:
    """The two characters of a progress bar on this terminal; "" for a pipe."""
    return "" if stdout_width() is None else "━╌" if speaks_unicode() else "#."


def speaks_unicode() -> bool:
    """Whether stdout can show non-ASCII characters."""
    return "utf" in (getattr(sys.stdout, "encoding", None) or "").lower()


def tracked(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield the items, with a progress bar if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=what, total=total, console=Console(stderr=True), transient=True)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before an action that cannot be undone; without a terminal `yes` is needed."""
    question = f"{question.rstrip('?')}?"
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} stdin is not a terminal; pass --yes to confirm")
    if not click.confirm(question, err=True):
        echo_raw("nothing was done", err=True)
        raise click.exceptions.Exit(ExitCode.FAILED)


# -- A page of text: headings, lines, tables. Control characters in it are escaped --

# the styles of a piece of a line, and how a terminal shows them
STYLES: Mapping[str, Mapping[str, Any]] = {
    "": {}, "head": {"bold": True}, "quiet": {"dim": True},
    "good": {"fg": "green"}, "busy": {"fg": "cyan"}, "held": {"fg": "yellow"}, "bad": {"fg": "red"},
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
        styled = (piece if isinstance(piece, tuple) else (piece, "") for piece in pieces)
        texts = [(fmt.one_line(text), style) for text, style in styled]
        spans = [(f"{fmt.GAP if number else ''}{text}", style)
                 for number, (text, style) in enumerate((text, style) for text, style in texts if text)]
        if self._fold and self._room is not None:
            self._lines += _folded(spans, self._room, indent, hang)
            return
        used, shown = indent, ""
        for text, style in spans:
            kept = text if self._room is None else fmt.cut(text, max(0, self._room - used), self._dots)
            used += fmt.width(kept)
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
        cells = [[fmt.one_line(cell) for cell in row] for row in rows]
        if not cells:
            return
        columns = zip(heads or [""] * len(cells[0]), *cells, strict=True)
        kept = [column for column in columns if heads or any(column[1:])]
        first, *rest = fmt.align_columns(list(zip(*kept, strict=True)))
        last = sum(max(map(fmt.width, column)) + len(fmt.GAP) for column in kept[:-1])
        hang = last if self._room is not None and last < self._room / 2 else 4
        if heads:
            self.line((first, "quiet"), indent=indent, hang=hang)
        for text in rest:
            self.line(text, indent=indent, hang=hang)

    def block(self, text: str, *, indent: int = 4) -> None:
        """Add text of several lines, such as a traceback; its lines are not cut."""
        for raw in fmt.harmless(text).rstrip("\n").split("\n"):
            self._lines.append(textwrap.indent(raw, " " * indent).rstrip())

    @property
    def text(self) -> str:
        return "\n".join(self._lines)


def _coloured(text: str, style: str) -> str:
    return click.style(text, **STYLES[style]) if style and text else text


def _folded(spans: Sequence[tuple[str, str]], room: int, indent: int, hang: int) -> list[str]:
    """Fold to lines of at most `room` characters; each keeps the style of its span."""
    styles = [style for text, style in spans for _ in text]
    lines, at, whole = [], 0, "".join(text for text, _ in spans)
    deeper = indent + hang
    for number, line in enumerate(fmt.folds(whole, room - indent, room - deeper)):
        at = whole.index(line, at)
        shown = "".join(_coloured("".join(letter for letter, _ in group), style) for style, group in groupby(
            zip(line, styles[at:at + len(line)], strict=True), key=itemgetter(1)))
        at += len(line)
        lines.append(" " * (deeper if number else indent) + shown if line else "")
    return lines
