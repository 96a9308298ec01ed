"""Follow the output of a run on a terminal, from one attempt to the next."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from hyperspace_core.cli.terminal import dots, echo_hint, echo_note, echo_raw, stdout_width, warn
from hyperspace_core.errors import StoreUnavailable
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.format import cut, harmless
from hyperspace_core.storage import Store

# -- The output of a run as lines; a rewritten line keeps its last state --

LONGEST_LINE = 10_000          # characters that are shown of one line


class Tape:
    """Turns chunks of output into whole lines; `partial` is the unfinished one."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        *lines, self._rest = (self._rest + text).split("\n")
        if "\r" in self._rest[:-1]:                # drop the states that were overwritten
            self._rest = _last_state(self._rest[:-1]) + self._rest[-1]
        return [_shown(line) for line in lines]

    @property
    def partial(self) -> str:
        return _shown(self._rest)

    def end(self) -> list[str]:
        """The last line, if it is unfinished."""
        rest, self._rest = self.partial, ""
        return [rest] if rest else []


def _shown(line: str) -> str:
    text = harmless(_last_state(line))
    more = len(text) - LONGEST_LINE
    return text if more <= 0 else f"{text[:LONGEST_LINE]}… [{more} more characters]"


def _last_state(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]


LOOK_S = 0.25                  # between two reads of a running run
AWAY_S = 1.0                   # between two tries while the store is unavailable

T = TypeVar("T")


class Printer:
    """Prints the output of one attempt after the other, each chunk once."""

    def __init__(self, store: Store, run: int, attempt: int | None) -> None:
        self._store, self._run = store, run
        self.attempt = attempt
        self._after = -1
        self._tape = Tape()
        self._drawn = ""                   # the unfinished line on the terminal

    def new_lines(self) -> Iterator[str]:
        """The lines that have been completed since the last call."""
        if self.attempt is None:
            return
        for chunk in self._store.output(self._run, attempt=self.attempt, after=self._after):
            self._after = chunk.seq
            yield from self._tape.feed(chunk.text)

    def show(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._rub_out()
            echo_raw(line)

    def draw_unfinished(self) -> None:
        """Show an unfinished line, such as a progress bar, on a terminal only."""
        room = stdout_width()
        if room is None or self._tape.partial == self._drawn:
            return
        self._rub_out()
        self._drawn = self._tape.partial
        echo_raw(cut(self._drawn, room - 1, dots()), nl=False)
        sys.stdout.flush()

    def begin(self, attempt: int) -> None:
        """Switch to another attempt."""
        if self.attempt is not None:
            self.end()
            echo_raw(f"[hyperspace] attempt {attempt} begins")
        self.attempt, self._after = attempt, -1

    def end(self) -> None:
        """Print the last line if it is unfinished."""
        self.show(self._tape.end())

    def _rub_out(self) -> None:
        if self._drawn:
            echo_raw("\r\x1b[K", nl=False)
            self._drawn = ""


class Follower:
    """Follows a run to its end; `stay`: only to the end of the printer's attempt."""

    def __init__(self, store: Store, record: RunRecord, printer: Printer, *, stay: bool) -> None:
        self._store, self._record, self._printer, self._stay = store, record, printer, stay
        self._away = False
        self._explained = ""

    def follow(self) -> None:
        while True:
            # read the record first: output from before that state is in the store by then
            self._record = self._patiently(lambda: self._store.get(self._record.id))
            self._patiently(lambda: self._printer.show(self._printer.new_lines()))
            if self._next_attempt():
                continue
            if self._over():
                break
            self._explain()
            self._printer.draw_unfinished()
            threading.Event().wait(LOOK_S)
        self._printer.end()
        reason = f": {self._record.reason}" if self._record.reason else ""
        echo_hint(f"run {self._record.id} is {self._record.state}{reason}")

    def _next_attempt(self) -> bool:
        """Switch to the next attempt; False if there is none."""
        at = self._printer.attempt or 0
        later = [attempt.number for attempt in self._record.attempts if attempt.number > at]
        if self._stay or not later:
            return False
        self._printer.begin(later[0])
        return True

    def _over(self) -> bool:
        if self._stay:
            mine = [one for one in self._record.attempts if one.number == self._printer.attempt]
            return not mine or mine[0].outcome is not None
        return self._record.state.terminal

    def _explain(self) -> None:
        """Print once why there is no output."""
        state = self._record.state
        if state in ("QUEUED", "PAUSED") and self._explained != state:
            self._explained = state
            echo_hint(f"run {self._record.id} is {state}; its output follows when it starts")

    def _patiently(self, look: Callable[[], T]) -> T:
        """The result of `look`, retried while the store is unavailable."""
        while True:
            try:
                found = look()
            except StoreUnavailable as error:
                if not self._away:
                    warn(f"{error}; waiting for the store")
                self._away = True
                threading.Event().wait(AWAY_S)
                continue
            if self._away:
                self._away = False
                echo_note("the store is available again")
            return found
