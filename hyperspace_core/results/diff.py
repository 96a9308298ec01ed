"""List the differences between two runs, likeliest causes first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, Literal

from hyperspace_core.capture.syntax import node_text, normal_form
from hyperspace_core.config.migrate import applied
from hyperspace_core.config.tree import Tree, diff, flatten, written_part
from hyperspace_core.errors import ConfigError, HyperspaceError
from hyperspace_core.execution.code import PINNED
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import SNAPSHOT, Migration, RunRecord, Snapshot
from hyperspace_core.records.traits import Fingerprint, Sameness, fingerprints_of
from hyperspace_core.results.comparable import differing_code
from hyperspace_core.results.same_code import snapshot_of
from hyperspace_core.storage import Sources, Store, rewritten_of

# section of provenance -> heading, in the order of display; other sections keep their own name
_HEADINGS = {"git": "code", "source": "code", "plugins": "code", "data": "data", "packages": "packages",
             "python": "packages", "host": "host"}
_SEPARATE = ("seeds", "components")    # sections that are compared separately

OtherCode = tuple[Fingerprint, Fingerprint]


@dataclass(frozen=True)
class RunDifference:
    """One value that differs; `MISSING` where a run has none."""

    section: str                   # "task", "config", "scenario", "seed", "code", "packages", "metrics", …
    path: str
    first: Any
    second: Any


def differences(first: RunRecord, second: RunRecord) -> list[RunDifference]:
    """List what differs between two runs: request, dependencies and results."""
    return [RunDifference(section, one.path, one.old, one.new)
            for section, old, new in _pairs(first, second) for one in diff(old, new)]


def other_code(first: RunRecord, second: RunRecord) -> list[OtherCode]:
    """Components of both runs whose code differs, and hooks of only one of them.

    A parameter filled by a different class is not listed: it is a difference of the config.
    """
    both = differing_code(fingerprints_of(first) or {}, fingerprints_of(second) or {}, Sameness())
    return [(one, other) for one, other in both if one.name == other.name or one.is_hook]


def _pairs(first: RunRecord, second: RunRecord) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    yield "task", {"task": first.task}, {"task": second.task}
    yield "config", first.effective_config, second.effective_config
    yield "scenario", first.scenario or {}, second.scenario or {}
    yield "seed", {"seed": first.seed}, {"seed": second.seed}
    before, after = _provenance(first), _provenance(second)
    if before and after:               # else one has not run yet, and every section would differ
        names = list(dict.fromkeys([*before, *after]))
        for name in sorted(names, key=(list(_HEADINGS) + names).index):
            yield _HEADINGS.get(name, name), {name: before.get(name, {})}, {name: after.get(name, {})}
    yield "metrics", first.metrics, second.metrics


def _provenance(record: RunRecord) -> dict[str, Any]:
    """Provenance of the last attempt, without sections compared separately.
    Values that differ in every run, or between checkout and pinned code, are left out, too.
    """
    sections = record.attempt.provenance if record.attempt is not None else {}
    found = {name: section for name, section in sections.items() if name not in _SEPARATE}
    source, data = found.get("source"), found.get("data")
    if isinstance(source, dict):
        found["source"] = {SNAPSHOT: source.get(SNAPSHOT)}
    if isinstance(data, dict) and isinstance(data.get("fingerprints"), list):
        numbered = {str(number): one for number, one in enumerate(data["fingerprints"])}
        found["data"] = {**data, "fingerprints": numbered}
    found |= {name: _without_paths(name, section, found.get("plugins")) for name, section in found.items()
              if isinstance(section, dict)}
    return found


def _without_paths(name: str, section: dict[str, Any], plugins: Any) -> dict[str, Any]:
    """A section without folders and duplicate entries of the project."""
    project = plugins.get("project") if isinstance(plugins, dict) else None
    own = project.get("distribution") if isinstance(project, dict) else None
    if name == "git":
        return {key: value for key, value in section.items() if key != PINNED}
    if name == "plugins" and isinstance(project, dict):
        return {**section, "project": {key: value for key, value in project.items() if key != "file"}}
    if name == "packages" and own is not None and isinstance(section.get("editable"), list):
        return {**section, "editable": [one for one in section["editable"] if one != own]}
    return section


# -- Find the files in which the code of two runs differs, from stored snapshots --

MAX_BYTES = 1 << 20            # largest file that is compared line by line
MAX_PAIRS = 4_000_000          # most pairs of lines that are compared: about a second

ChangeKind = Literal["changed", "restyled", "added", "removed", "binary", "long"]


@dataclass(frozen=True, kw_only=True)
class FileChange:
    """One file that differs.
    `restyled`: only in comments, docstrings and formatting; `long`: too long to compare line by line.
    """

    path: str
    change: ChangeKind
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
    digests = [snapshot_of(record) for record in (first, second)]
    for record, digest in zip((first, second), digests, strict=True):
        if digest is None:
            return SourceChanges(unknown=f"run {record.id} has no code snapshot")
    if digests[0] == digests[1]:
        return SourceChanges()
    try:
        kept = Sources.of(store)
        before, after = (kept.snapshot(str(digest)) for digest in digests)
        return SourceChanges(files=tuple(_changes(kept, before, after)))
    except HyperspaceError as error:
        return SourceChanges(unknown=str(error))


def _changes(store: Sources, before: Snapshot, after: Snapshot) -> Iterator[FileChange]:
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


def _text(store: Sources, digest: str | None) -> str | None:
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
    change: ChangeKind = "added" if first is None else "removed" if second is None else "changed"
    if before is None or after is None:
        kind: ChangeKind = "binary" if change == "changed" else change
        return FileChange(path=path, change=kind, first=first, second=second)
    if change == "changed" and path.endswith(".py") and _means_the_same(before, after):
        change = "restyled"
    old, new = before.splitlines(), after.splitlines()
    if change == "changed" and _line_pairs(old, new) > MAX_PAIRS:
        return FileChange(path=path, change="long", first=first, second=second)
    lines = list(unified_diff(old, new, lineterm=""))[2:]
    return FileChange(path=path, change=change, first=first, second=second, lines=tuple(lines))


def _line_pairs(old: list[str], new: list[str]) -> int:
    """Number of pairs of lines between the common beginning and the common end."""
    same = 0
    for lines in (zip(old, new, strict=False), zip(reversed(old), reversed(new), strict=False)):
        same += sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], lines))
    return max(0, len(old) - same) * max(0, len(new) - same)


def _means_the_same(before: str, after: str) -> bool:
    import ast

    try:
        return node_text(normal_form(ast.parse(before))) == node_text(normal_form(ast.parse(after)))
    except (SyntaxError, ValueError, RecursionError):
        return False


def likeliest_first(changes: Iterable[FileChange], modules: Iterable[str]) -> list[FileChange]:
    """Sort changes: files of these modules, other code, other files, restyled files."""
    paths = {f"{module.replace('.', '/')}{end}" for module in modules for end in (".py", "/__init__.py")}
    return sorted(changes, key=lambda one: (one.change == "restyled", one.path not in paths,
                                            not one.path.endswith(".py"), one.path))


# -- Summaries of metric series, and several series side by side --

@dataclass(frozen=True, kw_only=True)
class MetricSummary:
    """Summary of one metric of a run: its returned value and its series.

    `min` and `max` ignore NaN. Without a series, `points` is 0 and the fields of a series are None.
    """

    name: str
    returned: Any = None
    points: int = 0
    last: float | None = None
    last_step: int | None = None
    min: float | None = None
    max: float | None = None


def summarize(points: Iterable[Point], returned: Mapping[str, Any] | None = None) -> list[MetricSummary]:
    """Summarize all metrics, returned ones first, in one pass over the points."""
    found = {name: MetricSummary(name=name, returned=value)
             for name, value in flatten(returned or {}).items()}
    for point in points:
        so_far = found.get(point.name) or MetricSummary(name=point.name)
        known = [value for value in (so_far.min, so_far.max, point.value)
                 if value is not None and not math.isnan(value)]
        found[point.name] = replace(so_far, points=so_far.points + 1, last=point.value, last_step=point.step,
                                    min=min(known, default=point.value), max=max(known, default=point.value))
    return list(found.values())


@dataclass(frozen=True)
class SeriesRow:
    """One step with the values of several series; None for a missing value."""

    step: int | None
    values: tuple[float | None, ...]


def series_rows(points: Iterable[Point], names: Sequence[str]) -> list[SeriesRow]:
    """Series as columns, sorted by step; points without steps in order of logging.

    A step that was logged twice has two rows. Points without a step are numbered.
    """
    rows: dict[tuple[bool, int, int], dict[str, float]] = {}
    times: dict[tuple[str, int], int] = {}
    counts = dict.fromkeys(names, 0)
    for point in points:
        if point.name not in counts:
            continue
        step = counts[point.name] if point.step is None else point.step
        counts[point.name] += 1
        time = times[point.name, step] = times.get((point.name, step), -1) + 1
        rows.setdefault((point.step is None, step, time), {})[point.name] = point.value
    return [SeriesRow(None if counted else step, tuple(row.get(name) for name in names))
            for (counted, step, _), row in sorted(rows.items(), key=lambda item: item[0])]


# -- Translate a submitted config to the names given by later migrations --

def written_today(store: Store, record: RunRecord, known: Mapping[str, Migration],
                  waiting: Iterable[Tree] = ()) -> Any:
    """Translate `submitted` to the current names.
    `known`: the store's migrations by name; `waiting`: steps not yet applied.
    """
    had = [step for name in record.migrated if name in known for step in known[name].steps]
    steps = [*had, *waiting]
    if not steps:
        return record.submitted
    first = rewritten_of(store, record)
    scenario, config = (first[0].scenario, first[0].config) if first else (record.scenario, record.config)
    try:                                   # added values were not submitted
        return applied([step for step in steps if step["op"] != "add"], scenario,
                       written_part(config, record.submitted))[1]
    except ConfigError:
        return record.submitted
