"""What a run printed, as lines for a terminal: of a bar that rewrites its line the last state is left."""

from __future__ import annotations

from hyperspace_core.results.words import harmless

LONGEST_LINE = 10_000          # characters that are shown of one line


class Tape:
    """Takes chunks as they come and gives back whole lines; what has no end yet is `partial`."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        *lines, self._rest = (self._rest + text).split("\n")
        if "\r" in self._rest[:-1]:                # the states of a bar that have been written over
            self._rest = _last_state(self._rest[:-1]) + self._rest[-1]
        return [_shown(line) for line in lines]

    @property
    def partial(self) -> str:
        return _shown(self._rest)

    def end(self) -> list[str]:
        """The last line, where it had no end."""
        rest, self._rest = self.partial, ""
        return [rest] if rest else []


def _shown(line: str) -> str:
    text = harmless(_last_state(line))
    more = len(text) - LONGEST_LINE
    return text if more <= 0 else f"{text[:LONGEST_LINE]}… [{more} more characters]"


def _last_state(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]
