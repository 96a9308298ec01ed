"""Origin of a run for dashboards: source files, packages, the repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperspace_core.records.source import SNAPSHOT
from hyperspace_mongodb.connection import Database, Document

MOST_FILES = 2000              # listed for a dashboard; the snapshot itself is unlimited


def origin_fields(database: Database, provenance: Mapping[str, Any]) -> Document:
    """The provenance by Sacred's names below `experiment`; unknown values are left out."""
    found: Document = {}
    packages = _section(provenance, "packages").get("installed")
    if isinstance(packages, Mapping):      # in Sacred's form: "numpy==2.4.6"
        found["dependencies"] = [f"{name}=={version}" for name, version in sorted(packages.items())]
    git = _section(provenance, "git")
    if git.get("commit"):
        found["repositories"] = [{"url": git.get("remote") or "", "commit": git["commit"],
                                  "dirty": bool(git.get("dirty"))}]
    snapshot = _section(provenance, "source").get(SNAPSHOT)
    if isinstance(snapshot, str):
        found["sources"] = _sources(database, snapshot)
        found["mainfile"] = _mainfile(provenance, [path for path, _ in found["sources"]])
    return found


def _sources(database: Database, snapshot: str) -> list[list[Any]]:
    """Path and GridFS file of each source; empty files have nothing to show."""
    there = database.snapshots.find_one({"_id": {"$eq": snapshot}}, {"files": 1}) or {}
    files = [file for file in there.get("files", ()) if file["size"]][:MOST_FILES]
    contents = {one["_id"]: one["file_id"] for one in database.contents.find(
        {"_id": {"$in": [file["digest"] for file in files]}}, {"file_id": 1})}
    return [[file["path"], contents[file["digest"]]] for file in files if file["digest"] in contents]


def _mainfile(provenance: Mapping[str, Any], paths: list[str]) -> str:
    """The file of the scenario, if it is among the sources."""
    module = str(_section(_section(provenance, "components"), "scenario").get("module", ""))
    path = module.replace(".", "/")
    return next((file for file in (f"{path}.py", f"{path}/__init__.py") if file in paths), "")


def _section(provenance: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = provenance.get(name)
    return found if isinstance(found, Mapping) else {}
