"""Decoding of many similar JSON texts; equal parts are decoded once.

Runs of one code, machine and problem have almost the same provenance. A section that recurs in the next text
is recognized by comparing texts, which takes a hundredth of the time of decoding it.
"""

from __future__ import annotations

from json import JSONDecoder
from typing import Any

from hyperspace_core.records.codec import from_text

KEPT = 8                       # cached sections per predecessor
WHOLE = 256                    # cached texts of whole trees
_decode = JSONDecoder().raw_decode


class Alike:
    """Decoder with a bounded cache; callers must not change its results."""

    def __init__(self) -> None:
        self._trees: dict[str, Any] = {}
        self._after: dict[str, list[tuple[str, str, Any]]] = {}    # name → what followed: text, name, value

    def tree(self, text: str | None) -> Any:
        """The decoded text; None for None."""
        if text is None:
            return None
        known = self._trees.get(text)
        if known is None:
            if len(self._trees) >= WHOLE:
                self._trees.clear()
            known = self._trees[text] = from_text(text)
        return known

    def sections(self, text: str) -> Any:
        """The text as a new dict with shared values. Raises `ValueError`."""
        found: dict[str, Any] = {}
        name, at = "", 0
        try:
            while text.startswith("," if found else "{", at):
                name, value, at = self._section(name, text, at + 1)
                found[name] = value
        except ValueError:                         # JSON in another spelling, or not JSON
            return from_text(text)
        return found if text[at:] == "}" else from_text(text)

    def _section(self, before: str, text: str, start: int) -> tuple[str, Any, int]:
        """Name, value and end of the section at `start`. Raises `ValueError`."""
        known = self._after.setdefault(before, [])
        for section, name, value in known:
            if text.startswith(section, start):
                return name, value, start + len(section)
        name, at = _decode(text, start)
        if not isinstance(name, str) or not text.startswith(":", at):
            raise ValueError("no section begins here")
        value, end = _decode(text, at + 1)
        if isinstance(value, dict | list):         # the text of a number has no end mark
            known[KEPT - 1:] = []
            known.insert(0, (text[start:end], name, value))
        return name, value, end
