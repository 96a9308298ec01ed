"""Code that differs between two runs, on a page: whose it is, what would declare it harmless, and where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hyperspace_core.results.parts import SHOWN

if TYPE_CHECKING:
    from hyperspace_core.cli.page import Page
    from hyperspace_core.results.difference import OtherCode
    from hyperspace_core.results.source_changes import FileChange

_STYLES = {"+": "good", "-": "bad", "@": "busy"}


def show_components(page: Page, changed: Sequence[OtherCode], heads: tuple[str, str]) -> None:
    """A row a component, and the line to paste for each whose behaviour has stayed the same."""
    from hyperspace_core.results.comparable import declaration

    if not changed:
        return
    page.gap()
    page.rows([(old.called if old.is_hook else f"{old.path}: {old.name}",
                *(part.fingerprint[:SHOWN] or "none" for part in (old, new))) for old, new in changed],
              heads=("components", *heads))
    lines = dict.fromkeys(declaration(old.declared_as, old.fingerprint, new.fingerprint)
                          for old, new in changed)
    if any(lines):
        page.line(("does it behave the same? Then hyperspace_register may say so:", "quiet"), indent=2)
    for line in filter(None, lines):
        page.block(line)


def show_sources(page: Page, files: Sequence[FileChange], heads: tuple[str, str], *,
                 most: int | None) -> None:
    """The files that differ, line by line; `most`: lines, of all together."""
    if not files:
        return
    page.gap()
    page.line(("source", "quiet"), indent=2)
    left = sum(len(file.lines) for file in files) if most is None else most
    hidden = 0
    for file in files:
        page.line(file.path, (_told(file, heads), "quiet"), indent=2)
        if file.change != "changed" and most is not None:
            continue
        shown = file.lines[:left]
        left, hidden = left - len(shown), hidden + len(file.lines) - len(shown)
        for line in shown:
            page.line((line or " ", _STYLES.get(line[:1], "")), indent=4)
    if hidden:
        page.line((f"{hidden} more lines differ; --full shows them", "quiet"), indent=2)


def _told(file: FileChange, heads: tuple[str, str]) -> str:
    first, second = heads
    return {"changed": "", "restyled": "in comments and formatting only", "binary": "other content",
            "added": f"in {second} only", "removed": f"in {first} only"}[file.change]
