"""The output of a run as lines; a rewritten line keeps its last state."""

from __future__ import annotations

from hyperspace_core.results.words import harmless

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
