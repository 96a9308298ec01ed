"""List the differences between two runs, likeliest causes first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hyperspace_core.config.tree import diff
from hyperspace_core.execution.ran import PINNED
from hyperspace_core.records.code import SNAPSHOT
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.parts import Part, Sameness, parts_of
from hyperspace_core.results.yardstick import differing

# section of provenance -> heading, in the order of display; other sections keep their own name
_HEADINGS = {"git": "code", "source": "code", "plugins": "code", "data": "data", "packages": "packages",
             "python": "packages", "host": "host"}
_SEPARATE = ("seeds", "components")    # sections that are compared separately

OtherCode = tuple[Part, Part]


@dataclass(frozen=True)
class Contrast:
    """One value that differs; `MISSING` where a run has none."""

    section: str                   # "task", "config", "scenario", "seed", "code", "packages", "metrics", …
    path: str
    first: Any
    second: Any


def contrasts(first: RunRecord, second: RunRecord) -> list[Contrast]:
    """List what differs between two runs: request, dependencies and results."""
    return [Contrast(section, one.path, one.old, one.new)
            for section, old, new in _pairs(first, second) for one in diff(old, new)]


def other_code(first: RunRecord, second: RunRecord) -> list[OtherCode]:
    """Components of both runs whose code differs, and hooks of only one of them.

    A parameter filled by a different class is not listed: it is a difference of the config.
    """
    both = differing(parts_of(first) or {}, parts_of(second) or {}, Sameness())
    return [(one, other) for one, other in both if one.name == other.name or one.is_hook]


def _pairs(first: RunRecord, second: RunRecord) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    yield "task", {"task": first.task}, {"task": second.task}
    yield "config", _config(first), _config(second)
    yield "scenario", first.scenario or {}, second.scenario or {}
    yield "seed", {"seed": first.seed}, {"seed": second.seed}
    before, after = _provenance(first), _provenance(second)
    if before and after:               # else one has not run yet, and every section would differ
        names = list(dict.fromkeys([*before, *after]))
        for name in sorted(names, key=(list(_HEADINGS) + names).index):
            yield _HEADINGS.get(name, name), {name: before.get(name, {})}, {name: after.get(name, {})}
    yield "metrics", first.metrics, second.metrics


def _config(record: RunRecord) -> dict[str, Any]:
    return record.config if record.config is not None else record.submitted


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
        found["data"] = {**data, "fingerprints": dict(map(_numbered, enumerate(data["fingerprints"])))}
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


def _numbered(item: tuple[int, Any]) -> tuple[str, Any]:
    return str(item[0]), item[1]
