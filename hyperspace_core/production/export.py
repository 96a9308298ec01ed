"""Plan an export: collect and check config, names, versions and files of a run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import HyperspaceError, NotFound, Refused, UsageError, did_you_mean
from hyperspace_core.production.folder import FORMAT, MANIFEST, components_in, file_names, read_folder
from hyperspace_core.records import golden
from hyperspace_core.records.run import SNAPSHOT, Artifact, RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.results.format import to_json
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
        paths = [one["path"] for one in components]
        if component not in paths:
            near = did_you_mean(component, paths) or f"; it has {', '.join(paths)}"
            raise UsageError(f"run {record.id} has no component `{component}`{near}")
    found = _chosen(record, store.artifacts(record.id) if record.attempts else [], artifacts)
    names = file_names(artifact.name for artifact in found)
    files = {name if name.startswith(_GOLDEN) else f"artifacts/{name}": artifact
             for artifact in found for name in [names[artifact.name]]}
    return Export(manifest=_manifest(record, components, component, files), files=files)


def _chosen(record: RunRecord, stored: list[Artifact], labels: Collection[str] | None) -> list[Artifact]:
    if labels is None:
        return stored
    known = [artifact.name for artifact in stored]
    for label in labels:
        if label not in known:
            has = f"; it has {', '.join(known)}" if known else "; it has none"
            raise NotFound(f"run {record.id} has no artifact {label!a}{did_you_mean(label, known) or has}")
    return [artifact for artifact in stored if artifact.name in labels or artifact.name.startswith(_GOLDEN)]


def _manifest(record: RunRecord, components: list[Tree], component: str | None,
              files: Mapping[str, Artifact]) -> Tree:
    labels = {artifact.name for artifact in files.values()}
    git, source = _section(record, "git"), _section(record, "source")
    return {
        "format": FORMAT,
        "project": record.project, "task": record.task, "run": record.id, "uid": record.uid,
        "attempt": record.attempt.number if record.attempt else None,
        "state": record.state.value, "reason": record.reason,
        "finished_at": to_json(record.finished_at), "exported_at": to_json(datetime.now(UTC)),
        "metric": to_json(record.metric), "result": to_json(record.result),
        "metrics": to_json(record.metrics),
        "seed": record.seed, "scenario": record.scenario, "config": record.config,
        "migrated": list(record.migrated), "component": component, "components": components,
        "versions": _versions(record),
        "code": {"commit": git.get("commit"), "dirty": git.get("dirty"),
                 SNAPSHOT: source.get(SNAPSHOT) or record.code.get(SNAPSHOT)},
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


def _section(record: RunRecord, name: str) -> Mapping[str, Any]:
    return _mapping(record.attempt.provenance.get(name)) if record.attempt else {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


# -- Write an export atomically; replace nothing but an earlier export --

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def write_export(store: Store, export: Export, folder: str | Path, *, force: bool = False) -> Path:
    """Write the export to a new or empty folder, or with `force` over an export.

    Returns its path. It is written to a temporary folder and then renamed, so an incomplete export is never
    visible. Raises `UsageError` for a folder with other files, `HyperspaceError` for a damaged artifact.
    """
    root = Path(os.path.abspath(folder))  # noqa: PTH100 - `resolve` would follow a link in the last part
    check_place(root, force=force)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with _beside(root) as made:
            for file, artifact in export.files.items():
                _write_artifact(store, artifact, made, file)
            text = json.dumps(export.manifest, ensure_ascii=False, indent=2)
            _write(made, MANIFEST, [text.encode(), b"\n"])
            _put(made, root, force=force)
    except OSError as error:
        raise UsageError(f"{error.filename or root}: cannot be written ({error.strerror}); name another "
                         "folder, or free disk space") from None
    return root


def check_place(folder: str | Path, *, force: bool) -> None:
    """Raises `UsageError` for a folder that an export must not replace."""
    root = Path(folder)
    if root.is_symlink():
        raise UsageError(f"{root}: is a link; name the folder itself")
    if not root.exists():
        return
    if not root.is_dir():
        raise UsageError(f"{root}: is a file; name a folder")
    if root.samefile(Path.cwd()):
        raise UsageError(f"{root}: is the current folder; name one below it")
    there = _files_below(root)
    if not there and not any(root.iterdir()):
        return
    if not (root / MANIFEST).is_file():
        raise UsageError(f"{root}: exists already and is not an export; name another folder")
    if not force:
        raise UsageError(f"{root}: contains an export already; replace it with --force (force=True)")
    known = {MANIFEST, *(one["file"] for one in read_folder(root).artifacts.values())}
    others = sorted(there - known)
    if others:
        raise UsageError(f"{root}: {others[0]} does not belong to the export in this folder; move it first")


def _files_below(root: Path) -> set[str]:
    """All files below the folder, including links to folders."""
    found = set()
    for top, folders, files in os.walk(root):
        links = [name for name in folders if (Path(top) / name).is_symlink()]
        found |= {(Path(top) / name).relative_to(root).as_posix() for name in (*files, *links)}
    return found


@contextlib.contextmanager
def _beside(root: Path) -> Iterator[Path]:
    """Make a temporary folder next to `root`; remove it unless it was renamed."""
    made = root.parent / f".{root.name}.{secrets.token_hex(6)}"
    made.mkdir()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _write_artifact(store: Store, artifact: Artifact, root: Path, file: str) -> None:
    with store.open_artifact(artifact) as content:
        digest = _write(root, file, iter(lambda: content.read(1 << 20), b""))
    if digest != artifact.digest:
        raise HyperspaceError(f"artifact {artifact.name!a} of run {artifact.run}: its content is damaged, so "
                              "nothing is exported; `hyperspace store check` lists the damage")


def _write(root: Path, file: str, pieces: Iterator[bytes] | list[bytes]) -> str:
    """Write a file and return its SHA-256."""
    place = root / file
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.resolve().is_relative_to(root.resolve()):
        raise HyperspaceError(f"{file!a} is outside the export folder; nothing is written")
    hasher = hashlib.sha256()
    with os.fdopen(os.open(place, _NEW, 0o666), "wb") as out:
        for piece in pieces:
            hasher.update(piece)
            out.write(piece)
    return hasher.hexdigest()


def _put(made: Path, root: Path, *, force: bool) -> None:
    check_place(root, force=force)         # again: it may have changed during writing
    with _beside(root) as aside:
        if force and root.exists():        # an empty folder is replaced by the renaming
            root.rename(aside / "before")
        try:
            made.rename(root)
        except OSError:
            with contextlib.suppress(OSError):
                (aside / "before").rename(root)
            raise UsageError(f"{root}: another process created it during the export; check it and try "
                             "again") from None
