"""The fields of Sacred's MongoObserver: a copy of our data for dashboards.

Keys are changed as Sacred does, since a path of MongoDB cannot name them: a leading `$` becomes `@`, a `.`
becomes `,`. Except for tags and note, these fields are never read back for our runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hyperspace_core.plugin import SNAPSHOT, codec
from hyperspace_core.records import NewRun, Owner, RunRecord
from hyperspace_mongodb.connection import Database, Document

FORMAT = "hyperspace-1"
DEEPEST = 40                   # levels of a shaped tree; deeper levels become text
LONGEST = 500_000              # characters of a shaped tree; a dashboard shows no more
LONGEST_TRACE = 64 * 1024


def begun() -> Document:
    """The fields at the start of an attempt. A queued run has none of them, as in Sacred: every claim scans
    all queued runs on servers without index use."""
    return {"stop_time": None, "result": None, "fail_trace": [], "captured_out": "", "artifacts": [],
            "resources": []}


def sacred_fields(run: NewRun | RunRecord, submitted_at: str | None) -> Document:
    """All fields that a dashboard may read; unknown values are empty, never missing."""
    record = run if isinstance(run, RunRecord) else None
    attempt = record.attempt if record is not None else None
    return {
        "experiment": {"name": run.task, "base_dir": "", "sources": [], "dependencies": [],
                       "repositories": [], "mainfile": ""},
        "format": FORMAT, "command": "single_run", "host": host_of(attempt.worker if attempt else None),
        "start_time": (attempt.started_at if attempt else None) or moment_of(submitted_at),
        "stop_time": record.finished_at if record is not None else None, "heartbeat": None,
        "config": shaped_config(run.config if run.config is not None else run.submitted, run.seed),
        "meta": {"command": "single_run", "options": {}, "config_updates": shaped(run.submitted),
                 "named_configs": []},
        "resources": [], "artifacts": [], "captured_out": "",
        "info": shaped(record.info if record is not None else {}) | {"metrics": []},
        "result": None if record is None else record.result,
        "fail_trace": trace_of(attempt.traceback if attempt else None),
        "omniboard": {"tags": codec.storable(list(run.tags), "tags"), "notes": run.note},
    }


def shaped_config(config: Any, seed: int | None) -> Document:
    """The config with its seed."""
    return shaped(config if config is not None else {}) | ({} if seed is None else {"seed": seed})


def shaped(tree: Mapping[str, Any]) -> Document:
    """A tree for MongoDB and its dashboards; replaced by a note if it is too large."""
    plain = codec.storable(tree, "")
    if len(codec.to_text(plain)) > LONGEST:
        return {"hyperspace": "too large to be shown here; use `hyperspace runs show` to see all of it"}
    found: Document = _shaped(plain, 0)
    return found


def shaped_key(key: str) -> str:
    """The key as Sacred's `force_valid_bson_key` makes it; an empty key gets a name."""
    name = "@" + key[1:] if key.startswith("$") else key
    return name.replace(".", ",").replace("\0", "") or '""'


def host_of(owner: Owner | None) -> Document:
    if owner is None:
        return {"hostname": "", "os": ["", ""], "python_version": "", "cpu": "", "ENV": {}}
    return {"hostname": owner.host, "os": ["", ""], "python_version": "", "cpu": "", "ENV": {}}


def host_from(provenance: Mapping[str, Any], owner: Owner | None) -> Document:
    """The host fields, from the captured machine if available."""
    host, python = _section(provenance, "host"), _section(provenance, "python")
    found = host_of(owner) | {
        "os": [str(host.get("system", "")), str(host.get("os", ""))],
        "python_version": str(python.get("version", "")), "cpu": str(host.get("cpu") or ""),
        "ENV": shaped(_section(host, "environment"))}
    return found if found["hostname"] else found | {"hostname": str(host.get("name", ""))}


def trace_of(traceback: str | None) -> list[str]:
    """The lines of a traceback; only the end of a long one."""
    return [] if not traceback else traceback[-LONGEST_TRACE:].splitlines(keepends=True)


def moment_of(kept: str | None) -> datetime | None:
    return datetime.fromisoformat(kept) if kept else None


def _section(provenance: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = provenance.get(name)
    return found if isinstance(found, Mapping) else {}


def _shaped(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        return codec.to_text(value)
    if isinstance(value, dict):
        return {shaped_key(key): _shaped(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shaped(inner, depth + 1) for inner in value]
    # JavaScript pages get JSON, which has neither
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


# -- Origin of a run for dashboards: source files, packages, the repository --

MOST_FILES = 2000              # listed for a dashboard; the snapshot itself is unlimited


def origin_fields(database: Database, provenance: Mapping[str, Any]) -> Document:
    """The provenance by Sacred's names below `experiment`; unknown values are left out."""
    found: Document = {}
    packages = _origin_section(provenance, "packages").get("installed")
    if isinstance(packages, Mapping):      # in Sacred's form: "numpy==2.4.6"
        found["dependencies"] = [f"{name}=={version}" for name, version in sorted(packages.items())]
    git = _origin_section(provenance, "git")
    if git.get("commit"):
        found["repositories"] = [{"url": git.get("remote") or "", "commit": git["commit"],
                                  "dirty": bool(git.get("dirty"))}]
    snapshot = _origin_section(provenance, "source").get(SNAPSHOT)
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
    module = str(_origin_section(_origin_section(provenance, "components"), "scenario").get("module", ""))
    path = module.replace(".", "/")
    return next((file for file in (f"{path}.py", f"{path}/__init__.py") if file in paths), "")


def _origin_section(provenance: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = provenance.get(name)
    return found if isinstance(found, Mapping) else {}
