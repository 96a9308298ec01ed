"""Read the folder of an exported run: its `hyperspace.json` and its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperspace_core.config.tree import CLASS_NAME, MISSING, Tree, join
from hyperspace_core.errors import HyperspaceError, NotFound, did_you_mean
from hyperspace_core.production.filenames import check_below

MANIFEST = "hyperspace.json"
FORMAT = 1
_NEEDED: Mapping[str, type | tuple[type, ...]] = {
    "project": str, "run": int, "scenario": dict, "config": dict, "migrated": list,
    "component": (str, type(None)), "versions": dict, "artifacts": list, "golden": list,
}


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An export that was read from its folder."""

    folder: Path
    manifest: Tree

    @property
    def artifacts(self) -> dict[str, Tree]:
        """Label → `file`, `sha256` and `size`."""
        return {one["name"]: one for one in self.manifest["artifacts"]}

    def path(self, label: str) -> Path:
        """The file of an artifact. Raises `NotFound`, `HyperspaceError` if changed."""
        known = self.artifacts
        if label not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise NotFound(f"{self.folder}: no artifact {label!r} was exported"
                           f"{did_you_mean(label, known) or f'; {has}'}")
        return _whole(self.folder, known[label])


def read_folder(folder: str | Path) -> Exported:
    """Read an export. Raises `NotFound`, `HyperspaceError` if unreadable."""
    root = Path(folder)
    place = root / MANIFEST
    try:
        manifest = json.loads(place.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{root}: no exported run in this folder ({MANIFEST} is missing); `hyperspace runs "
                       "export` writes one") from None
    except OSError as error:
        raise HyperspaceError(f"{place}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise HyperspaceError(f"{place}: invalid JSON ({error}); export the run again") from None
    _check(manifest, place)
    return Exported(folder=root, manifest=manifest)


def _check(manifest: Any, place: Path) -> None:
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise HyperspaceError(f"{place}: has format {version} of a newer hyperspace-core; this version reads "
                              f"up to format {FORMAT}: update hyperspace-core")
    if version != FORMAT:
        raise HyperspaceError(f"{place}: does not describe an exported run; name the folder of one")
    odd = [name for name, type_ in _NEEDED.items() if not isinstance(manifest.get(name, MISSING), type_)]
    if not odd:
        odd += ["artifacts" for one in manifest["artifacts"] if not _is_artifact(one)]
        odd += [] if isinstance(manifest["versions"].get("project"), dict) else ["versions.project"]
    if odd:
        raise HyperspaceError(f"{place}: `{odd[0]}` is missing or has the wrong type; export the run again")


def _is_artifact(one: Any) -> bool:
    return isinstance(one, dict) and all(isinstance(one.get(key), str) for key in ("name", "file", "sha256"))


def _whole(root: Path, artifact: Tree) -> Path:
    """The file of an artifact, checked to be inside the folder and unchanged."""
    name, file = artifact["name"], artifact["file"]
    check_below(file, f"{root / MANIFEST}: the file {file!a} of artifact {name!a}", "export the run again")
    place: Path = root / file
    try:
        inside = place.resolve().is_relative_to(root.resolve())
        if not inside:
            raise HyperspaceError(f"{place}: is outside the export folder; export the run again")
        with place.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise HyperspaceError(f"{place}: cannot be read ({error.strerror}); export the run again") from None
    if digest != artifact["sha256"]:
        raise HyperspaceError(f"{place}: was changed after the export (other SHA-256); export the run again")
    return place


def components_in(tree: Mapping[str, Any], path: str = "") -> Iterator[Tree]:
    """Yield path, class and parameter of each section with a class."""
    yield from _components(tree, path, "")


def _components(value: Any, path: str, parameter: str) -> Iterator[Tree]:
    if isinstance(value, Mapping):
        if path and isinstance(value.get(CLASS_NAME), str):
            yield {"path": path, "parameter": parameter, CLASS_NAME: value[CLASS_NAME]}
        for key, inner in value.items():
            yield from _components(inner, join(path, key), str(key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _components(inner, join(path, index), parameter)
