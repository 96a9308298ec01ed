"""Output: text for a terminal, plain columns for a pipe, JSON for a program.

Results go to stdout; warnings, progress and hints go to stderr.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from hyperspace_core.cli.page import Page

T = TypeVar("T")

SHOWN = 40                     # rows that a terminal gets by default
_OBEYED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def put(text: str = "", *, nl: bool = True, err: bool = False) -> None:
    """Print text unchanged."""
    # with an explicit stream, because click by default replaces an ASCII stream
    click.echo(text, nl=nl, file=sys.stderr if err else sys.stdout)


def say(text: str = "") -> None:
    """Print a result, or a part of one; control characters are escaped."""
    from hyperspace_core.results.words import harmless

    put(harmless(text))


def hint(text: str) -> None:
    """Print a hint to stderr, on a terminal only."""
    if sys.stderr.isatty():
        put(click.style(_one(text), dim=True), err=True)


def note(text: str) -> None:
    """Print a note to stderr, on a terminal or not."""
    put(_one(text), err=True)


def warn(text: str) -> None:
    """Print a warning to stderr."""
    put(remark(text), err=True)


def complain(text: str) -> None:
    """Print an error to stderr."""
    put(remark(text, bad=True), err=True)


def remark(text: str, *, bad: bool = False) -> str:
    """The text of a warning, or of an error."""
    head = click.style("error: ", fg="red", bold=True) if bad else click.style("warning: ", fg="yellow")
    return head + _one(text)


def say_json(value: Any) -> None:
    """Print records as JSON; the keys are their Python names."""
    from hyperspace_core.results.plain import plain

    text = json.dumps(plain(value), ensure_ascii=not speaks_unicode(),
                      indent=2 if sys.stdout.isatty() else None)
    # JSON does not escape some control characters
    put(_OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def say_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str = "",
              whole: bool = False) -> None:
    """Print columns under heads, or the hint `empty` if there are no rows.

    A pipe gets everything. On a terminal lines are cut; with `whole`, columns that do not fit are left out.
    """
    from hyperspace_core.results.align import aligned, cut, fitting
    from hyperspace_core.results.words import one_line

    cells = [[one_line(cell) for cell in row] for row in (heads, *rows)]
    if len(cells) == 1:
        if empty:
            hint(empty)
        return
    room = room_of_stdout()
    count = fitting(cells, room) if whole and room is not None else len(heads)
    lines = aligned([row[:count] for row in cells])
    for number, line in enumerate(lines if room is None else [cut(line, room, dots()) for line in lines]):
        put(click.style(line, bold=True) if number == 0 else line)
    if count < len(heads):
        left_out = ", ".join(cells[0][count:])
        hint(f"no room for {left_out}: widen the terminal, or pipe it into `less -S`")


def bearable(limit: int | None) -> int | None:
    """The number of rows to show: `limit`, else `SHOWN` on a terminal, else None."""
    return SHOWN if limit is None and room_of_stdout() is not None else limit


def hint_at_more(count: int) -> None:
    """Print how many rows were left out."""
    if count > 0:
        hint(f"{count} more; --limit shows more of them")


def new_page(*, fold: bool = False) -> Page:
    """A page for the present stdout; see `Page`."""
    from hyperspace_core.cli.page import Page

    return Page(room_of_stdout(), dots=dots(), fold=fold)


def say_page(page: Page) -> None:
    put(page.text)


def room_of_stdout() -> int | None:
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
    return "" if room_of_stdout() is None else "━╌" if speaks_unicode() else "#."


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
    from hyperspace_core.errors import ExitCode, UsageError

    question = f"{question.rstrip('?')}?"
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} stdin is not a terminal; pass --yes to confirm")
    if not click.confirm(question, err=True):
        put("nothing was done", err=True)
        raise click.exceptions.Exit(ExitCode.FAILED)


def _one(text: str) -> str:
    from hyperspace_core.results.words import harmless

    return harmless(text)
