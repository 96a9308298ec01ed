"""Two runs beside each other: only what differs, in the order in which one would look for a cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hyperspace_core.config.tree import diff
from hyperspace_core.records.run import RunRecord

# what belongs to a section of provenance, under which heading; others have their own name
_HEADINGS = {"git": "code", "plugins": "code", "packages": "packages", "python": "packages", "host": "host"}


@dataclass(frozen=True)
class Contrast:
    """One value that differs; `MISSING` where a run has none."""

    section: str                   # "task", "config", "scenario", "seed", "metrics", "code", "packages", …
    path: str
    first: Any
    second: Any


def contrasts(first: RunRecord, second: RunRecord) -> list[Contrast]:
    """What differs between two runs: what was asked, what came out, and what they depended on."""
    return [Contrast(section, one.path, one.old, one.new)
            for section, old, new in _pairs(first, second) for one in diff(old, new)]


def _pairs(first: RunRecord, second: RunRecord) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    yield "task", {"task": first.task}, {"task": second.task}
    yield "config", _config(first), _config(second)
    yield "scenario", first.scenario or {}, second.scenario or {}
    yield "seed", {"seed": first.seed}, {"seed": second.seed}
    yield "metrics", first.metrics, second.metrics
    before, after = _provenance(first), _provenance(second)
    if not before or not after:        # one has not run yet: all of the other's would differ
        return
    names = list(dict.fromkeys([*before, *after]))
    for name in sorted(names, key=(list(_HEADINGS) + names).index):
        yield _HEADINGS.get(name, name), {name: before.get(name, {})}, {name: after.get(name, {})}


def _config(record: RunRecord) -> dict[str, Any]:
    return record.config if record.config is not None else record.submitted


def _provenance(record: RunRecord) -> dict[str, Any]:
    """Of the last attempt; without the seed, which has been told, and without what differs in every run."""
    sections = record.attempt.provenance if record.attempt is not None else {}
    return {name: section for name, section in sections.items() if name != "seeds"}
