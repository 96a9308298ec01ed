"""Read the folder of an exported run: its `hyperspace.json` and its files."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperspace_core.components import Scenario
from hyperspace_core.config import types
from hyperspace_core.config.registry import pick
from hyperspace_core.config.signature import Signature, signature_of
from hyperspace_core.config.tree import CLASS_NAME, MISSING, Tree, join, match_key
from hyperspace_core.errors import HyperspaceError, NotFound, UnknownClassError, UsageError, did_you_mean
from hyperspace_core.extension.project import Project

# -- Turn labels of artifacts into file names that are safe on every system --

LONGEST = 200                  # bytes of one part; the limit of file systems is 255
_HOSTILE = re.compile(r"[\\\x00-\x1f\x7f-\x9f\ud800-\udfff]|^[A-Za-z]:")
_AWKWARD = re.compile(r'[<>:"|?*]|[. ]$|^ ')
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.I)


def file_names(labels: Iterable[str]) -> dict[str, str]:
    """Map labels to unique relative paths with `/`. Raises `HyperspaceError`."""
    names: dict[str, str] = {}
    files: set[str] = set()
    folders: set[str] = set()
    for label in sorted(set(labels)):
        check_below(label, f"artifact {label!a}", "name the others with --artifact (artifacts=[...])")
        name = label
        if _is_awkward(label) or _collides(_folded(label), files, folders):
            name = _flat(label)
        names[label] = name
        files.add(_folded(name))
        folders.update(_above(_folded(name)))
    return names


def check_below(path: str, what: str, cure: str) -> None:
    """Raises `HyperspaceError` for a path that is not plain or not below its folder."""
    parts = path.split("/")
    if _HOSTILE.search(path) or any(part.strip() in ("", ".", "..") for part in parts):
        raise HyperspaceError(f"{what}: its name is not a plain path below a folder; {cure}")


def _is_awkward(label: str) -> bool:
    return not label.isprintable() or any(
        _AWKWARD.search(part) or _DEVICE.match(part) or len(part.encode()) > LONGEST
        for part in label.split("/"))


def _collides(folded: str, files: set[str], folders: set[str]) -> bool:
    return folded in files | folders or not files.isdisjoint(_above(folded))


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _folded(path: str) -> str:
    """Normalize case and Unicode as case-insensitive file systems do."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _flat(label: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", label).strip("._")[-100:]
    stem, dot, suffix = plain.rpartition(".")
    digest = hashlib.sha256(label.encode()).hexdigest()[:12]
    return f"{stem}-{digest}.{suffix}" if stem and dot else f"{plain or 'artifact'}-{digest}"


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
        if not place.resolve().is_relative_to(root.resolve()):
            raise HyperspaceError(f"{place}: is outside the export folder; export the run again")
        with place.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise HyperspaceError(f"{place}: cannot be read ({error.strerror}); export the run again") from None
    if digest != artifact["sha256"]:
        raise HyperspaceError(f"{place}: was changed after the export (other SHA-256); export the run again")
    return place


def components_in(value: Any, path: str = "", parameter: str = "") -> Iterator[Tree]:
    """Yield path, class and parameter of each section with a class."""
    if isinstance(value, Mapping):
        if path and isinstance(value.get(CLASS_NAME), str):
            yield {"path": path, "parameter": parameter, CLASS_NAME: value[CLASS_NAME]}
        for key, inner in value.items():
            yield from components_in(inner, join(path, key), str(key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from components_in(inner, join(path, index), parameter)


# -- Look up a dotted path in an exported run: its value and its kind --

SCENARIO = "scenario"


@dataclass(frozen=True, kw_only=True)
class ExportedPart:
    """A value in the config or scenario of a run."""

    path: str
    kind: types.Kind
    tree: Any


def meant(project: Project, scenario: Tree, config: Tree) -> str:
    """The default path: that of the only component, else the only required one.

    Raises `UsageError` if there are several or none.
    """
    parameters = project.scenario_signature(scenario).parameters
    found = [one for one in parameters
             if types.component_kind(one.kind) is not None and config.get(one.name) is not None]
    for names in ([one.name for one in found], [one.name for one in found if one.required]):
        if len(names) == 1:
            return names[0]
    there = ", ".join([*(one.name for one in found), SCENARIO])
    raise UsageError(f"no default component: name one of {there}, or export the run with --component")


def part_at(project: Project, scenario: Tree, config: Tree, name: str) -> ExportedPart:
    """The value at a path such as `classifier`, `layers.0`, `scenario.dataset`.

    Raises `NotFound` for an unknown path, `UnknownClassError` for a path through an unknown class.
    """
    first, *rest = name.split(".")
    signature = project.scenario_signature(scenario)
    if match_key(first, signature.by_name) is None and first == SCENARIO:
        part = ExportedPart(path=SCENARIO, kind=types.FamilyKind(Scenario, Scenario), tree=scenario)
    else:
        part = _parameter(signature, config, first, "")
    for key in rest:
        part = _below(project, part, key)
    return part


def _parameter(signature: Signature, tree: Mapping[str, Any], key: str, path: str) -> ExportedPart:
    name = match_key(key, signature.by_name)
    if name is None:
        known = [*signature.by_name, *([] if path else [SCENARIO])]
        near = did_you_mean(key, known) or (f"; it has {', '.join(known)}" if known else "")
        raise NotFound(f"`{join(path, key)}`: {signature.name} has no such parameter{near}")
    if name not in tree:
        raise NotFound(f"`{join(path, name)}`: the run does not have it; it is older than this parameter")
    return ExportedPart(path=join(path, name), kind=signature.by_name[name].kind, tree=tree[name])


def _below(project: Project, part: ExportedPart, key: str) -> ExportedPart:
    match part.kind:
        case types.OptionalOf(kind=inner) | types.LazyOf(kind=inner) if part.tree is not None:
            return _below(project, ExportedPart(path=part.path, kind=inner, tree=part.tree), key)
        case types.UnionOf(kinds=kinds) if (member := pick(kinds, part.tree, project.registry)) is not None:
            return _below(project, ExportedPart(path=part.path, kind=member, tree=part.tree), key)
        case types.FamilyKind() if isinstance(part.tree, Mapping):
            return _parameter(_signature(project, part, part.kind), part.tree, key, part.path)
        case types.Nested(target=target) if isinstance(part.tree, Mapping):
            return _parameter(signature_of(target), part.tree, key, part.path)
        case types.DictOf(item=item) if isinstance(part.tree, Mapping) and key in part.tree:
            return ExportedPart(path=join(part.path, key), kind=item, tree=part.tree[key])
        case types.ListOf() | types.TupleOf() if isinstance(part.tree, list):
            kinds = types.item_kinds(part.kind, len(part.tree))
            if key.isascii() and key.isdigit() and int(key) < min(len(kinds), len(part.tree)):
                return ExportedPart(path=join(part.path, key), kind=kinds[int(key)], tree=part.tree[int(key)])
    inside = list(part.tree) if isinstance(part.tree, Mapping) else range(len(part.tree)) \
        if isinstance(part.tree, list) else ()
    has = f"; it has {', '.join(map(str, inside))}" if inside else ""
    raise NotFound(f"`{join(part.path, key)}`: no such part in {types.describe(part.kind)}{has}")


def _signature(project: Project, part: ExportedPart, kind: types.FamilyKind) -> Signature:
    try:
        entry = project.registry.find(kind.family, part.tree.get(CLASS_NAME), below=kind.base)
    except UnknownClassError as error:
        raise UnknownClassError(f"`{join(part.path, CLASS_NAME)}`: {error}") from None
    return signature_of(entry.target)
