"""Find the files in which the code of two runs differs, from stored snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from hyperspace_core.errors import HyperspaceError
from hyperspace_core.records.code import SNAPSHOT, Snapshot
from hyperspace_core.records.run import RunRecord
from hyperspace_core.storage import Store

MAX_BYTES = 1 << 20            # largest file that is compared line by line
MAX_PAIRS = 4_000_000          # most pairs of lines that are compared: about a second

Change = Literal["changed", "restyled", "added", "removed", "binary", "long"]


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """One file that differs.
    `restyled`: only in comments, docstrings and formatting; `long`: too long to compare line by line.
    """

    path: str
    change: Change
    first: str | None              # SHA-256 of the content; None: the run has no such file
    second: str | None
    lines: tuple[str, ...] = ()    # unified diff, without its head


@dataclass(frozen=True, kw_only=True)
class SourceChanges:
    """The files that differ, or why they are not known."""

    files: tuple[FileChange, ...] = ()
    unknown: str = ""


def source_changes(store: Store, first: RunRecord, second: RunRecord) -> SourceChanges:
    """Compare the code of two runs, or the pinned code of a run not begun.

    If one of them has no snapshot, `unknown` has the reason.
    """
    digests = [_snapshot_of(record) for record in (first, second)]
    for record, digest in zip((first, second), digests, strict=True):
        if digest is None:
            return SourceChanges(unknown=f"run {record.id} has no code snapshot")
    if digests[0] == digests[1]:
        return SourceChanges()
    try:
        before, after = (store.snapshot(str(digest)) for digest in digests)
        return SourceChanges(files=tuple(_changes(store, before, after)))
    except HyperspaceError as error:
        return SourceChanges(unknown=str(error))


def _snapshot_of(record: RunRecord) -> str | None:
    section = record.attempt.provenance.get("source") if record.attempt is not None else None
    for place in (section, record.code):
        digest = place.get(SNAPSHOT) if isinstance(place, dict) else None
        if isinstance(digest, str):
            return digest
    return None


def _changes(store: Store, before: Snapshot, after: Snapshot) -> Iterator[FileChange]:
    old = {file.path: file for file in before.files}
    new = {file.path: file for file in after.files}
    for path in sorted({**old, **new}):
        one, other = old.get(path), new.get(path)
        digests = [None if file is None else file.digest for file in (one, other)]
        if digests[0] == digests[1]:
            continue
        sizes = [file.size for file in (one, other) if file is not None]
        texts = [None if max(sizes) > MAX_BYTES else _text(store, digest) for digest in digests]
        yield _compared(path, digests, texts)


def _text(store: Store, digest: str | None) -> str | None:
    """Read a text; None for binary content."""
    if digest is None:
        return ""
    with store.open_content(digest) as content:
        data = content.read()
    try:
        return None if b"\0" in data else data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _compared(path: str, digests: list[str | None], texts: list[str | None]) -> FileChange:
    from difflib import unified_diff

    first, second = digests
    before, after = texts
    change: Change = "added" if first is None else "removed" if second is None else "changed"
    if before is None or after is None:
        kind: Change = "binary" if change == "changed" else change
        return FileChange(path=path, change=kind, first=first, second=second)
    if change == "changed" and path.endswith(".py") and _means_the_same(before, after):
        change = "restyled"
    old, new = before.splitlines(), after.splitlines()
    if change == "changed" and _pairs(old, new) > MAX_PAIRS:
        return FileChange(path=path, change="long", first=first, second=second)
    lines = list(unified_diff(old, new, lineterm=""))[2:]
    return FileChange(path=path, change=change, first=first, second=second, lines=tuple(lines))


def _pairs(old: list[str], new: list[str]) -> int:
    """Number of pairs of lines between the common beginning and the common end."""
    same = 0
    for lines in (zip(old, new, strict=False), zip(reversed(old), reversed(new), strict=False)):
        same += sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], lines))
    return max(0, len(old) - same) * max(0, len(new) - same)


def _means_the_same(before: str, after: str) -> bool:
    import ast

    from hyperspace_core.capture.syntax import plain, text_of

    try:
        return text_of(plain(ast.parse(before))) == text_of(plain(ast.parse(after)))
    except (SyntaxError, ValueError, RecursionError):
        return False


def likeliest_first(changes: Iterable[FileChange], modules: Iterable[str]) -> list[FileChange]:
    """Sort changes: files of these modules, other code, other files, restyled files."""
    paths = {f"{module.replace('.', '/')}{end}" for module in modules for end in (".py", "/__init__.py")}
    return sorted(changes, key=lambda one: (one.change == "restyled", one.path not in paths,
                                            not one.path.endswith(".py"), one.path))
