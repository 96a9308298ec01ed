"""Plan an export: collect and check config, names, versions and files of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import NotFound, Refused, UsageError, did_you_mean
from hyperspace_core.production.filenames import file_names
from hyperspace_core.production.folder import FORMAT, components_in
from hyperspace_core.records import golden
from hyperspace_core.records.code import SNAPSHOT
from hyperspace_core.records.run import Artifact, RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.results.plain import plain
from hyperspace_core.storage import Store

_ENDED = (State.COMPLETED, State.FAILED, State.CANCELLED)
_GOLDEN = f"{golden.FOLDER}/"


@dataclass(frozen=True, kw_only=True)
class Export:
    """The planned export of a run."""

    manifest: Tree
    files: Mapping[str, Artifact]          # path below the folder → artifact


def plan_export(store: Store, record: RunRecord, *, artifacts: Collection[str] | None = None,
                component: str | None = None) -> Export:
    """Plan an export: collect its manifest and files, golden data always.

    `artifacts`: labels, default all. `component`: path of the default of `load_component`. Raises `Refused`
    for a run that has not ended or has no completed config, `NotFound` for an unknown artifact, `UsageError`
    for a path without a component, `HyperspaceError` for a label that is not a plain path.
    """
    if record.state not in _ENDED:
        raise Refused(f"run {record.id} is {record.state}: export it once it has ended")
    if record.config is None or record.scenario is None:
        raise Refused(f"run {record.id} is {record.state} and its config was never completed, so no "
                      "component can be built from it; export another run")
    components = [*components_in(record.config), *components_in(record.scenario, "scenario")]
    if component is not None:
        _check_path(record, component, [one["path"] for one in components])
    found = _chosen(record, store.artifacts(record.id) if record.attempts else [], artifacts)
    names = file_names(artifact.name for artifact in found)
    files = {_file(names[artifact.name]): artifact for artifact in found}
    return Export(manifest=_manifest(record, components, component, files), files=files)


def _check_path(record: RunRecord, component: str, paths: list[str]) -> None:
    if component not in paths:
        near = did_you_mean(component, paths) or f"; it has {', '.join(paths)}"
        raise UsageError(f"run {record.id} has no component `{component}`{near}")


def _chosen(record: RunRecord, stored: list[Artifact], labels: Collection[str] | None) -> list[Artifact]:
    if labels is None:
        return stored
    known = [artifact.name for artifact in stored]
    for label in labels:
        if label not in known:
            has = f"; it has {', '.join(known)}" if known else "; it has none"
            raise NotFound(f"run {record.id} has no artifact {label!a}{did_you_mean(label, known) or has}")
    return [artifact for artifact in stored if artifact.name in labels or artifact.name.startswith(_GOLDEN)]


def _file(name: str) -> str:
    return name if name.startswith(_GOLDEN) else f"artifacts/{name}"


def _manifest(record: RunRecord, components: list[Tree], component: str | None,
              files: Mapping[str, Artifact]) -> Tree:
    labels = {artifact.name for artifact in files.values()}
    return {
        "format": FORMAT,
        "project": record.project, "task": record.task, "run": record.id, "uid": record.uid,
        "attempt": record.attempt.number if record.attempt else None,
        "state": record.state.value, "reason": record.reason,
        "finished_at": plain(record.finished_at), "exported_at": plain(datetime.now(UTC)),
        "metric": plain(record.metric), "result": plain(record.result), "metrics": plain(record.metrics),
        "seed": record.seed, "scenario": record.scenario, "config": record.config,
        "migrated": list(record.migrated), "component": component, "components": components,
        "versions": _versions(record), "code": _code(record),
        "artifacts": [{"name": artifact.name, "file": file, "sha256": artifact.digest, "size": artifact.size}
                      for file, artifact in files.items()],
        "golden": sorted({label.split("/")[1] for label in labels if label.startswith(_GOLDEN)
                          and _is_whole(label, labels)}),
    }


def _is_whole(label: str, labels: set[str]) -> bool:
    """Whether the golden data of this label has both inputs and outputs."""
    name = label.split("/")[1]
    return all(golden.label(name, f"{side}.json") in labels for side in golden.SIDES)


def _versions(record: RunRecord) -> Tree:
    """The versions that the run was executed with, as far as captured."""
    plugins, packages = _section(record, "plugins"), _section(record, "packages")
    project = _mapping(plugins.get("project"))
    loaded = map(_mapping, plugins.get("loaded") or ())
    return {"project": {key: project.get(key) for key in ("distribution", "version")},
            "hyperspace-core": plugins.get("hyperspace"),
            "python": _section(record, "python").get("version"),
            "plugins": {one["name"]: one.get("version") for one in loaded if "name" in one},
            "packages": packages.get("installed", {})}


def _code(record: RunRecord) -> Tree:
    git, source = _section(record, "git"), _section(record, "source")
    return {"commit": git.get("commit"), "dirty": git.get("dirty"),
            SNAPSHOT: source.get(SNAPSHOT) or record.code.get(SNAPSHOT)}


def _section(record: RunRecord, name: str) -> Mapping[str, Any]:
    return _mapping(record.attempt.provenance.get(name)) if record.attempt else {}


def _mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty mapping."""
    return value if isinstance(value, Mapping) else {}
