"""The code of a run on a page, and the code differences of two runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperspace_core.cli.page import Page
    from hyperspace_core.records.run import RunRecord
    from hyperspace_core.results.difference import OtherCode
    from hyperspace_core.results.source_changes import FileChange

_STYLES = {"+": "good", "-": "bad", "@": "busy"}
SECTIONS = ("source", "git", "components")         # of provenance that `show_code` writes


def show_code(page: Page, record: RunRecord) -> None:
    """Write the executed and pinned code of a run, and its component fingerprints."""
    from hyperspace_core.cli.provenance import summary
    from hyperspace_core.results.parts import parts_of

    captured: Mapping[str, Any] = record.attempt.provenance if record.attempt is not None else {}
    ran, git = captured.get("source"), captured.get("git") or record.code.get("git")
    rows = [("executed", _executed(ran, record.code)), ("pinned", _pinned(ran, record.code)),
            ("git", summary("git", git) if git else "")]
    if any(text for _, text in rows):
        page.heading("Code")
        page.rows([(name, text) for name, text in rows if text])
    parts = parts_of(record) or {}
    if parts:
        page.heading("Components", ("each with the fingerprint of its code", "quiet"))
        page.rows([(part.path, part.name, part.module, part.short) for part in parts.values()])


def _executed(ran: Any, pinned: Mapping[str, Any]) -> str:
    from hyperspace_core.cli.provenance import summary
    from hyperspace_core.records.code import SNAPSHOT

    if not isinstance(ran, Mapping):
        return ""
    same = SNAPSHOT in ran and ran[SNAPSHOT] == pinned.get(SNAPSHOT)
    notes = ["as pinned"] if same else [str(ran["note"])] if ran.get("note") else []
    return ", ".join([summary("source", ran), *notes])


def _pinned(ran: Any, pinned: Mapping[str, Any]) -> str:
    """The pinned code; "" if the page shows it elsewhere."""
    from hyperspace_core.cli.provenance import summary
    from hyperspace_core.records.code import SNAPSHOT

    if "absent" in pinned:
        return f"nothing: {pinned['absent']}"
    if SNAPSHOT not in pinned or (isinstance(ran, Mapping) and ran.get(SNAPSHOT) == pinned[SNAPSHOT]):
        return ""
    return summary("source", pinned)


def show_components(page: Page, changed: Sequence[OtherCode], heads: tuple[str, str]) -> None:
    """Write a row per component, and the line to paste if its behaviour is unchanged."""
    from hyperspace_core.results.comparable import declaration

    if not changed:
        return
    page.gap()
    page.rows([(old.called if old.is_hook else f"{old.path}: {old.name}",
                *(part.short if part.fingerprint else "none" for part in pair))
               for pair in changed for old in pair[:1]], heads=("components", *heads))
    lines = dict.fromkeys(declaration(old.declared_as, old.fingerprint, new.fingerprint)
                          for old, new in changed)
    if any(lines):
        page.line(("if the behaviour is unchanged, declare it in hyperspace_register:", "quiet"), indent=2)
    for line in filter(None, lines):
        page.block(line)


def show_sources(page: Page, files: Sequence[FileChange], heads: tuple[str, str], *,
                 most: int | None) -> None:
    """Write the line differences of files; `most`: the maximum of lines in total."""
    if not files:
        return
    page.gap()
    page.line(("source", "quiet"), indent=2)
    left = sum(len(file.lines) for file in files) if most is None else most
    hidden = 0
    for file in files:
        page.line(file.path, (_change_text(file, heads), "quiet"), indent=2)
        if file.change != "changed" and most is not None:
            continue
        shown = file.lines[:left]
        left, hidden = left - len(shown), hidden + len(file.lines) - len(shown)
        for line in shown:
            page.line((line or " ", _STYLES.get(line[:1], "")), indent=4)
    if hidden:
        page.line((f"{hidden} more lines differ; --full shows them", "quiet"), indent=2)


def _change_text(file: FileChange, heads: tuple[str, str]) -> str:
    first, second = heads
    return {"changed": "", "long": "too many lines to compare", "binary": "different content",
            "restyled": "in comments and formatting only", "added": f"in {second} only",
            "removed": f"in {first} only"}[file.change]
