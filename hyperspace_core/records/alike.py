"""Trees read from many texts that say nearly the same: what is equal is decoded once and shared.

Runs of one code, machine and problem have the same provenance but for little. A section that stands in the
next text, too, is found there by comparing texts, which costs a hundredth of decoding it.
"""

from __future__ import annotations

from json import JSONDecoder
from typing import Any

from hyperspace_core.records.codec import from_text

KEPT = 8                       # different sections that are remembered for one place
WHOLE = 256                    # different texts of whole trees
_decode = JSONDecoder().raw_decode


class Alike:
    """For one listing: nobody may change what it gives back, and little is remembered however long it is."""

    def __init__(self) -> None:
        self._trees: dict[str, Any] = {}
        self._after: dict[str, list[tuple[str, str, Any]]] = {}    # name → what followed: text, name, value

    def tree(self, text: str | None) -> Any:
        """What the text says; None for None."""
        if text is None:
            return None
        known = self._trees.get(text)
        if known is None:
            if len(self._trees) >= WHOLE:
                self._trees.clear()
            known = self._trees[text] = from_text(text)
        return known

    def sections(self, text: str) -> Any:
        """The same, as a dict of its own whose values are shared. Raises `ValueError` for what is no JSON."""
        found: dict[str, Any] = {}
        name, at = "", 0
        try:
            while text.startswith("," if found else "{", at):
                name, value, at = self._section(name, text, at + 1)
                found[name] = value
        except ValueError:                         # of another spelling, or none at all
            return from_text(text)
        return found if text[at:] == "}" else from_text(text)

    def _section(self, before: str, text: str, start: int) -> tuple[str, Any, int]:
        """Name and value of the one that begins there, and where it ends. Raises `ValueError`."""
        known = self._after.setdefault(before, [])
        for told, name, value in known:
            if text.startswith(told, start):
                return name, value, start + len(told)
        name, at = _decode(text, start)
        if not isinstance(name, str) or not text.startswith(":", at):
            raise ValueError("no section begins here")
        value, end = _decode(text, at + 1)
        if isinstance(value, dict | list):         # that of a number does not say itself where it ends
            known[KEPT - 1:] = []
            known.insert(0, (text[start:end], name, value))
        return name, value, end
