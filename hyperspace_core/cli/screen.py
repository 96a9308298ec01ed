"""What people and programs get to see: text for a terminal, plain columns for a pipe, JSON for a program.

Results go to stdout, everything about them (warnings, progress, hints) to stderr.
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

SHOWN = 40                     # rows that a terminal gets, unless told otherwise
_OBEYED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def put(text: str = "", *, nl: bool = True, err: bool = False) -> None:
    """Text as it is."""
    # the stream is named, because click of itself takes one that is ASCII for a mistake, and mends it
    click.echo(text, nl=nl, file=sys.stderr if err else sys.stdout)


def say(text: str = "") -> None:
    """A result, or a part of one. Stored text is harmless to a terminal."""
    from hyperspace_core.results.words import harmless

    put(harmless(text))


def hint(text: str) -> None:
    """Something beside the result, for people; not said where nobody looks."""
    if sys.stderr.isatty():
        put(click.style(_one(text), dim=True), err=True)


def note(text: str) -> None:
    """Something beside the result that must be said wherever the result goes."""
    put(_one(text), err=True)


def warn(text: str) -> None:
    """Something that a person should know."""
    put(remark(text), err=True)


def complain(text: str) -> None:
    """Why the command did not do what it was to do."""
    put(remark(text, bad=True), err=True)


def remark(text: str, *, bad: bool = False) -> str:
    """The text of a warning, or of an error."""
    head = click.style("error: ", fg="red", bold=True) if bad else click.style("warning: ", fg="yellow")
    return head + _one(text)


def say_json(value: Any) -> None:
    """Records as JSON, under the names that they have in Python."""
    from hyperspace_core.results.plain import plain

    text = json.dumps(plain(value), ensure_ascii=not speaks_unicode(),
                      indent=2 if sys.stdout.isatty() else None)
    # JSON leaves some characters alone that a terminal obeys
    put(_OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def say_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str = "",
              whole: bool = False) -> None:
    """Columns under heads; `empty` is said where there are no rows. Cells are one line each.

    A pipe gets all of it. On a terminal lines are cut; with `whole`, columns that do not fit are left out.
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
    """How many rows to show where a person may have said so: on a terminal not more than can be read."""
    return SHOWN if limit is None and room_of_stdout() is not None else limit


def hint_at_more(count: int) -> None:
    """Rows that were left out for that."""
    if count > 0:
        hint(f"{count} more; --limit shows more of them")


def new_page(*, fold: bool = False) -> Page:
    """A page for stdout, as it is now; see `Page`."""
    from hyperspace_core.cli.page import Page

    return Page(room_of_stdout(), dots=dots(), fold=fold)


def say_page(page: Page) -> None:
    put(page.text)


def room_of_stdout() -> int | None:
    """How many places a line has on this terminal; None where there is no terminal."""
    if not sys.stdout.isatty():
        return None
    from shutil import get_terminal_size

    return max(20, get_terminal_size().columns)


def dots() -> str:
    """What says that a line goes on."""
    return "…" if speaks_unicode() else "..."


def bars_of_stdout() -> str:
    """The two characters of a bar on this terminal; a pipe gets none."""
    return "" if room_of_stdout() is None else "━╌" if speaks_unicode() else "#."


def speaks_unicode() -> bool:
    """Whether stdout can show what lies beyond ASCII."""
    return "utf" in (getattr(sys.stdout, "encoding", None) or "").lower()


def tracked(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """The items, with a bar on the terminal while they take long; silent where nobody looks."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=what, total=total, console=Console(stderr=True), transient=True)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; where nobody can answer, `--yes` must have been given."""
    from hyperspace_core.errors import ExitCode, UsageError

    question = f"{question.rstrip('?')}?"
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is here to answer; say so with --yes")
    if not click.confirm(question, err=True):
        put("nothing was done", err=True)
        raise click.exceptions.Exit(ExitCode.FAILED)


def _one(text: str) -> str:
    from hyperspace_core.results.words import harmless

    return harmless(text)
